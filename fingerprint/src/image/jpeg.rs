//! Walks the markers of a JPEG file (ITU-T T.81, annex B).
//!
//! The decoder fills what is missing with grey and steps over what it does not know. Pillow refuses such files and so do
//! we: a file whose last scan is not followed by the end marker is truncated. On the way metadata are kept.

use std::io::{BufRead, Read, Seek};

use super::blocks::Blocks;
use super::probe::{Format, Header, truncated};
use crate::{FingerprintError, Limits};

const START_OF_IMAGE: u8 = 0xd8;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
/// Application segments that metadata use.
const APP1: u8 = 0xe1;
const APP13: u8 = 0xed;
/// Scans times pixels: the decoder passes over the whole picture once per scan and can't be stopped meanwhile.
const SCANNED_PIXELS_MAX: u64 = 4_000_000_000;
/// Encoders write about ten scans; up to here the size alone counts.
const SCANS_USUAL: u32 = 20;

struct Frame {
    width: u32,
    height: u32,
    components: u8,
    progressive: bool,
}

/// Size and mode of the JPEG image in `reader`, which stands behind the start marker.
pub(super) fn header<R: BufRead + Seek>(reader: &mut R, limits: &Limits) -> Result<Header, FingerprintError> {
    let mut frame = None;
    let mut scans = 0_u32;
    let mut blocks = Blocks::default();
    let mut marker = next_marker(reader)?;
    while marker != END_OF_IMAGE {
        match marker {
            // Restart markers and TEM stand alone.
            0x01 | 0xd0..=0xd7 => {}
            0xc0..=0xc2 | 0xc9 | 0xca if frame.is_none() => frame = Some(start_of_frame(reader, marker)?),
            0xc3 | 0xc5..=0xc7 | 0xcb | 0xcd..=0xcf => {
                return Err(FingerprintError::unsupported("jpeg image uses a rare coding that is not supported"));
            }
            0xc0..=0xc2 | 0xc9 | 0xca | START_OF_IMAGE => {
                return Err(FingerprintError::malformed("file holds two jpeg images in one"));
            }
            // What libjpeg, and so Pillow, refuses: reserved codes and those of hierarchical files and of extensions.
            0x02..=0xbf | 0xc8 | 0xde | 0xdf | 0xf0..=0xfd => {
                return Err(FingerprintError::malformed("jpeg image has an unknown segment"));
            }
            APP1 | APP13 => application_segment(reader, &mut blocks, limits)?,
            _ => skip_segment(reader)?,
        }
        if marker == START_OF_SCAN {
            scans += 1;
            if scans > limits.jpeg_scans_max {
                return Err(FingerprintError::limit(
                    "jpeg_scans_max",
                    format!("jpeg image has more than {} scans", limits.jpeg_scans_max),
                ));
            }
        }
        marker = next_marker(reader)?;
    }
    match frame {
        Some(frame) if scans > 0 => {
            let mut header = to_header(&frame, scans)?;
            header.end = reader.stream_position()?;
            header.blocks = blocks;
            Ok(header)
        }
        _ => Err(FingerprintError::malformed("jpeg image has no picture")),
    }
}

fn to_header(frame: &Frame, scans: u32) -> Result<Header, FingerprintError> {
    let (mode, output_bytes) = match frame.components {
        1 => ("L", 1),
        3 => ("RGB", 3),
        4 => ("CMYK", 4),
        _ => return Err(FingerprintError::malformed("jpeg image has an invalid number of components")),
    };
    let scanned = u64::from(frame.width) * u64::from(frame.height) * u64::from(scans);
    if scans > SCANS_USUAL && scanned > SCANNED_PIXELS_MAX {
        return Err(FingerprintError::limit(
            "jpeg_scans_max",
            format!("jpeg image has {scans} scans, too many for its size"),
        ));
    }
    // The samples of each component stand beside the pixels that are made of them, and before that beside the 16-bit
    // coefficients, which a file of several scans keeps until its last one.
    let samples = u64::from(frame.components);
    let coefficients = if frame.progressive || scans > 1 { 2 * samples } else { 0 };
    Ok(Header {
        format: Format::Jpeg,
        width: frame.width,
        height: frame.height,
        mode,
        decode_bytes_per_px: samples + coefficients.max(output_bytes),
        end: 0,
        blocks: Blocks::default(),
    })
}

/// Next marker code. Skips entropy-coded data, where 0xff is followed by 0 (a stuffed byte) or by
/// a restart marker, and stray bytes between segments.
fn next_marker<R: BufRead>(reader: &mut R) -> Result<u8, FingerprintError> {
    let mut after_ff = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(truncated());
        }
        let mut at = 0;
        while at < buffer.len() {
            let byte = buffer[at];
            at += 1;
            match (after_ff, byte) {
                (false, 0xff) => after_ff = true,
                (true, 0xff) | (false, _) => {}
                (true, 0 | 0xd0..=0xd7) => after_ff = false,
                (true, marker) => {
                    reader.consume(at);
                    return Ok(marker);
                }
            }
        }
        reader.consume(at);
    }
}

fn start_of_frame<R: BufRead>(reader: &mut R, marker: u8) -> Result<Frame, FingerprintError> {
    let mut segment = [0; 8];
    reader.read_exact(&mut segment).map_err(end_is_truncation)?;
    let word = |at: usize| u32::from(u16::from_be_bytes([segment[at], segment[at + 1]]));
    let mut rest = reader.take(u64::from(word(0).saturating_sub(8)));
    std::io::copy(&mut rest, &mut std::io::sink())?;
    if segment[2] != 8 {
        return Err(FingerprintError::unsupported("jpeg image has more than 8 bits per sample"));
    }
    Ok(Frame { height: word(3), width: word(5), components: segment[7], progressive: matches!(marker, 0xc2 | 0xca) })
}

fn skip_segment<R: BufRead + Seek>(reader: &mut R) -> Result<(), FingerprintError> {
    let mut length = [0; 2];
    reader.read_exact(&mut length).map_err(end_is_truncation)?;
    let body = i64::from(u16::from_be_bytes(length)) - 2;
    if body < 0 {
        return Err(FingerprintError::malformed("jpeg image has an invalid segment"));
    }
    reader.seek_relative(body)?;
    Ok(())
}

/// Keeps the metadata of the segment.
fn application_segment<R: BufRead + Seek>(
    reader: &mut R,
    blocks: &mut Blocks,
    limits: &Limits,
) -> Result<(), FingerprintError> {
    let mut length = [0; 2];
    reader.read_exact(&mut length).map_err(end_is_truncation)?;
    let Some(length) = u64::from(u16::from_be_bytes(length)).checked_sub(2) else {
        return Err(FingerprintError::malformed("jpeg image has an invalid segment"));
    };
    let mut segment = Vec::new();
    reader.take(length).read_to_end(&mut segment)?;
    if segment.len() as u64 != length {
        return Err(truncated());
    }
    blocks.take_segment(&segment, limits);
    Ok(())
}

fn end_is_truncation(error: std::io::Error) -> FingerprintError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => truncated(),
        _ => error.into(),
    }
}
