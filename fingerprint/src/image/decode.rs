//! Decodes an image to 8-bit L or RGB rows.

use std::io::{BufRead, ErrorKind, Seek};

use ::image::codecs::jpeg::JpegDecoder;
use ::image::codecs::png::PngDecoder;
use ::image::codecs::webp::WebPDecoder;
use ::image::{ColorType, ImageDecoder, ImageError, Limits as DecoderLimits};

use super::probe::{Format, Header, truncated};
use crate::guard::no_panic;
use crate::{FingerprintError, Limits};

/// Decoded pixels, and the raw Exif block when there is one.
pub(super) struct Decoded {
    pub(super) pixels: Pixels,
    pub(super) exif: Option<Vec<u8>>,
}

/// A decoded image as the decoder left it; [`Pixels::row`] converts row by row, so that no second
/// copy is made.
pub(super) struct Pixels {
    width: usize,
    height: usize,
    color_type: ColorType,
    /// Pillow keeps one channel only for mode L; everything else becomes RGB before it is resized.
    channels: usize,
    bytes: Vec<u8>,
}

/// Decodes the image in `reader`, which stands at its start.
pub(super) fn decode<R: BufRead + Seek>(
    reader: &mut R,
    header: &Header,
    limits: &Limits,
) -> Result<Decoded, FingerprintError> {
    no_panic("image", || {
        let mut decoder_limits = DecoderLimits::no_limits();
        decoder_limits.max_alloc = Some(limits.decoded_bytes_max);
        match header.format {
            Format::Png => {
                let decoder = PngDecoder::with_limits(reader, decoder_limits).map_err(translate)?;
                run(decoder, header, limits)
            }
            Format::Jpeg => run(JpegDecoder::new(reader).map_err(translate)?, header, limits),
            Format::WebP => run(WebPDecoder::new(reader).map_err(translate)?, header, limits),
        }
    })
}

fn run<D: ImageDecoder>(mut decoder: D, header: &Header, limits: &Limits) -> Result<Decoded, FingerprintError> {
    // The limits were checked against the header: a decoder that sees another size was misled.
    if decoder.dimensions() != (header.width, header.height) {
        return Err(FingerprintError::malformed("image declares two different sizes"));
    }
    let total_bytes = decoder.total_bytes();
    if total_bytes > limits.decoded_bytes_max {
        return Err(FingerprintError::limit(
            "decoded_bytes_max",
            format!("decoded image is larger than the limit of {} MiB", limits.decoded_bytes_max >> 20),
        ));
    }
    // Broken Exif data is no reason to refuse the picture.
    let exif = decoder.exif_metadata().ok().flatten();
    let exif = exif.filter(|exif| exif.len() as u64 <= limits.exif_bytes_max);
    let color_type = decoder.color_type();
    let length = usize::try_from(total_bytes).map_err(|_| truncated())?;
    let mut bytes = vec![0; length];
    decoder.read_image(&mut bytes).map_err(translate)?;
    let pixels = Pixels {
        width: header.width as usize,
        height: header.height as usize,
        color_type,
        channels: if header.mode == "L" { 1 } else { 3 },
        bytes,
    };
    Ok(Decoded { pixels, exif })
}

impl Pixels {
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Values per pixel of [`Pixels::row`]: 1 (L) or 3 (RGB).
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Writes row `y` to `out`, `width * channels` values: alpha dropped, grey repeated for RGB,
    /// 16-bit samples (native byte order) cut to their high byte.
    pub(super) fn row(&self, y: usize, out: &mut [u8]) {
        let (samples, wide) = match self.color_type {
            ColorType::L8 => (1, false),
            ColorType::La8 => (2, false),
            ColorType::Rgb8 => (3, false),
            ColorType::Rgba8 => (4, false),
            ColorType::L16 => (1, true),
            ColorType::La16 => (2, true),
            ColorType::Rgb16 => (3, true),
            // `ColorType` is not exhaustive; the three decoders produce nothing else.
            _ => (4, true),
        };
        let bytes_per_px = if wide { samples * 2 } else { samples };
        let row = &self.bytes[y * self.width * bytes_per_px..][..self.width * bytes_per_px];
        if bytes_per_px == self.channels {
            out.copy_from_slice(row);
            return;
        }
        let high = if wide && cfg!(target_endian = "little") { 1 } else { 0 };
        let stride = if wide { 2 } else { 1 };
        for (pixel, out) in row.chunks_exact(bytes_per_px).zip(out.chunks_exact_mut(self.channels)) {
            for (channel, out) in out.iter_mut().enumerate() {
                let sample = if samples < 3 { 0 } else { channel };
                *out = pixel[sample * stride + high];
            }
        }
    }
}

fn translate(error: ImageError) -> FingerprintError {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => truncated(),
        ImageError::IoError(error) => error.into(),
        ImageError::Limits(_) => {
            FingerprintError::limit("decoded_bytes_max", "image needs more memory to decode than the limit allows")
        }
        ImageError::Unsupported(_) => FingerprintError::unsupported("image uses a variant that is not supported"),
        error => {
            let text = error.to_string().to_lowercase();
            if ["truncat", "unexpected end", "eof", "exhausted"].iter().any(|hint| text.contains(hint)) {
                truncated()
            } else {
                FingerprintError::malformed("image data is corrupt")
            }
        }
    }
}
