//! The bytes: files named by random ids in a two-level fan-out. No object key ever reaches a path.
//!
//! A blob is written, synced, and never changed again; a metadata row owns it, or it is an orphan.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The blob directory.
#[derive(Debug)]
pub(super) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Makes the 256 fan-out directories, durable before any blob enters them.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        for high in HEX {
            let outer = root.join(char::from(*high).to_string());
            for low in HEX {
                fs::create_dir_all(outer.join(char::from(*low).to_string()))?;
            }
            sync_dir(&outer)?;
        }
        sync_dir(&root)?;
        Ok(Self { root })
    }

    /// Path of the blob `name`; names are made here, so they are always 32 hex digits.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir(name).join(name)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.join(&name[..1]).join(&name[1..2])
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Unlinks a blob that no row owns. A leftover is found by the sweep, so failures are only logged.
    pub fn remove(&self, name: &str) {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(%error, name, "blob not removed"),
            _ => {}
        }
    }

    /// A second name for the same immutable bytes (a real copy where the file system has no hard links).
    pub fn duplicate(self: &Arc<Self>, from: &str) -> io::Result<BlobGuard> {
        let guard = self.reserve();
        let path = self.path(&guard.name);
        if let Err(error) = fs::hard_link(self.path(from), &path) {
            if error.kind() == io::ErrorKind::NotFound {
                return Err(error);
            }
            fs::copy(self.path(from), &path)?;
            File::open(&path)?.sync_data()?;
        }
        sync_dir(&self.dir(&guard.name))?;
        Ok(guard)
    }

    fn reserve(self: &Arc<Self>) -> BlobGuard {
        BlobGuard { blobs: Arc::clone(self), name: uuid::Uuid::new_v4().simple().to_string(), armed: true }
    }

    /// Opens a new blob for writing.
    pub fn create(self: &Arc<Self>, checksums: ChecksumHasher) -> io::Result<BlobWriter> {
        let guard = self.reserve();
        let file = File::create_new(self.path(&guard.name))?;
        Ok(BlobWriter { file, guard, md5: Md5::new(), checksums, size: 0 })
    }

    /// Names of the blobs in one fan-out directory whose last write is at least `min_age` ago.
    pub fn older_than(&self, fan: u8, min_age: Duration) -> io::Result<Vec<String>> {
        let now = SystemTime::now();
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir(&format!("{fan:02x}")))? {
            let entry = entry?;
            // a file may go away between the listing and the question
            let Ok(modified) = entry.metadata().and_then(|meta| meta.modified()) else { continue };
            let old = now.duration_since(modified).unwrap_or_default() >= min_age;
            if let (true, Ok(name)) = (old, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes the blob when dropped, unless a row owns it by then.
#[derive(Debug)]
pub(super) struct BlobGuard {
    blobs: Arc<Blobs>,
    name: String,
    armed: bool,
}

impl BlobGuard {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the file is still there (a sweep with a short age may have taken it for a leftover).
    pub fn exists(&self) -> bool {
        self.blobs.exists(&self.name)
    }

    pub fn keep(mut self) {
        self.armed = false;
    }
}

impl Drop for BlobGuard {
    fn drop(&mut self) {
        if self.armed {
            self.blobs.remove(&self.name);
        }
    }
}

/// A blob being written; all calls block.
pub(super) struct BlobWriter {
    file: File,
    guard: BlobGuard,
    md5: Md5,
    checksums: ChecksumHasher,
    size: u64,
}

/// A blob whose bytes and name are on disk for good.
pub(super) struct SyncedBlob {
    pub guard: BlobGuard,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Checksum,
}

impl BlobWriter {
    pub fn append(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        for chunk in chunks {
            self.file.write_all(chunk)?;
            self.md5.update(chunk);
            self.checksums.update(chunk);
            self.size += chunk.len() as u64;
        }
        Ok(())
    }

    /// Syncs the bytes, then the name.
    pub fn finish(self) -> io::Result<SyncedBlob> {
        self.file.sync_data()?;
        sync_dir(&self.guard.blobs.dir(&self.guard.name))?;
        Ok(SyncedBlob {
            guard: self.guard,
            size: self.size,
            md5: self.md5.finalize().into(),
            checksum: self.checksums.finalize(),
        })
    }
}
