//! The metadata database of the embedded object service: rows, and the blobs that they own.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::blobs::{BlobGuard, Blobs};
use super::fault::Fault;
use crate::sqlite::{Durability, Sqlite};

/// How often rows are read again because their blobs were replaced meanwhile.
const STALE_READS_MAX: usize = 5;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS buckets(name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects(
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    headers TEXT NOT NULL, modified_ms INTEGER NOT NULL, upload_id TEXT, UNIQUE(bucket, key));
CREATE TABLE IF NOT EXISTS segments(
    object_id INTEGER NOT NULL, idx INTEGER NOT NULL, blob TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    PRIMARY KEY(object_id, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads(
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, headers TEXT NOT NULL, created_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_key ON uploads(bucket, key, id);
CREATE TABLE IF NOT EXISTS parts(
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, PRIMARY KEY(upload_id, number)) WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// What a write leads to once it is committed.
pub(super) struct Change<T> {
    pub value: T,
    /// Blobs that rows own now.
    pub keep: Vec<BlobGuard>,
    /// Blobs that no row owns any more.
    pub garbage: Vec<String>,
}

impl<T> Change<T> {
    pub fn new(value: T) -> Self {
        Self { value, keep: Vec::new(), garbage: Vec::new() }
    }

    pub fn keep(mut self, guard: BlobGuard) -> Self {
        self.keep.push(guard);
        self
    }

    pub fn garbage(mut self, garbage: Vec<String>) -> Self {
        self.garbage.extend(garbage);
        self
    }
}

/// Handle on the metadata of one data directory.
pub(super) struct Meta {
    db: Sqlite,
    blobs: Arc<Blobs>,
}

impl Meta {
    /// Opens or creates the database; blocks.
    pub fn open(dir: &Path, blobs: Arc<Blobs>) -> Result<Self, Fault> {
        let db = Sqlite::open("objects", &dir.join("objects.sqlite"), Durability::Full, SCHEMA)?;
        super::blobs::sync_dir(dir)?;
        Ok(Self { db, blobs })
    }

    /// Runs `work` in a write transaction, possibly together with others; returns after it is durable. Dropping the
    /// future does not undo the write.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Change<T>, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let blobs = Arc::clone(&self.blobs);
        let runtime = tokio::runtime::Handle::current();
        let settle = move |change: Change<T>, commit_error| {
            // after a failed commit nobody knows which blobs are owned: the sweep will
            change.keep.into_iter().for_each(BlobGuard::keep);
            if let Some(error) = commit_error {
                return Err(Fault::from(error));
            }
            if !change.garbage.is_empty() {
                runtime.spawn_blocking(move || change.garbage.iter().for_each(|name| blobs.remove(name)));
            }
            Ok(change.value)
        };
        self.db.write_and_settle(work, settle).await
    }

    /// Runs `work` on one consistent view of the metadata.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let in_transaction = move |connection: &Connection| {
            let transaction = connection.unchecked_transaction()?;
            let result = work(&transaction);
            transaction.finish()?;
            result
        };
        self.db.read_only(in_transaction).await
    }

    /// As [`read`](Self::read), for work that opens blobs: when one was replaced and unlinked after the rows were
    /// read, they are read again.
    pub async fn read_with_blobs<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> Result<T, Fault> {
        for _ in 1..STALE_READS_MAX {
            match self.read(work.clone()).await {
                Err(Fault::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        self.read(work).await
    }

    /// Ends the writer after the writes already queued; later writes fail.
    pub async fn stop(&self) {
        self.db.stop().await;
    }
}
