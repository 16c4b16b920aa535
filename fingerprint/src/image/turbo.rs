//! JPEG through libjpeg-turbo, set up as Pillow does: accurate transform, smooth colour upsampling.

use std::io::{Read, Seek, SeekFrom};

use turbojpeg::{Decompressor, Error, Image, PixelFormat, ScalingFactor};

use super::pixels::{Layout, Pixels, take_buffer};
use super::probe::{Header, truncated};
use crate::{FingerprintError, Limits};

/// What libjpeg says of damage that it decodes across; Pillow does not even look at it. The last one is ours to refuse:
/// it means that the file ends early.
const WARNINGS: [&str; 6] = [
    "Corrupt JPEG data",
    "Inconsistent progression",
    "Invalid SOS parameters",
    "Application transferred too",
    "Unknown Adobe color",
    "Warning: unknown JFIF",
];

/// Decodes the JPEG image that starts `reader`. `factor` other than one gives a smaller picture at a fraction of the
/// time.
///
/// `None` when the file needs another decoder: its header has an oddity before which this one stops.
pub(super) fn decode<R: Read + Seek>(
    reader: &mut R,
    header: &Header,
    factor: ScalingFactor,
    limits: &Limits,
) -> Result<Option<Pixels>, FingerprintError> {
    let mut file = Vec::new();
    reader.seek(SeekFrom::Start(0))?;
    reader.take(header.end).read_to_end(&mut file)?;
    let mut decompressor = Decompressor::new().map_err(|_| corrupt())?;
    let Ok(found) = decompressor.read_header(&file) else { return Ok(None) };
    if (found.width, found.height) != (header.width as usize, header.height as usize) {
        return Err(FingerprintError::malformed("image declares two different sizes"));
    }
    let scans = limits.jpeg_scans_max;
    decompressor.set_scan_limit(scans).and_then(|()| decompressor.set_scaling_factor(factor)).map_err(|_| corrupt())?;
    let (width, height) = (factor.scale(found.width), factor.scale(found.height));
    let format = match header.mode {
        "L" => PixelFormat::GRAY,
        "CMYK" => PixelFormat::CMYK,
        _ => PixelFormat::RGB,
    };
    let pitch = width * format.size();
    let mut bytes = take_buffer(pitch * height);
    if let Err(error) =
        decompressor.decompress(&file, Image { pixels: bytes.as_mut_slice(), width, pitch, height, format })
    {
        check(&error)?;
    }
    if format == PixelFormat::CMYK {
        cmyk_to_rgb(&mut bytes);
    }
    let samples = if format == PixelFormat::GRAY { 1 } else { 3 };
    Ok(Some(Pixels::new(width, height, Layout { samples, wide: false }, bytes)))
}

/// Lets pass what is only a warning: the picture is there.
fn check(error: &Error) -> Result<(), FingerprintError> {
    let Error::TurboJpegError(message) = error else { return Err(corrupt()) };
    if WARNINGS.iter().any(|warning| message.contains(warning)) {
        Ok(())
    } else if message.contains("Premature end") {
        Err(truncated())
    } else {
        Err(corrupt())
    }
}

fn corrupt() -> FingerprintError {
    FingerprintError::malformed("image data is corrupt")
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
