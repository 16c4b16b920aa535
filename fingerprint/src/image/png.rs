//! PNG, read as Pillow reads it: check sums from the first chunk of the picture on say nothing, and a picture is whole
//! when its last row is, whatever is missing behind it.

use std::io::{BufRead, ErrorKind, Seek};

use png::{BitDepth, Decoder, DecodingError, InterlaceInfo, Reader, Transformations, expand_interlaced_row};

use super::pixels::{Layout, Pixels, take_buffer};
use super::probe::{Header, truncated};
use crate::{FingerprintError, Limits};

/// Decodes the PNG image in `reader`, which is at its start and whose header is `header`.
pub(super) fn decode<R: BufRead + Seek>(
    reader: R,
    header: &Header,
    limits: &Limits,
) -> Result<Pixels, FingerprintError> {
    let bytes_max = usize::try_from(limits.decoded_bytes_max).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(reader, png::Limits { bytes: bytes_max });
    // Metadata is read elsewhere; colour profiles are not applied.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.ignore_checksums(true);
    // Palettes, bits and transparent colours become samples of 8 bits; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(translate)?;
    // The limits were checked against the header: a decoder that sees another size was misled.
    if reader.info().size() != (header.width, header.height) {
        return Err(FingerprintError::malformed("image declares two different sizes"));
    }
    let (colour, depth) = reader.output_color_type();
    let layout = Layout { samples: colour.samples(), wide: depth == BitDepth::Sixteen };
    let too_large =
        || FingerprintError::limit("decoded_bytes_max", "image needs more memory to decode than the limit allows");
    let length = reader.output_buffer_size().filter(|&length| length <= bytes_max).ok_or_else(too_large)?;
    let mut bytes = take_buffer(length);
    if reader.info().interlaced {
        let bits_per_px = layout.samples as u8 * depth as u8;
        interlaced(&mut reader, length / header.height as usize, bits_per_px, &mut bytes)?;
    } else {
        for row in bytes.chunks_exact_mut(length / header.height as usize) {
            reader.read_row(row).map_err(translate)?;
        }
    }
    Ok(Pixels::new(header.width as usize, header.height as usize, layout, bytes))
}

/// The rows of seven passes, each to its place.
fn interlaced<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    stride: usize,
    bits_per_px: u8,
    bytes: &mut [u8],
) -> Result<(), FingerprintError> {
    let mut left = rows_of_passes(reader.info().width, reader.info().height);
    // The reader looks for the end of the picture when it is asked once more.
    while left > 0 {
        let Some(row) = reader.next_interlaced_row().map_err(translate)? else { break };
        if let InterlaceInfo::Adam7(place) = row.interlace() {
            expand_interlaced_row(bytes, stride, row.data(), place, bits_per_px);
        }
        left -= 1;
    }
    Ok(())
}

/// Rows of all passes that hold any pixel: each pass starts at a column and row, and steps on by so many.
fn rows_of_passes(width: u32, height: u32) -> u32 {
    const PASSES: [(u32, u32, u32); 7] = [(0, 0, 8), (4, 0, 8), (0, 4, 8), (2, 0, 4), (0, 2, 4), (1, 0, 2), (0, 1, 2)];
    PASSES.iter().filter(|(x, _, _)| *x < width).map(|&(_, y, step)| height.saturating_sub(y).div_ceil(step)).sum()
}

fn translate(error: DecodingError) -> FingerprintError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => truncated(),
        DecodingError::IoError(error) => error.into(),
        DecodingError::LimitsExceeded => {
            FingerprintError::limit("decoded_bytes_max", "image needs more memory to decode than the limit allows")
        }
        DecodingError::Format(_) | DecodingError::Parameter(_) => FingerprintError::malformed("image data is corrupt"),
    }
}
