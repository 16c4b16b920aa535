//! What this process has seen of ids that never change: whose an asset is, which asset a fingerprint is of.

use metastamp_protocol::{Asset, Fingerprint, Job, ObjectId};
use moka::sync::Cache;

/// Most ids of each kind; the least used are forgotten.
const IDS_MAX: u64 = 50_000;

/// An asset and its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub asset_id: ObjectId,
    pub user_id: ObjectId,
}

#[derive(Clone)]
pub(super) struct Owners {
    owners: Cache<ObjectId, ObjectId>,
    /// By fingerprint, which is also the id of its job.
    works: Cache<ObjectId, Work>,
}

impl Default for Owners {
    fn default() -> Self {
        Self { owners: Cache::new(IDS_MAX), works: Cache::new(IDS_MAX) }
    }
}

impl Owners {
    pub(super) fn asset(&self, asset: &Asset) {
        self.owners.insert(asset.id, asset.user_id);
    }

    pub(super) fn fingerprint(&self, fingerprint: &Fingerprint) {
        let work = Work { asset_id: fingerprint.asset_id, user_id: fingerprint.user_id };
        self.works.insert(fingerprint.id, work);
        self.owners.insert(work.asset_id, work.user_id);
    }

    pub(super) fn job(&self, job: &Job) -> Work {
        let work = Work { asset_id: job.asset_id, user_id: job.user_id };
        self.works.insert(job.id, work);
        work
    }

    pub(super) fn owner(&self, asset_id: ObjectId) -> Option<ObjectId> {
        self.owners.get(&asset_id)
    }

    pub(super) fn work(&self, fingerprint_id: ObjectId) -> Option<Work> {
        self.works.get(&fingerprint_id)
    }
}
