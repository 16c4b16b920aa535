//! Finds what crashes leave behind: blobs without a row, and multipart uploads nobody came back to.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use super::Store;
use super::fault::Fault;
use super::meta::Change;
use super::rows::{self, now_ms};
use super::uploads;

/// A multipart upload without any activity for this long is given up.
const UPLOAD_IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Blobs decided on under one hold of the lock.
const BATCH_BLOBS: usize = 256;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub blobs: usize,
    pub uploads: usize,
}

impl Store {
    /// Safe beside other processes: whether a row owns a blob is asked, and the blob unlinked, under the write lock.
    pub async fn sweep(&self, min_age: Duration) -> Result<Swept, Fault> {
        let uploads = self.give_up_uploads().await?;
        let mut swept = Swept { blobs: 0, uploads };
        for fan in 0..=u8::MAX {
            let blobs = Arc::clone(&self.blobs);
            let old = tokio::task::spawn_blocking(move || blobs.older_than(fan, min_age)).await??;
            for batch in old.chunks(BATCH_BLOBS) {
                swept.blobs += self.sweep_batch(batch.to_vec()).await?;
            }
        }
        Ok(swept)
    }

    async fn sweep_batch(&self, names: Vec<String>) -> Result<usize, Fault> {
        // most blobs have an owner: ask without the lock first
        let suspects = self.meta.read(move |connection| unowned(connection, names)).await?;
        if suspects.is_empty() {
            return Ok(0);
        }
        let blobs = Arc::clone(&self.blobs);
        self.meta
            .write(move |connection| {
                let orphans = unowned(connection, suspects)?;
                orphans.iter().for_each(|name| blobs.remove(name));
                Ok(Change::new(orphans.len()))
            })
            .await
    }

    async fn give_up_uploads(&self) -> Result<usize, Fault> {
        let before_ms = now_ms() - i64::try_from(UPLOAD_IDLE_MAX.as_millis()).unwrap_or(i64::MAX);
        self.meta
            .write(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id FROM uploads WHERE created_ms < ?1 AND NOT EXISTS(
                         SELECT 1 FROM parts WHERE upload_id = uploads.id AND modified_ms >= ?1)",
                )?;
                let ids = statement
                    .query_map(params![before_ms], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<String>>>()?;
                let mut change = Change::new(ids.len());
                for id in &ids {
                    change = change.garbage(uploads::forget(connection, id)?);
                }
                Ok(change)
            })
            .await
    }
}

fn unowned(connection: &rusqlite::Connection, names: Vec<String>) -> Result<Vec<String>, Fault> {
    let mut orphans = Vec::new();
    for name in names {
        if !rows::blob_owned(connection, &name)? {
            orphans.push(name);
        }
    }
    Ok(orphans)
}
