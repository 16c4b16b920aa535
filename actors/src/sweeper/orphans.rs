//! Objects without a row, and rows without an object: looked for piece by piece, in rounds, for as long as a node lives.
//!
//! An object without a row is removed once no upload can be that old. A row without an object is only counted and said:
//! what a creator gave is not given up by a machine; `metastamp fsck --repair` is for people.

use std::collections::HashSet;

use metastamp_protocol::{Asset, ObjectId, Timestamp, UploadStatus};
use metastamp_store::documents::SharedDocuments;
use metastamp_store::objects::Objects;
use metastamp_store::records::{Bson, Collection, decode};
use metrics::{counter, gauge};

use crate::Settings;
use crate::error::Result;
use crate::metrics::{ASSETS_WITHOUT_OBJECT, ORPHAN_OBJECTS_TOTAL, ORPHAN_ROUND_TIMESTAMP_SECONDS};

/// Objects and rows looked at in one pass.
const OBJECTS_PER_PASS: u32 = 200;
const ROWS_PER_PASS: u32 = 100;
/// Missing objects that are remembered; more than that are not counted.
const MISSING_MAX: usize = 10_000;
/// Where uploads go. What else lies in the bucket is not ours.
const UPLOADS: &str = "uploads/";

/// Where the round is.
#[derive(Default)]
pub(super) struct Orphans {
    last_pass: Timestamp,
    objects: Cursor<String>,
    rows: Cursor<Bson>,
    /// Assets whose object was not there, in this round and in the one before. Only those of both count: an asset may be
    /// deleted between two looks.
    missing: HashSet<ObjectId>,
    missing_before: HashSet<ObjectId>,
}

/// A place in a listing.
#[derive(Default)]
enum Cursor<T> {
    #[default]
    Start,
    After(T),
    End,
}

impl<T: Clone> Cursor<T> {
    fn after(&self) -> Option<T> {
        match self {
            Cursor::After(place) => Some(place.clone()),
            Cursor::Start | Cursor::End => None,
        }
    }

    fn advance(&mut self, place: Option<T>) {
        *self = place.map_or(Cursor::End, Cursor::After);
    }

    fn is_at_end(&self) -> bool {
        matches!(self, Cursor::End)
    }
}

impl Orphans {
    /// The next piece, if it is time for one.
    pub async fn pass(
        &mut self,
        documents: &SharedDocuments,
        objects: &Objects,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<()> {
        if now < self.last_pass.plus(settings.orphans_every) {
            return Ok(());
        }
        self.last_pass = now;
        if !self.objects.is_at_end() {
            self.look_at_objects(documents, objects, now.minus(settings.orphan_age)).await?;
        }
        if !self.rows.is_at_end() {
            self.look_at_rows(documents, objects).await?;
        }
        if self.objects.is_at_end() && self.rows.is_at_end() {
            self.end_round(now);
        }
        Ok(())
    }

    /// Removes objects that were written before `limit` and that nothing refers to.
    async fn look_at_objects(
        &mut self,
        documents: &SharedDocuments,
        objects: &Objects,
        limit: Timestamp,
    ) -> Result<()> {
        let page = objects.list(UPLOADS, self.objects.after().as_deref(), OBJECTS_PER_PASS).await?;
        // without a time of its own nobody can tell whether an object is old enough
        for object in page.objects.into_iter().filter(|object| object.modified.is_some_and(|at| at < limit)) {
            if documents.key_is_used(&object.key).await? {
                continue;
            }
            counter!(ORPHAN_OBJECTS_TOTAL, "step" => "found").increment(1);
            // keys are never used twice: nobody can come to need it between the look and the removal
            objects.delete(&object.key).await?;
            counter!(ORPHAN_OBJECTS_TOTAL, "step" => "removed").increment(1);
            tracing::info!(key = %object.key, size = object.size, "object without a row removed");
        }
        self.objects.advance(page.next);
        Ok(())
    }

    async fn look_at_rows(&mut self, documents: &SharedDocuments, objects: &Objects) -> Result<()> {
        let mut snapshot = documents.snapshot().await?;
        let page = snapshot.page(Collection::Assets, self.rows.after(), ROWS_PER_PASS).await?;
        drop(snapshot);
        let last = page.last().and_then(|record| record.get("_id").cloned());
        for record in page {
            // one that makes no sense is a matter for fsck
            let Ok(asset) = decode::<Asset>(Collection::Assets, record) else { continue };
            let has_bytes = matches!(asset.upload_status, UploadStatus::Processing | UploadStatus::Ready);
            if has_bytes
                && self.missing.len() < MISSING_MAX
                && objects.head(&asset.s3_key).await?.is_none()
                && documents.asset(asset.id).await?.is_some()
            {
                self.missing.insert(asset.id);
            }
        }
        self.rows.advance(last);
        Ok(())
    }

    fn end_round(&mut self, now: Timestamp) {
        let confirmed = self.missing.intersection(&self.missing_before).count();
        gauge!(ASSETS_WITHOUT_OBJECT).set(confirmed as f64);
        gauge!(ORPHAN_ROUND_TIMESTAMP_SECONDS).set(now.millis() as f64 / 1_000.0);
        if confirmed > 0 {
            tracing::warn!(assets = confirmed, "assets without their object: see metastamp fsck");
        }
        self.missing_before = std::mem::take(&mut self.missing);
        (self.objects, self.rows) = (Cursor::Start, Cursor::Start);
    }

    /// How many assets were without their object in the last two rounds.
    #[cfg(test)]
    pub fn suspected(&self) -> usize {
        self.missing_before.len()
    }
}
