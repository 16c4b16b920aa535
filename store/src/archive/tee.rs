//! Digests what passes.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

/// A reader or writer that counts and digests the bytes that go through it.
pub(super) struct Tee<T> {
    inner: T,
    sha256: Sha256,
    bytes: u64,
}

impl<T> Tee<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, sha256: Sha256::new(), bytes: 0 }
    }

    /// What passed: bytes, and their digest in hex. And what is left of the reader or writer.
    pub fn finish(self) -> (u64, String, T) {
        (self.bytes, hex::encode(self.sha256.finalize()), self.inner)
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.passed(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.passed(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
