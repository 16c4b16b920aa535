//! JPEG through libjpeg-turbo, set up as Pillow does: accurate transform, smooth colour upsampling, smoothed blocks where
//! a progressive file lacks detail, and on across damage.

use std::io::{Read, Seek, SeekFrom};

use libjpeg_turbo_rs::{DecodeLimits, DecodeWarning, Decoder, JpegError, PixelFormat, ScalingFactor};

use super::pixels::{Layout, Pixels, take_buffer};
use super::probe::Header;
use crate::{FingerprintError, Limits};

/// Decodes the JPEG image that starts `reader`. `factor` other than one gives a smaller picture at a fraction of the
/// time.
pub(super) fn decode<R: Read + Seek>(
    reader: &mut R,
    header: &Header,
    factor: ScalingFactor,
    limits: &Limits,
) -> Result<Pixels, FingerprintError> {
    let mut file = Vec::new();
    reader.seek(SeekFrom::Start(0))?;
    reader.take(header.end).read_to_end(&mut file)?;
    let mut decoder = Decoder::new_with_limits(&file, decode_limits(limits)).map_err(refused)?;
    let frame = decoder.header();
    if (u32::from(frame.width), u32::from(frame.height)) != (header.width, header.height) {
        return Err(FingerprintError::malformed("image declares two different sizes"));
    }
    let (format, samples) = match header.mode {
        "L" => (PixelFormat::Grayscale, 1),
        "CMYK" => (PixelFormat::Cmyk, 3),
        _ => (PixelFormat::Rgb, 3),
    };
    decoder.set_output_format(format);
    decoder.set_scale(factor);
    decoder.set_lenient(true);
    decoder.set_block_smoothing(true);
    let (width, height) = (decoder.output_width(), decoder.output_height());
    let mut bytes = take_buffer(width * height * format.bytes_per_pixel());
    let found = decoder.decode_image_into(&mut bytes).map_err(refused)?;
    // Only what libjpeg-turbo decodes as well: what takes its place here would be grey.
    if found.warnings.iter().any(|warning| matches!(warning, DecodeWarning::UnsupportedRecovered { .. })) {
        return Err(unsupported());
    }
    if format == PixelFormat::Cmyk {
        cmyk_to_rgb(&mut bytes);
    }
    Ok(Pixels::new(width, height, Layout { samples, wide: false }, bytes))
}

/// The decoder's own limits, as wide as those that the header was held against.
fn decode_limits(limits: &Limits) -> DecodeLimits {
    DecodeLimits {
        max_width: limits.side_px_max as usize,
        max_height: limits.side_px_max as usize,
        max_pixels: limits.pixels_max,
        max_scans: limits.jpeg_scans_max as usize,
        max_memory: None,
    }
}

fn refused(error: JpegError) -> FingerprintError {
    match error {
        JpegError::Unsupported(_) => unsupported(),
        JpegError::AllocationFailed { .. } => {
            FingerprintError::limit("decoded_bytes_max", "image needs more memory to decode than there is")
        }
        _ => FingerprintError::malformed("image data is corrupt"),
    }
}

fn unsupported() -> FingerprintError {
    FingerprintError::unsupported("image uses a variant that is not supported")
}

/// Pillow's way: samples are inverted, as Adobe writes them, then `black - black * ink / 255`, rounded.
fn cmyk_to_rgb(bytes: &mut Vec<u8>) {
    let pixels = bytes.len() / 4;
    for at in 0..pixels {
        let black = u32::from(bytes[at * 4 + 3]);
        for channel in 0..3 {
            let product = u32::from(255 - bytes[at * 4 + channel]) * black + 128;
            bytes[at * 3 + channel] = black.saturating_sub((product + (product >> 8)) >> 8) as u8;
        }
    }
    bytes.truncate(pixels * 3);
}
