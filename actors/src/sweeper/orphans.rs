//! Objects without a row, and rows without an object: looked for piece by piece, in rounds, for as long as a node lives.
//!
//! Both are only counted and said. What a creator gave is not given up by a machine, which can't know whether the rows
//! are those that belong to the bucket: after a restore of older records, or with the name of another database, every
//! object may be without a row. `metastamp fsck --repair` is for people.

use std::collections::HashSet;

use metastamp_protocol::files::{UPLOADS, owner_key};
use metastamp_protocol::{Asset, ObjectId, Timestamp, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::objects::Objects;
use metastamp_store::records::{Bson, Collection, decode};
use metrics::gauge;

use crate::Settings;
use crate::error::Result;
use crate::metrics::{ASSETS_WITHOUT_OBJECT, ORPHAN_OBJECTS, ORPHAN_ROUND_TIMESTAMP_SECONDS};

/// Objects and rows looked at in one pass.
const OBJECTS_PER_PASS: u32 = 200;
const ROWS_PER_PASS: u32 = 100;
/// Missing objects that are remembered; more than that are not counted.
const MISSING_MAX: usize = 10_000;

/// Where the round is.
#[derive(Default)]
pub(super) struct Orphans {
    last_pass: Timestamp,
    objects: Cursor<String>,
    rows: Cursor<Bson>,
    /// Objects without a row, in this round and in the one before.
    unowned: u64,
    unowned_before: u64,
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
        stores: &Stores,
        objects: &Objects,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<()> {
        if now < self.last_pass.plus(settings.orphans_every) {
            return Ok(());
        }
        self.last_pass = now;
        if !self.objects.is_at_end() {
            self.look_at_objects(stores, objects, now.minus(settings.orphan_age)).await?;
        }
        if !self.rows.is_at_end() {
            self.look_at_rows(stores, objects).await?;
        }
        if self.objects.is_at_end() && self.rows.is_at_end() {
            self.end_round(now);
        }
        Ok(())
    }

    /// Counts objects that were written before `limit`, when no upload can be that old, and that nothing refers to.
    async fn look_at_objects(&mut self, stores: &Stores, objects: &Objects, limit: Timestamp) -> Result<()> {
        let page = objects.list(UPLOADS, self.objects.after().as_deref(), OBJECTS_PER_PASS).await?;
        // without a time of its own nobody can tell whether an object is old enough
        for object in page.objects.into_iter().filter(|object| object.modified.is_some_and(|at| at < limit)) {
            if stores.uploads.key_is_used(owner_key(&object.key)).await? {
                continue;
            }
            self.unowned += 1;
            tracing::debug!(key = %object.key, size = object.size, "object without a row");
        }
        self.objects.advance(page.next);
        Ok(())
    }

    /// Begins anew, with nothing found.
    pub fn forget(&mut self) {
        *self = Self::default();
        gauge!(ASSETS_WITHOUT_OBJECT).set(0.0);
        gauge!(ORPHAN_OBJECTS).set(0.0);
    }

    async fn look_at_rows(&mut self, stores: &Stores, objects: &Objects) -> Result<()> {
        let mut snapshot = stores.records.snapshot().await?;
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
                && stores.works.asset(asset.id).await?.is_some()
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
        gauge!(ORPHAN_OBJECTS).set(self.unowned as f64);
        gauge!(ORPHAN_ROUND_TIMESTAMP_SECONDS).set(now.millis() as f64 / 1_000.0);
        if confirmed > 0 || self.unowned > 0 {
            let objects = self.unowned;
            tracing::warn!(
                assets = confirmed,
                objects,
                "assets without object, objects without row: see metastamp fsck"
            );
        }
        self.unowned_before = std::mem::take(&mut self.unowned);
        self.missing_before = std::mem::take(&mut self.missing);
        (self.objects, self.rows) = (Cursor::Start, Cursor::Start);
    }

    /// How many assets without object, and objects without row, the last round met.
    #[cfg(test)]
    pub fn suspected(&self) -> (usize, u64) {
        (self.missing_before.len(), self.unowned_before)
    }
}
