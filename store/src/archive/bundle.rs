//! Writes bundles: a tar file in a sealed gzip.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use tempfile::NamedTempFile;

use super::io_failed;
use super::seal::SealedWriter;
use super::tee::Tee;
use crate::{Result, StoreError};

/// A bundle in the making; under its name only once it is complete, gone when dropped before.
pub struct BundleWriter {
    tar: tar::Builder<SealedWriter>,
    temporary: NamedTempFile,
    root: String,
    /// Seconds since 1970.
    time: u64,
}

impl BundleWriter {
    /// `dir` takes the file; `root` is the directory within the bundle.
    ///
    /// # Errors
    /// `Internal` when the file can't be made.
    pub fn create(dir: &Path, root: &str, time: u64) -> Result<Self> {
        // readable by the owner only: there are password hashes in it
        let temporary = tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(dir).map_err(io_failed)?;
        let tar = tar::Builder::new(SealedWriter::new(temporary.as_file().try_clone().map_err(io_failed)?));
        Ok(Self { tar, temporary, root: root.to_owned(), time })
    }

    /// Adds a file of exactly `size` bytes; gives their SHA-256 in hex.
    ///
    /// # Errors
    /// `Internal` when there are fewer or more bytes; then the bundle can only be dropped.
    pub fn add(&mut self, path: &str, size: u64, bytes: impl Read) -> Result<String> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        let mut tee = Tee::new(bytes);
        self.tar.append_data(&mut header, format!("{}/{path}", self.root), &mut tee).map_err(io_failed)?;
        let (read, sha256, _) = tee.finish();
        if read != size {
            return Err(StoreError::Internal(format!("{path} has {read} bytes instead of {size}")));
        }
        Ok(sha256)
    }

    /// Adds a file from the disk; gives its size and digest.
    pub fn add_file(&mut self, path: &str, from: &Path) -> Result<(u64, String)> {
        let file = File::open(from).map_err(io_failed)?;
        let size = file.metadata().map_err(io_failed)?.len();
        Ok((size, self.add(path, size, file)?))
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// `Internal` when the disk says no, or a file of that name is there already.
    pub fn finish(self, to: &Path) -> Result<u64> {
        self.tar.into_inner().map_err(io_failed)?.finish()?;
        let size = self.temporary.as_file().metadata().map_err(io_failed)?.len();
        self.temporary.persist_noclobber(to).map_err(|e| io_failed(e.error))?;
        sync_dir(to)?;
        Ok(size)
    }
}

/// Reads the file back and leaves its digest beside it as `FILE.sha256`, in the form of sha256sum. Gives the digest.
///
/// # Errors
/// `Internal` when the file can't be read, or the digest not be written.
pub fn write_checksum(file: &Path) -> Result<String> {
    let mut tee = Tee::new(File::open(file).map_err(io_failed)?);
    std::io::copy(&mut tee, &mut std::io::sink()).map_err(io_failed)?;
    let (_, sha256, _) = tee.finish();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let dir = file.parent().unwrap_or(Path::new("."));
    let mut beside = NamedTempFile::new_in(dir).map_err(io_failed)?;
    writeln!(beside, "{sha256}  {name}").map_err(io_failed)?;
    beside.as_file().sync_all().map_err(io_failed)?;
    let to = checksum_path(file);
    beside.persist(&to).map_err(|e| io_failed(e.error))?;
    sync_dir(&to)?;
    Ok(sha256)
}

/// Where the digest of a file stands.
fn checksum_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// A new name survives a power cut once its directory is synced.
fn sync_dir(file: &Path) -> Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_failed)
}
