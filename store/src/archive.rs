//! Archives: everything that is kept, in one file.
//!
//! * [`ArchiveWriter`] and [`ArchiveReader`] speak the archive format of mongodump, so that mongorestore takes what we
//!   write, and we take what mongodump wrote.
//! * A bundle is the `.tar.gz` of a backup: such an archive (`dump.gz`), the objects if asked for, and a manifest with
//!   counts and digests. Its gzip header carries the digest of all that follows ([`seal`]), so that a single changed
//!   bit anywhere is noticed.
//! * [`RecordsDigest`] says whether two stores keep the same records, whatever the backend.
//!
//! Writers and readers here block; callers run them on threads of their own. Memory does not grow with the data.

mod bundle;
mod digest;
mod dump;
mod format;
mod indexes;
mod manifest;
mod read;
mod seal;
mod tee;
mod verify;
mod walk;
mod write;

pub use bundle::{BundleWriter, write_checksum};
pub use digest::RecordsDigest;
pub use dump::{AssetLine, Dumped, dump};
pub use manifest::{
    CollectionSum, DumpSum, FORMAT, Kept, MANIFEST_BYTES_MAX, Manifest, ObjectLine, ObjectsSum, SCHEMA_VERSION, Source,
    program,
};
pub use read::{ArchiveReader, Event, Namespace};
pub use verify::{Verified, verify};
pub use write::ArchiveWriter;

use crate::StoreError;

/// What was read is no archive, or not as it was written.
pub(crate) fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Internal(format!("the archive is damaged: {what}"))
}

/// A file could not be read or written.
pub(crate) fn io_failed(error: std::io::Error) -> StoreError {
    StoreError::Internal(format!("archive file: {error}"))
}

#[cfg(test)]
mod tests;
