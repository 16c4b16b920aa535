//! Reads format, size and mode from the first bytes of an image, before anything is allocated.

use std::io::{BufRead, Read, Seek, SeekFrom};

use super::blocks::Blocks;
use super::{chunks, jpeg};
use crate::{FingerprintError, Limits};

/// Formats that are fingerprinted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    WebP,
}

impl Format {
    /// Name as Pillow spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WEBP",
        }
    }
}

/// What the first bytes say. Width and height in pixels as stored, not rotated.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Pillow's name of the pixel layout: 1, L, LA, P, RGB, RGBA, I;16, CMYK.
    pub(super) mode: &'static str,
    /// Bytes per pixel while decoding, working memory of the decoder included.
    pub(super) decode_bytes_per_px: u64,
    /// Of JPEG files: bytes up to the end marker; all of them are in memory while decoding. Others are read on the go: 0.
    pub(super) end: u64,
    /// Exif, XMP and IPTC.
    pub(super) blocks: Blocks,
}

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Recognises the format, reads the size and holds it against `limits`. `reader` is at its start;
/// where it stands afterwards is not specified.
pub(super) fn probe<R: BufRead + Seek>(
    reader: &mut R,
    file_size: u64,
    limits: &Limits,
) -> Result<Header, FingerprintError> {
    let mut start = Vec::with_capacity(33);
    reader.by_ref().take(33).read_to_end(&mut start)?;
    let header = if start.starts_with(PNG_SIGNATURE) {
        let header = png(&start)?;
        check_size(&header, limits)?;
        Header { blocks: chunks::of_png(reader, limits)?, ..header }
    } else if start.starts_with(b"\xff\xd8\xff") {
        reader.seek(SeekFrom::Start(2))?;
        jpeg::header(reader, limits)?
    } else if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        webp(reader, &start, file_size, limits)?
    } else {
        return Err(FingerprintError::unsupported("not a PNG, JPEG or WebP image"));
    };
    check_size(&header, limits)?;
    Ok(header)
}

/// IHDR is always the first chunk: length 13, type, width, height, bit depth, colour type.
fn png(start: &[u8]) -> Result<Header, FingerprintError> {
    let ihdr = start.get(8..26).ok_or_else(truncated)?;
    if !ihdr.starts_with(b"\0\0\0\x0dIHDR") {
        return Err(FingerprintError::malformed("png image has no header"));
    }
    let word = |at: usize| u32::from_be_bytes([ihdr[at], ihdr[at + 1], ihdr[at + 2], ihdr[at + 3]]);
    let (depth, colour_type) = (ihdr[16], ihdr[17]);
    // Pillow has no mode for 16-bit RGB and alpha images and opens them as 8-bit ones.
    let (mode, channels) = match (depth, colour_type) {
        (1, 0) => ("1", 1),
        (2 | 4 | 8, 0) => ("L", 1),
        (16, 0) => ("I;16", 1),
        (8 | 16, 2) => ("RGB", 3),
        (1 | 2 | 4 | 8, 3) => ("P", 3),
        (8, 4) => ("LA", 2),
        (16, 4) => ("RGBA", 2),
        (8 | 16, 6) => ("RGBA", 4),
        _ => return Err(FingerprintError::malformed("png image has an invalid colour type")),
    };
    // A transparent colour adds a channel.
    let channels = if matches!(colour_type, 4 | 6) { channels } else { channels + 1 };
    // Alpha is moved apart.
    let decode_bytes_per_px = channels * if depth == 16 { 2 } else { 1 } + 1 - channels % 2;
    Ok(Header {
        format: Format::Png,
        width: word(8),
        height: word(12),
        mode,
        decode_bytes_per_px,
        end: 0,
        blocks: Blocks::default(),
    })
}

/// Walks the RIFF chunks, so that none claims more bytes than the file has. The first chunk is
/// `VP8 ` (lossy), `VP8L` (lossless) or `VP8X` (extended), and each carries the canvas size.
fn webp<R: BufRead + Seek>(
    reader: &mut R,
    start: &[u8],
    file_size: u64,
    limits: &Limits,
) -> Result<Header, FingerprintError> {
    let first = start.get(12..16).ok_or_else(truncated)?;
    let body = start.get(20..30).ok_or_else(truncated)?;
    let size14 = |at: usize| u32::from(u16::from_le_bytes([body[at], body[at + 1]]) & 0x3fff);
    let size24 = |at: usize| 1 + u32::from_le_bytes([body[at], body[at + 1], body[at + 2], 0]);
    let (width, height, alpha) = match first {
        b"VP8 " => (size14(6), size14(8), false),
        b"VP8L" => {
            let bits = u32::from_le_bytes([body[1], body[2], body[3], body[4]]);
            (1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff), bits >> 28 & 1 == 1)
        }
        b"VP8X" => (size24(4), size24(7), body[0] & 0x10 != 0),
        _ => return Err(FingerprintError::malformed("webp image has no picture")),
    };
    let riff_end = 8 + u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]]));
    if riff_end > file_size {
        return Err(truncated());
    }
    let blocks = chunks::of_webp(reader, riff_end, file_size, limits)?;
    let mode = if alpha { "RGBA" } else { "RGB" };
    // Output, one more frame as working memory, and alpha apart.
    Ok(Header {
        format: Format::WebP,
        width,
        height,
        mode,
        decode_bytes_per_px: if alpha { 9 } else { 7 },
        end: 0,
        blocks,
    })
}

fn check_size(header: &Header, limits: &Limits) -> Result<(), FingerprintError> {
    let (width, height) = (header.width, header.height);
    if width == 0 || height == 0 {
        return Err(FingerprintError::malformed("image has no pixels"));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels_max {
        return Err(FingerprintError::limit(
            "pixels_max",
            format!(
                "image declares {width}x{height} pixels, more than the limit of {}",
                pixels_text(limits.pixels_max)
            ),
        ));
    }
    if width.max(height) > limits.side_px_max {
        return Err(FingerprintError::limit(
            "side_px_max",
            format!("image declares {width}x{height} pixels, more than the limit of {} on a side", limits.side_px_max),
        ));
    }
    let bytes = pixels.saturating_mul(header.decode_bytes_per_px).saturating_add(header.end);
    if bytes > limits.decoded_bytes_max {
        return Err(FingerprintError::limit(
            "decoded_bytes_max",
            format!(
                "image of {width}x{height} pixels needs {} MiB to decode, more than the limit of {} MiB",
                bytes.div_ceil(1 << 20),
                limits.decoded_bytes_max >> 20
            ),
        ));
    }
    Ok(())
}

fn pixels_text(pixels: u64) -> String {
    if pixels >= 1_000_000 && pixels.is_multiple_of(1_000_000) {
        format!("{} megapixels", pixels / 1_000_000)
    } else {
        format!("{pixels} pixels")
    }
}

pub(super) fn truncated() -> FingerprintError {
    FingerprintError::malformed("image is truncated")
}
