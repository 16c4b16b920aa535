//! Encodes pictures that people look at.

use ::image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ::image::{ExtendedColorType, ImageEncoder};
use libjpeg_turbo_rs::{Encoder, PixelFormat, Subsampling};

use crate::FingerprintError;

/// A baseline JPEG file without metadata of `width` x `height` RGB pixels; `quality` 1 to 100, colour at half the
/// resolution.
///
/// # Errors
/// When `rgb` does not hold `3 * width * height` values, or the size is beyond what JPEG can say.
pub fn encode_jpeg(width: u32, height: u32, rgb: &[u8], quality: u8) -> Result<Vec<u8>, FingerprintError> {
    check(width, height, 3, rgb)?;
    Encoder::new(rgb, width as usize, height as usize, PixelFormat::Rgb)
        .quality(quality.clamp(1, 100))
        .subsampling(Subsampling::S420)
        // Smaller tables for one more pass over the coefficients.
        .optimize_huffman(true)
        .encode()
        .map_err(|_| FingerprintError::malformed("picture could not be encoded"))
}

/// A PNG file without metadata of `width` x `height` pixels; `channels` is 1 (grey), 3 (RGB) or 4 (RGB and alpha).
///
/// # Errors
/// When `pixels` does not hold `channels * width * height` values, or `channels` is another number.
pub fn encode_png(width: u32, height: u32, channels: u8, pixels: &[u8]) -> Result<Vec<u8>, FingerprintError> {
    check(width, height, channels, pixels)?;
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        _ => return Err(FingerprintError::malformed("picture has an unknown number of channels")),
    };
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, width, height, color)
        .map_err(|_| FingerprintError::malformed("picture could not be encoded"))?;
    Ok(bytes)
}

fn check(width: u32, height: u32, channels: u8, pixels: &[u8]) -> Result<(), FingerprintError> {
    let expected = u64::from(width) * u64::from(height) * u64::from(channels);
    if expected == 0 || pixels.len() as u64 != expected {
        return Err(FingerprintError::malformed("picture has another number of pixels than its size says"));
    }
    Ok(())
}
