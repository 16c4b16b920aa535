//! A gzip file that carries the SHA-256 of all that follows its header.
//!
//! gzip's own checksum covers what comes out, not what lies there: headers and padding between blocks could change
//! unnoticed, and a chance of 1 in 2^32 is left. The digest stands in an extra field, which every gzip skips.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use super::io_failed;
use crate::Result;

/// Identifier and length of our extra field.
const FIELD: [u8; 4] = [b'M', b'S', 32, 0];
/// A gzip header with an extra field of 36 bytes, no time, the least compression and an unknown system.
const FIXED: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 4, 0xff, 36, 0, FIELD[0], FIELD[1], FIELD[2], FIELD[3]];
pub(super) const HEADER_BYTES: usize = FIXED.len() + 32;

/// Passes bytes on and digests those after the header.
struct Digesting {
    file: BufWriter<File>,
    /// Bytes of the header still to come.
    header: usize,
    sha256: Sha256,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let header = self.header.min(written);
        self.header -= header;
        self.sha256.update(&bytes[header..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

pub(super) struct SealedWriter(GzEncoder<Digesting>);

impl SealedWriter {
    pub fn new(file: File) -> Self {
        let digesting =
            Digesting { file: BufWriter::with_capacity(1 << 20, file), header: HEADER_BYTES, sha256: Sha256::new() };
        let extra = [FIELD.as_slice(), &[0; 32]].concat();
        // what goes in is compressed already, nearly all of it
        Self(GzBuilder::new().mtime(0).operating_system(255).extra(extra).write(digesting, Compression::none()))
    }

    /// Puts the digest into the header and syncs the file.
    pub fn finish(self) -> Result<()> {
        let digesting = self.0.finish().map_err(io_failed)?;
        let mut file = digesting.file.into_inner().map_err(|e| io_failed(e.into_error()))?;
        file.seek(SeekFrom::Start(FIXED.len() as u64)).map_err(io_failed)?;
        file.write_all(&digesting.sha256.finalize()).map_err(io_failed)?;
        file.sync_all().map_err(io_failed)
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// The digest in a header of ours; none when it is anybody else's.
pub(super) fn digest_in(header: &[u8]) -> Option<[u8; 32]> {
    header.strip_prefix(&FIXED)?.get(..32)?.try_into().ok()
}
