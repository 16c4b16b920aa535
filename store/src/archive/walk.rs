//! Goes through a file that may be a bundle of ours, or an archive of mongodump, compressed or not.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::format::MAGIC;
use super::seal::{HEADER_BYTES, digest_in};
use super::tee::Tee;
use super::{damaged, io_failed};
use crate::{Result, StoreError};

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Written by `metastamp backup`.
    Bundle,
    /// Written by `mongodump --archive --gzip`, or a `dump.gz` of ours.
    CompressedDump,
    /// Written by `mongodump --archive`.
    Dump,
}

/// A part of a bundle, or all of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Dump,
    Manifest,
    List,
    /// Path below the root of the bundle.
    Object(String),
    Other,
}

/// Whether to go on after a part.
pub(super) enum Flow {
    On,
    Enough,
}

pub(super) type Visit<'a> = dyn FnMut(Part, &mut dyn Read) -> Result<Flow> + 'a;

pub(super) fn kind(path: &Path) -> Result<Kind> {
    let mut file = File::open(path).map_err(|e| StoreError::Internal(format!("{}: {e}", path.display())))?;
    let mut start = [0; 4];
    if file.read_exact(&mut start).is_ok() && u32::from_le_bytes(start) == MAGIC {
        return Ok(Kind::Dump);
    }
    if start[..2] != GZIP {
        return Err(damaged("it is neither a backup nor an archive of mongodump"));
    }
    file.seek(SeekFrom::Start(0)).map_err(io_failed)?;
    GzDecoder::new(BufReader::new(file)).read_exact(&mut start).map_err(damaged)?;
    if u32::from_le_bytes(start) == MAGIC { Ok(Kind::CompressedDump) } else { Ok(Kind::Bundle) }
}

/// Gives `visit` every part in the order of the file. When it is gone through to the end, the seal, the checksums of
/// gzip and what follows them are checked. `passed` is told how many bytes of the file were read.
pub(super) fn walk(path: &Path, kind: Kind, passed: &dyn Fn(u64), visit: &mut Visit) -> Result<()> {
    let file = File::open(path).map_err(io_failed)?;
    match kind {
        Kind::Dump => visit(Part::Dump, &mut BufReader::with_capacity(BUFFER_BYTES, Counted(file, passed))).map(drop),
        Kind::CompressedDump => {
            let mut input = GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, Counted(file, passed)));
            match visit(Part::Dump, &mut input)? {
                Flow::On => drain(&mut input),
                Flow::Enough => Ok(()),
            }
        }
        Kind::Bundle => bundle(file, passed, visit),
    }
}

fn bundle(mut file: File, passed: &dyn Fn(u64), visit: &mut Visit) -> Result<()> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).map_err(|_| damaged("it is too short"))?;
    let sealed = digest_in(&header).ok_or_else(|| {
        damaged(
            "it does not carry the seal of metastamp backup: if it was unpacked and packed again, restore its dump.gz",
        )
    })?;
    let mut rest = Tee::new(Counted(file, passed));
    {
        let input = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(header).chain(&mut rest));
        let mut tar = tar::Archive::new(GzDecoder::new(input));
        for entry in tar.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let part = part(&entry.path_bytes());
            if matches!(visit(part, &mut entry)?, Flow::Enough) {
                return Ok(());
            }
        }
        drain(&mut tar.into_inner())?;
    }
    let (_, digest, _) = rest.finish();
    if digest == hex::encode(sealed) { Ok(()) } else { Err(damaged("it is not as it was written: the seal is broken")) }
}

/// Reads to the end of the compressed stream, which must be the end of the file.
fn drain<R: Read>(input: &mut GzDecoder<BufReader<R>>) -> Result<()> {
    std::io::copy(input, &mut std::io::sink()).map_err(damaged)?;
    let rest = input.get_mut().fill_buf().map_err(io_failed)?;
    if rest.is_empty() { Ok(()) } else { Err(damaged("something follows its end")) }
}

fn part(path: &[u8]) -> Part {
    let path = String::from_utf8_lossy(path);
    let below = path.split_once('/').map_or("", |(_, below)| below);
    match below {
        "dump.gz" => Part::Dump,
        "manifest.json" => Part::Manifest,
        "objects.jsonl" => Part::List,
        _ if below.starts_with("objects/") => Part::Object(below.to_owned()),
        _ => Part::Other,
    }
}

/// Tells of the bytes read so far.
struct Counted<'a>(File, &'a dyn Fn(u64));

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1(read as u64);
        Ok(read)
    }
}
