//! Decodes an image to [`Pixels`].

use std::io::{BufRead, ErrorKind, Seek};

use ::image::codecs::png::PngDecoder;
use ::image::codecs::webp::WebPDecoder;
use ::image::{ColorType, ImageDecoder, ImageError, Limits as DecoderLimits};
use libjpeg_turbo_rs::ScalingFactor;

use super::pixels::{Layout, Pixels, take_buffer};
use super::probe::{Format, Header, truncated};
use super::turbo;
use crate::guard::no_panic;
use crate::{FingerprintError, Limits};

/// Decoded pixels, and the raw Exif block when there is one.
pub(super) struct Decoded {
    pub(super) pixels: Pixels,
    pub(super) exif: Option<Vec<u8>>,
}

/// Decodes the image in `reader`, whose header is `header`. Only JPEG follows `factor`.
pub(super) fn decode<R: BufRead + Seek>(
    reader: &mut R,
    header: &Header,
    factor: ScalingFactor,
    limits: &Limits,
) -> Result<Decoded, FingerprintError> {
    no_panic("image", || {
        reader.rewind()?;
        let mut decoder_limits = DecoderLimits::no_limits();
        decoder_limits.max_alloc = Some(limits.decoded_bytes_max);
        match header.format {
            Format::Png => {
                let decoder = PngDecoder::with_limits(reader, decoder_limits).map_err(translate)?;
                run(decoder, header, limits)
            }
            Format::Jpeg => {
                let pixels = turbo::decode(reader, header, factor, limits)?;
                Ok(Decoded { pixels, exif: header.exif.clone() })
            }
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
    let layout = layout(decoder.color_type());
    let length = usize::try_from(total_bytes).map_err(|_| truncated())?;
    let mut bytes = take_buffer(length);
    decoder.read_image(&mut bytes).map_err(translate)?;
    let pixels = Pixels::new(header.width as usize, header.height as usize, layout, bytes);
    Ok(Decoded { pixels, exif })
}

fn layout(color_type: ColorType) -> Layout {
    let (samples, wide) = match color_type {
        ColorType::L8 => (1, false),
        ColorType::La8 => (2, false),
        ColorType::Rgb8 => (3, false),
        ColorType::Rgba8 => (4, false),
        ColorType::L16 => (1, true),
        ColorType::La16 => (2, true),
        ColorType::Rgb16 => (3, true),
        // `ColorType` is not exhaustive; the two decoders produce nothing else.
        _ => (4, true),
    };
    Layout { samples, wide }
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
