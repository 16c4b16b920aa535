//! Works are shown from the cache, and dropped from it when they change.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{Asset, AssetQuery, Fingerprint, ObjectId, ProcessingStatus, Timestamp, UploadStatus};

use super::changes::Invalidated;
use super::owners::Work;
use super::values::{Page, Version};
use super::{Cached, MOVING_TTL, keys};
use crate::Result;
use crate::ports::{self, AssetPage, DeletedAsset, FingerprintRequest, UploadCommit, UploadOutcome};

/// Longer than any page lives: a page of a version that has ended is never asked for.
const VERSION_TTL: Duration = Duration::from_secs(3_600);

impl Cached {
    fn asset_ttl(&self, asset: &Asset) -> Duration {
        let still = matches!(asset.upload_status, UploadStatus::Ready | UploadStatus::Failed);
        if still { self.ttls.entries } else { self.ttls.entries.min(MOVING_TTL) }
    }

    fn fingerprint_ttl(&self, fingerprint: &Fingerprint) -> Duration {
        let still = matches!(fingerprint.processing_status, ProcessingStatus::Completed | ProcessingStatus::Failed);
        if still { self.ttls.fingerprints } else { self.ttls.fingerprints.min(MOVING_TTL) }
    }

    fn page_ttl(&self, page: &Page) -> Duration {
        page.items.iter().map(|asset| self.asset_ttl(asset)).chain([self.ttls.lists]).min().unwrap_or(MOVING_TTL)
    }

    /// All that shows an asset. Without an owner, all but the lists.
    pub(super) fn showing(asset_id: ObjectId, owner: Option<ObjectId>) -> Vec<String> {
        let list = owner.map(keys::list_version);
        [keys::asset(asset_id), keys::fingerprint(asset_id)].into_iter().chain(list).collect()
    }

    pub(super) fn showing_work(work: Work) -> Vec<String> {
        Self::showing(work.asset_id, Some(work.user_id))
    }
}

#[async_trait]
impl ports::Works for Cached {
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        let (id, owner) = (commit.asset.id, commit.asset.user_id);
        let invalidated = Invalidated::Keys(Self::showing(id, Some(owner)));
        self.changes.make(invalidated, self.truth.works.commit_upload(commit)).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        let load = self.truth.works.asset(id);
        let found = self.entries.through(Some("asset"), &keys::asset(id), |a| self.asset_ttl(a), load).await?;
        found.iter().for_each(|asset| self.owners.asset(asset));
        Ok(found)
    }

    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        let fresh = async { Ok(Some(Version::fresh())) };
        let version = self.entries.through(None, &keys::list_version(user_id), |_| VERSION_TTL, fresh).await?;
        let version = version.unwrap_or_else(Version::fresh).version;
        let key = keys::list_page(user_id, &version, &query);
        let load = async { Ok(Some(Page::from(self.truth.works.assets(user_id, query).await?))) };
        let page = self.entries.through(Some("list"), &key, |page| self.page_ttl(page), load).await?;
        let page = AssetPage::from(page.unwrap_or(Page { items: Vec::new(), total: 0 }));
        page.items.iter().for_each(|asset| self.owners.asset(asset));
        Ok(page)
    }

    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        let owner = self.owners.owner(id);
        let keys = Invalidated::Keys(Self::showing(id, owner));
        let invalidated = if owner.is_some() { keys.clone() } else { Invalidated::Everything };
        self.changes.make_and_see(keys, self.truth.works.fail_asset(id, message, now), |_| invalidated).await
    }

    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        let perhaps = Invalidated::Keys(Self::showing(id, self.owners.owner(id)));
        let invalidated = |deleted: &Option<DeletedAsset>| match deleted {
            Some(deleted) => Invalidated::Keys(Self::showing(id, Some(deleted.asset.user_id))),
            None => Invalidated::Nothing,
        };
        self.changes.make_and_see(perhaps, self.truth.works.delete_asset(id, now), invalidated).await
    }

    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        if let Some(work) = self.owners.work(id) {
            let found = self.fingerprint_of(work.asset_id).await?;
            return Ok(found.filter(|fingerprint| fingerprint.id == id));
        }
        let found = self.truth.works.fingerprint(id).await?;
        found.iter().for_each(|fingerprint| self.owners.fingerprint(fingerprint));
        Ok(found)
    }

    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        let (key, load) = (keys::fingerprint(asset_id), self.truth.works.fingerprint_of(asset_id));
        let found = self.entries.through(Some("fingerprint"), &key, |f| self.fingerprint_ttl(f), load).await?;
        found.iter().for_each(|fingerprint| self.owners.fingerprint(fingerprint));
        Ok(found)
    }

    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        let perhaps = Invalidated::Keys(Self::showing(asset_id, self.owners.owner(asset_id)));
        let invalidated = |request: &FingerprintRequest| match request {
            FingerprintRequest::Queued(fingerprint) => {
                self.owners.fingerprint(fingerprint);
                Invalidated::Keys(Self::showing(asset_id, Some(fingerprint.user_id)))
            }
            FingerprintRequest::Exists(_) => Invalidated::Nothing,
        };
        self.changes.make_and_see(perhaps, self.truth.works.request_fingerprint(asset_id, now), invalidated).await
    }
}
