//! Decodes an image to [`Pixels`].

use std::io::{BufRead, ErrorKind, Seek};

use ::image::codecs::webp::WebPDecoder;
use ::image::{ColorType, ImageDecoder, ImageError};
use libjpeg_turbo_rs::ScalingFactor;

use super::pixels::{Layout, Pixels, take_buffer};
use super::probe::{Format, Header, truncated};
use super::{png, turbo};
use crate::guard::no_panic;
use crate::{FingerprintError, Limits};

/// Decodes the image in `reader`, whose header is `header`. Only JPEG follows `factor`.
pub(super) fn decode<R: BufRead + Seek>(
    reader: &mut R,
    header: &Header,
    factor: ScalingFactor,
    limits: &Limits,
) -> Result<Pixels, FingerprintError> {
    no_panic("image", || {
        reader.rewind()?;
        match header.format {
            Format::Png => png::decode(reader, header, limits),
            Format::Jpeg => turbo::decode(reader, header, factor, limits),
            Format::WebP => webp(WebPDecoder::new(reader).map_err(translate)?, header, limits),
        }
    })
}

fn webp<D: ImageDecoder>(decoder: D, header: &Header, limits: &Limits) -> Result<Pixels, FingerprintError> {
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
    let samples = if decoder.color_type() == ColorType::Rgba8 { 4 } else { 3 };
    let length = usize::try_from(total_bytes).map_err(|_| truncated())?;
    let mut bytes = take_buffer(length);
    decoder.read_image(&mut bytes).map_err(translate)?;
    Ok(Pixels::new(header.width as usize, header.height as usize, Layout { samples, wide: false }, bytes))
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
