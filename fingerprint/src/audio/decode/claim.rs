//! What headers of elementary streams claim, as far as the decoders here don't tell it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::iff::read_at;

/// Tags at the start that are skipped.
const TAGS_MAX: usize = 16;
/// Where the name of a header with a number of frames is looked for, behind the tags.
const HEADER_BYTES: u64 = 4096;

/// Where the stream begins behind the ID3v2 tags.
pub(super) fn start(file: &mut File) -> io::Result<u64> {
    let mut at = 0;
    for _ in 0..TAGS_MAX {
        match read_at::<10>(file, at)? {
            Some([b'I', b'D', b'3', _, _, flags, size @ ..]) if size.iter().all(|byte| *byte < 128) => {
                let size = size.iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte));
                let footer = if flags & 0x10 == 0 { 0 } else { 10 };
                at += 10 + size + footer;
            }
            _ => break,
        }
    }
    Ok(at)
}

/// Whether an MPEG stream says how many frames it has: without that, its length is a guess from the bit rate.
pub(super) fn counts_mpeg_frames(file: &mut File) -> io::Result<bool> {
    let at = start(file)?;
    file.seek(SeekFrom::Start(at))?;
    let mut head = Vec::new();
    file.take(HEADER_BYTES).read_to_end(&mut head)?;
    Ok(head.windows(4).any(|name| matches!(name, b"Xing" | b"Info" | b"VBRI")))
}

/// Bytes of the frames of a FLAC file, and all that follows them.
pub(super) fn flac_frame_bytes(file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut at = start(file)? + 4;
    while let Some([kind, size @ ..]) = read_at::<4>(file, at)? {
        at += 4 + size.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if kind & 0x80 != 0 {
            break;
        }
    }
    Ok(length.saturating_sub(at))
}

/// Whether all frames of an ADTS stream have one rate and one number of channels, without anything between them.
pub(super) fn is_uniform_adts(file: &mut File) -> io::Result<bool> {
    let at = start(file)?;
    file.seek(SeekFrom::Start(at))?;
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut first = None;
    loop {
        let mut head = [0; 7];
        if let Err(error) = reader.read_exact(&mut head) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(true) } else { Err(error) };
        }
        // An ID3v1 tag may be the end.
        if head.starts_with(b"TAG") {
            return Ok(true);
        }
        let length = i64::from(head[3] & 3) << 11 | i64::from(head[4]) << 3 | i64::from(head[5] >> 5);
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 || length < 7 {
            return Ok(false);
        }
        // Profile, rate and channels.
        let kind = (head[2] & 0xfd, head[3] & 0xc0);
        if *first.get_or_insert(kind) != kind {
            return Ok(false);
        }
        reader.seek_relative(length - 7)?;
    }
}
