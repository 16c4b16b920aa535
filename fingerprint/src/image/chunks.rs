//! Walks the chunks of PNG and WebP files for their metadata.

use std::io::{BufRead, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::ZlibDecoder;

use super::blocks::{Blocks, read_block};
use super::probe::truncated;
use crate::{FingerprintError, Limits};

/// Chunks of a PNG file that are looked at; encoders write one for each 8 KiB of the picture or fewer.
const CHUNKS_MAX: usize = 1_000_000;
/// Text of a raw profile for each of its bytes: two digits, and line ends.
const TEXT_PER_BYTE: u64 = 3;

/// Metadata of the PNG image in `reader`, wherever it stands; the walk ends at the last chunk or where the chunks do. As
/// for Pillow, the check sum of a chunk without which there is no picture has to be right as far as the first of the
/// picture itself.
pub(super) fn of_png<R: BufRead + Seek>(reader: &mut R, limits: &Limits) -> Result<Blocks, FingerprintError> {
    reader.seek(SeekFrom::Start(8))?;
    let mut found = Png::default();
    let mut picture = false;
    for _ in 0..CHUNKS_MAX {
        let mut head = [0; 8];
        if reader.read_exact(&mut head).is_err() {
            break;
        }
        let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let kind = [head[4], head[5], head[6], head[7]];
        picture |= &kind == b"IDAT";
        if &kind == b"IEND" || !kind.iter().all(u8::is_ascii_alphabetic) {
            break;
        }
        let left = match &kind {
            b"eXIf" | b"iTXt" | b"zTXt" | b"tEXt" => {
                let block = read_block(reader, length, limits.exif_bytes_max * TEXT_PER_BYTE)?;
                found.take(kind, block.unwrap_or_default(), limits);
                0
            }
            b"IHDR" | b"PLTE" if !picture => {
                check_sum(reader, kind, length)?;
                continue;
            }
            _ => length,
        };
        reader.seek_relative(left as i64 + 4)?;
    }
    Ok(found.finish())
}

/// A chunk of at most 768 bytes, whose check sum is behind it.
fn check_sum<R: BufRead>(reader: &mut R, kind: [u8; 4], length: u64) -> Result<(), FingerprintError> {
    let corrupt = || FingerprintError::malformed("image data is corrupt");
    let body = read_block(reader, length.min(1_024), 1_024)?.ok_or_else(truncated)?;
    let mut sum = [0; 4];
    reader.read_exact(&mut sum).map_err(|_| truncated())?;
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(&body);
    if length > 1_024 || crc.sum() != u32::from_be_bytes(sum) { Err(corrupt()) } else { Ok(()) }
}

/// What a PNG file holds; its Exif chunk comes before profiles in text.
#[derive(Default)]
struct Png {
    exif: Option<Vec<u8>>,
    others: Blocks,
}

impl Png {
    fn take(&mut self, kind: [u8; 4], body: Vec<u8>, limits: &Limits) {
        if &kind == b"eXIf" {
            self.exif.get_or_insert(body);
            return;
        }
        let Some((keyword, rest)) = split_at_zero(&body) else { return };
        let text = match &kind {
            b"tEXt" => Some(rest.to_vec()),
            b"zTXt" => rest.get(1..).and_then(|packed| unpack(packed, limits)),
            _ => international(rest, limits),
        };
        let Some(text) = text else { return };
        match keyword.strip_prefix(b"Raw profile type ") {
            Some(name) => self.others.take_raw_profile(name, &text, limits),
            None if keyword == b"XML:com.adobe.xmp" => self.others.xmp = Some(text),
            None => {}
        }
    }

    fn finish(self) -> Blocks {
        let Self { exif, mut others } = self;
        if let Some(exif) = exif {
            others.exif.insert(0, exif);
        }
        others
    }
}

/// Text of an `iTXt` chunk: two flags, language, keyword in that language, text.
fn international(rest: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let (&[packed, _method], rest) = rest.split_first_chunk::<2>()?;
    let (_language, rest) = split_at_zero(rest)?;
    let (_keyword, text) = split_at_zero(rest)?;
    if packed == 1 { unpack(text, limits) } else { Some(text.to_vec()) }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn unpack(packed: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let limit = limits.exif_bytes_max * TEXT_PER_BYTE;
    let mut text = Vec::new();
    ZlibDecoder::new(packed).take(limit + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= limit).then_some(text)
}

/// Metadata of the WebP image in `reader`, whose RIFF chunks end at `riff_end`; none may claim more bytes than the file
/// has.
pub(super) fn of_webp<R: BufRead + Seek>(
    reader: &mut R,
    riff_end: u64,
    file_size: u64,
    limits: &Limits,
) -> Result<Blocks, FingerprintError> {
    let mut found = Blocks::default();
    let mut at = 12_u64;
    while at + 8 <= riff_end {
        let mut chunk = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut chunk)?;
        let size = u64::from(u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]));
        at += 8 + size;
        if at > file_size {
            return Err(truncated());
        }
        match &chunk[..4] {
            b"EXIF" => found.exif.extend(read_block(reader, size, limits.exif_bytes_max)?),
            b"XMP " => found.xmp = found.xmp.or(read_block(reader, size, limits.exif_bytes_max)?),
            _ => {}
        }
        at += size & 1;
    }
    Ok(found)
}
