//! Digests of the bytes of any file, all in one streaming pass.
//!
//! The ISCC units are those of ISO 24138:2024; the BLAKE3 digest is the one the Instance-Code is made of, so the bytes go
//! through BLAKE3 once.

use std::io::{self, Read};

use iscc_lib::InstanceHasher;
use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::Digests;
use sha2::{Digest, Sha256};

use crate::iscc::BITS as ISCC_BITS;
use crate::iscc::data::DataCode;
use crate::progress::step;
use crate::{FingerprintError, Progress};

/// Bytes that go through all digests before the next ones do: fits the second-level cache, and is enough for BLAKE3's
/// widest instructions.
const PIECE_BYTES: usize = 128 << 10;
/// Characters before the BLAKE3 digest in the multihash of the Instance-Code.
const MULTIHASH_PREFIX: &str = "1e20";

/// All digests of a stream of bytes that arrives in pieces of any size.
///
/// Memory: about 400 KiB, however long the stream is.
pub struct Digester {
    sha256: Sha256,
    instance: InstanceHasher,
    data: DataCode,
    /// Bytes that don't make up a piece yet: the Data-Code searches its last chunk again with each piece, which small
    /// ones would turn into quadratic work.
    pending: Vec<u8>,
}

impl Default for Digester {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digester").finish_non_exhaustive()
    }
}

impl Digester {
    /// Nothing fed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sha256: Sha256::new(), instance: InstanceHasher::new(), data: DataCode::new(), pending: Vec::new() }
    }

    /// Adds `bytes`, which follow what was fed before.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if !self.pending.is_empty() {
            let wanted = (PIECE_BYTES - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.pending.len() < PIECE_BYTES {
                return;
            }
            let piece = std::mem::take(&mut self.pending);
            self.piece(&piece);
            self.pending = piece;
            self.pending.clear();
        }
        let mut pieces = bytes.chunks_exact(PIECE_BYTES);
        for piece in &mut pieces {
            self.piece(piece);
        }
        self.pending.extend_from_slice(pieces.remainder());
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.instance.update(bytes);
        self.data.update(bytes);
    }

    /// The digests of all that was fed.
    #[must_use]
    pub fn finalize(mut self) -> Digests {
        let rest = std::mem::take(&mut self.pending);
        self.piece(&rest);
        let (Ok(instance), Some(iscc_data)) = (self.instance.finalize(ISCC_BITS), self.data.finish(ISCC_BITS)) else {
            unreachable!("the standard has codes of {ISCC_BITS} bits");
        };
        Digests {
            blake3: instance.datahash.strip_prefix(MULTIHASH_PREFIX).unwrap_or(&instance.datahash).to_owned(),
            iscc_data,
            iscc_instance: instance.iscc,
            sha256: hex::encode(self.sha256.finalize()),
            rest: Object::new(),
        }
    }
}

/// Digests of all bytes that `reader` yields. Progress rises without arriving before the end, since the size is unknown.
///
/// # Errors
/// [`FingerprintError::Io`] when the reader fails, [`FingerprintError::Cancelled`].
pub fn of_reader(reader: impl Read, progress: &mut dyn Progress) -> Result<Digests, FingerprintError> {
    of_sized(reader, None, progress)
}

/// The same of a reader whose size is known, for the progress only.
///
/// # Errors
/// As [`of_reader`].
pub fn of_sized(
    mut reader: impl Read,
    total_bytes: Option<u64>,
    progress: &mut dyn Progress,
) -> Result<Digests, FingerprintError> {
    step(progress, 0)?;
    let mut digester = Digester::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut done, mut last) = (0_u64, 0);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                digester.update(&buffer[..read]);
                done += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        last = percent(done, total_bytes).max(last);
        step(progress, last)?;
    }
    let digests = digester.finalize();
    step(progress, 100)?;
    Ok(digests)
}

/// Part of the way, 0 to 99. With an unknown size something that rises and never arrives.
pub(crate) fn percent(done: u64, total: Option<u64>) -> u8 {
    match total {
        Some(total) if total > 0 => (done.min(total) as f64 / total as f64 * 99.0) as u8,
        _ => (99.0 - 99.0 / (1.0 + done as f64 / (32.0 * 1_048_576.0))) as u8,
    }
}
