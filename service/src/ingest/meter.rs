//! Counts and hashes the bytes of an upload as they pass, and stops them at the limits.

use metastamp_fingerprint::digest::Digester;
use metastamp_protocol::ErrorCode;
use metastamp_protocol::fingerprint::Digests;

use super::Digesting;
use crate::error::{Error, Result};

pub struct Meter {
    size: u64,
    digester: Digester,
    direct_below: u64,
    size_max: u64,
    digesting: Digesting,
}

impl Meter {
    pub fn new(direct_below: u64, size_max: u64, digesting: Digesting) -> Self {
        Self { size: 0, digester: Digester::new(), direct_below, size_max, digesting }
    }

    /// # Errors
    /// 413 above the largest size, 400 at the direct limit.
    pub fn count(&mut self, chunk: &[u8]) -> Result<()> {
        self.size += chunk.len() as u64;
        if self.size > self.size_max {
            return Err(too_large(self.size, self.size_max));
        }
        if self.size >= self.direct_below {
            return Err(use_presigned(self.direct_below));
        }
        self.digester.update(chunk);
        Ok(())
    }

    /// Size and digests of all that passed.
    ///
    /// # Errors
    /// 400 when they are not as stated.
    pub fn read(self) -> Result<(u64, Digests)> {
        let found = self.digester.finalize();
        match self.digesting {
            Digesting::StatedBefore(sha256) if hex::encode(sha256) != found.sha256 => {
                Err(other_bytes(&hex::encode(sha256), &found.sha256))
            }
            _ => Ok((self.size, found)),
        }
    }
}

pub fn use_presigned(direct_below: u64) -> Error {
    let message = format!("Files of {} MB or more must use the presigned upload", direct_below >> 20);
    Error::new(ErrorCode::UsePresignedUpload, message).detail("direct_limit", direct_below)
}

pub fn too_large(size: u64, max: u64) -> Error {
    let message = format!("File exceeds the maximum size of {}MB", max >> 20);
    Error::new(ErrorCode::FileTooLarge, message).detail("file_size", size).detail("max_size", max)
}

fn other_bytes(stated: &str, found: &str) -> Error {
    let error = Error::new(ErrorCode::UploadFailed, "The bytes are not those whose SHA-256 was stated");
    error.detail("stated_sha256", stated).detail("sha256", found)
}
