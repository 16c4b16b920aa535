//! Works: assets and their fingerprints, from the commit of the upload to the end.

use async_trait::async_trait;
use metastamp_protocol::{Asset, AssetQuery, Fingerprint, Job, ObjectId, Timestamp};

use crate::Result;

/// Everything that becomes true when an upload is complete.
#[derive(Debug, Clone)]
pub struct UploadCommit {
    pub asset: Asset,
    /// The pending fingerprint and its queued job; `None` when fingerprinting is switched off.
    pub fingerprint: Option<(Fingerprint, Job)>,
    /// The same user, name, size and digest after this instant is a repeat of the same upload.
    pub repeat_since: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum UploadOutcome {
    /// The asset is stored, now or by an earlier call for the same session.
    Stored(Asset),
    /// A repeat: the asset that the first upload made. The new object has become garbage.
    Repeat(Asset),
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct AssetPage {
    pub items: Vec<Asset>,
    /// All that match, not only this page.
    pub total: u64,
}

#[derive(Debug, Clone)]
pub struct DeletedAsset {
    pub asset: Asset,
    pub fingerprint_removed: bool,
    /// How many calculations of it were removed in time.
    pub analytics_removed: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FingerprintRequest {
    Queued(Fingerprint),
    /// Pending, running or completed: nothing was changed.
    Exists(Fingerprint),
}

#[async_trait]
pub trait Works: Send + Sync + 'static {
    /// Makes asset, fingerprint and job appear at once. Asking again gives the same outcome. `Fenced` when the session
    /// was discarded meanwhile, `NotFound` when it is unknown or its asset was deleted since.
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome>;
    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>>;
    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage>;
    /// The bytes of this asset are lost: it is `failed` with `message` from now on, and its job is forgotten. False when
    /// there is no such asset.
    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool>;
    /// Removes the asset with its fingerprint, job and calculations; its key becomes garbage. `None` when it was not there.
    /// Of very many calculations most go after it, a batch at a time: what time does not suffice for stays behind, is
    /// logged, and goes when it is asked for again.
    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>>;

    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>>;
    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>>;
    /// Queues a run unless one is pending, running or completed. A failed one is redone under its old id.
    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest>;
}
