//! The trait, method by method: what is shown from the cache, what is only passed on, and what a write touches.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{
    Asset, AssetQuery, Fingerprint, Job, JobLane, JobState, NodeRef, ObjectId, ProcessingStatus, Role, Timestamp,
    UploadSession, UploadStatus, User,
};

use super::changes::Touched;
use super::known::Work;
use super::values::{Page, Version};
use super::{Cached, MOVING_TTL, keys};
use crate::Result;
use crate::documents::{
    AssetPage, DeletedAsset, Documents, FingerprintRequest, Garbage, JobResult, Principal, UploadCommit, UploadOutcome,
};

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

    fn showing_work(work: Work) -> Vec<String> {
        Self::showing(work.asset_id, Some(work.user_id))
    }

    /// What a job that is known here touches; `otherwise` for one that is not.
    fn job_touches(&self, job: ObjectId, otherwise: Touched) -> Touched {
        self.known.work(job).map_or(otherwise, |work| Touched::Keys(Self::showing_work(work)))
    }
}

#[async_trait]
impl Documents for Cached {
    async fn ping(&self) -> Result<()> {
        self.documents.ping().await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        self.changes.make(Touched::Everything, self.documents.prepare()).await
    }
    async fn come_up(&self, node: &NodeRef) -> Result<()> {
        self.documents.come_up(node).await
    }
    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
        self.documents.take_lease(name, holder, now, ttl).await
    }
    async fn return_lease(&self, name: &str, holder: &str) -> Result<()> {
        self.documents.return_lease(name, holder).await
    }
    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        let owner = self.known.owner(id);
        let keys = Touched::Keys(Self::showing(id, owner));
        let touched = if owner.is_some() { keys.clone() } else { Touched::Everything };
        self.changes.make_and_see(keys, self.documents.fail_asset(id, message, now), |_| touched).await
    }

    async fn insert_user(&self, user: &User) -> Result<()> {
        self.documents.insert_user(user).await
    }
    async fn user(&self, id: ObjectId) -> Result<Option<User>> {
        self.documents.user(id).await
    }
    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.documents.user_by_email(email).await
    }
    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
        self.documents.record_login(id, at, new_hash).await
    }
    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()> {
        self.documents.set_role(id, role).await
    }
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let answer = self.documents.principal(user_id, sid).await;
        // A revocation is final, so a yes may come from anywhere; a no is the truth's alone.
        let away = answer.as_ref().is_err_and(|error| error.is_transient());
        if away && matches!(self.cache.get(&keys::revoked(sid)).await, Ok(Some(_))) {
            return Ok(Principal { user: None, revoked: true });
        }
        answer
    }
    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        self.documents.revoke_session(sid, until).await?;
        let left = u64::try_from(until.millis() - Timestamp::now().millis()).unwrap_or_default();
        if left > 0 {
            // A hint; the truth is written.
            let _ = self.cache.set(&keys::revoked(sid), "1", Duration::from_millis(left)).await;
        }
        Ok(())
    }
    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        self.documents.forget_revocations(now).await
    }

    async fn open_upload(&self, session: &UploadSession) -> Result<()> {
        self.documents.open_upload(session).await
    }
    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>> {
        self.documents.upload(id).await
    }
    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.documents.renew_upload(id, expires_at).await
    }
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        let (id, owner) = (commit.asset.id, commit.asset.user_id);
        let touched = Touched::Keys(Self::showing(id, Some(owner)));
        self.changes.make(touched, self.documents.commit_upload(commit)).await
    }
    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()> {
        self.documents.discard_upload(id, now).await
    }
    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool> {
        self.documents.discard_abandoned(seen, now).await
    }
    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
        self.documents.abandoned_uploads(now, of, limit).await
    }
    async fn forget_uploads(&self, before: Timestamp) -> Result<u64> {
        self.documents.forget_uploads(before).await
    }
    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        self.documents.garbage(limit).await
    }
    async fn forget_garbage(&self, s3_key: &str) -> Result<()> {
        self.documents.forget_garbage(s3_key).await
    }
    async fn key_is_used(&self, s3_key: &str) -> Result<bool> {
        self.documents.key_is_used(s3_key).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        let load = self.documents.asset(id);
        let found = self.entries.through(Some("asset"), &keys::asset(id), |a| self.asset_ttl(a), load).await?;
        found.iter().for_each(|asset| self.known.asset(asset));
        Ok(found)
    }
    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        let fresh = async { Ok(Some(Version::fresh())) };
        let version = self.entries.through(None, &keys::list_version(user_id), |_| VERSION_TTL, fresh).await?;
        let version = version.unwrap_or_else(Version::fresh).version;
        let key = keys::list_page(user_id, &version, &query);
        let load = async { Ok(Some(Page::from(self.documents.assets(user_id, query).await?))) };
        let page = self.entries.through(Some("list"), &key, |page| self.page_ttl(page), load).await?;
        let page = AssetPage::from(page.unwrap_or(Page { items: Vec::new(), total: 0 }));
        page.items.iter().for_each(|asset| self.known.asset(asset));
        Ok(page)
    }
    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        let perhaps = Touched::Keys(Self::showing(id, self.known.owner(id)));
        let touched = |deleted: &Option<DeletedAsset>| match deleted {
            Some(deleted) => Touched::Keys(Self::showing(id, Some(deleted.asset.user_id))),
            None => Touched::Nothing,
        };
        self.changes.make_and_see(perhaps, self.documents.delete_asset(id, now), touched).await
    }

    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        if let Some(work) = self.known.work(id) {
            let found = self.fingerprint_of(work.asset_id).await?;
            return Ok(found.filter(|fingerprint| fingerprint.id == id));
        }
        let found = self.documents.fingerprint(id).await?;
        found.iter().for_each(|fingerprint| self.known.fingerprint(fingerprint));
        Ok(found)
    }
    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        let (key, load) = (keys::fingerprint(asset_id), self.documents.fingerprint_of(asset_id));
        let found = self.entries.through(Some("fingerprint"), &key, |f| self.fingerprint_ttl(f), load).await?;
        found.iter().for_each(|fingerprint| self.known.fingerprint(fingerprint));
        Ok(found)
    }

    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        let perhaps = Touched::Keys(Self::showing(asset_id, self.known.owner(asset_id)));
        let touched = |request: &FingerprintRequest| match request {
            FingerprintRequest::Queued(fingerprint) => {
                self.known.fingerprint(fingerprint);
                Touched::Keys(Self::showing(asset_id, Some(fingerprint.user_id)))
            }
            FingerprintRequest::Exists(_) => Touched::Nothing,
        };
        self.changes.make_and_see(perhaps, self.documents.request_fingerprint(asset_id, now), touched).await
    }

    // Of claims that may or may not have been given nothing is dropped: what shows moving work ends by itself.
    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let claim = self.documents.claim_jobs(by, now, lease, lane, limit);
        let touched = |jobs: &Vec<Job>| match jobs.as_slice() {
            [] => Touched::Nothing,
            jobs => Touched::Keys(jobs.iter().flat_map(|job| Self::showing_work(self.known.job(job))).collect()),
        };
        self.changes.make_and_see(Touched::Nothing, claim, touched).await
    }
    // Whose jobs they were is not told.
    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        let touched = |released: &u64| if *released == 0 { Touched::Nothing } else { Touched::Everything };
        self.changes.make_and_see(Touched::Nothing, self.documents.release_claims_of(node, now), touched).await
    }
    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.documents.renew_claim(job, token, expires_at).await
    }
    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        let perhaps = self.job_touches(job, Touched::Nothing);
        let touched = |(): &()| self.job_touches(job, Touched::Everything);
        self.changes.make_and_see(perhaps, self.documents.finish_job(job, token, result, now), touched).await
    }
    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        let perhaps = self.job_touches(job, Touched::Nothing);
        let touched = |(): &()| self.job_touches(job, Touched::Everything);
        self.changes.make_and_see(perhaps, self.documents.release_job(job, token, not_before, error), touched).await
    }
    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        self.documents.job_counts().await
    }
}
