//! The truth: users, assets, fingerprints, jobs, upload sessions, revoked logins.
//!
//! Methods are whole domain steps, so that each backend can make them atomic in its own way. Placement of actors is a
//! hint: every step that must not happen twice is conditional on what the caller last read, and the loser learns it
//! as `Fenced` or as an outcome.

pub mod embedded;
mod journal;
pub mod mongo;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::{
    Asset, AssetQuery, Fingerprint, Job, JobLane, JobState, NodeRef, Object, ObjectId, Timestamp, UploadSession, User,
};

use crate::{Analytics, Ledger, Partners, Records, Result};

/// Shared handle to the chosen backend.
pub type SharedDocuments = Arc<dyn Documents>;

/// Who a token speaks for, read in one step.
#[derive(Debug, Clone)]
pub struct Principal {
    pub user: Option<User>,
    /// The login session was revoked.
    pub revoked: bool,
}

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

/// Rows that are removed in one write: nobody waits long for it.
const REMOVE_BATCH: u32 = 1_000;
const CALCULATIONS_LEFT: &str = "calculations of a deleted asset stay behind";

#[derive(Debug, Clone, PartialEq)]
pub enum FingerprintRequest {
    Queued(Fingerprint),
    /// Pending, running or completed: nothing was changed.
    Exists(Fingerprint),
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum JobResult {
    Completed {
        content: Box<FingerprintContent>,
        /// Merged into the asset's metadata.
        asset_metadata: Object,
        duration_s: f64,
    },
    Failed {
        message: String,
        asset_metadata: Object,
        duration_s: f64,
    },
}

/// An object that has no row any more (or never got one) and is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub s3_key: String,
    pub since: Timestamp,
}

#[async_trait]
pub trait Documents: Records + Ledger + Partners + Analytics {
    /// Answers when the store does.
    async fn ping(&self) -> Result<()>;

    // ---- upkeep
    /// Makes collections, validators and indexes and brings older data up to date. Idempotent; of several nodes that
    /// call it at once, one does the work and the others wait for it. Returns what was done, a line for each step.
    async fn prepare(&self) -> Result<Vec<String>>;
    /// This process is `node` from now on. What former lives of it left open in the store is ended.
    async fn come_up(&self, node: &NodeRef) -> Result<()>;
    /// Takes or renews the lease `name` for `holder`, until `now + ttl`; false while it is someone else's.
    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool>;
    /// Ends the lease if `holder` has it.
    async fn return_lease(&self, name: &str, holder: &str) -> Result<()>;
    /// The bytes of this asset are lost: it is `failed` with `message` from now on, and its job is forgotten. False when
    /// there is no such asset.
    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool>;

    // ---- users and logins
    /// Stores the address normalised. `Conflict { "users.email" }` when it, or another unique value, is taken.
    async fn insert_user(&self, user: &User) -> Result<()>;
    async fn user(&self, id: ObjectId) -> Result<Option<User>>;
    async fn user_by_email(&self, email: &str) -> Result<Option<User>>;
    /// Sets `last_login` and, when given, a renewed password hash.
    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()>;
    async fn set_role(&self, id: ObjectId, role: metastamp_protocol::Role) -> Result<()>;
    /// The user and whether login session `sid` is revoked.
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal>;
    /// Final. Kept until `until`, the last instant at which a token of the session could be valid.
    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()>;
    /// Drops revocations that ended before `now`; returns how many.
    async fn forget_revocations(&self, now: Timestamp) -> Result<u64>;

    // ---- uploads
    /// Promises that the key will become an asset or be cleaned away.
    async fn open_upload(&self, session: &UploadSession) -> Result<()>;
    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>>;
    /// `Fenced` when the session is not receiving any more, `NotFound` when it was never opened or is forgotten.
    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()>;
    /// Makes asset, fingerprint and job appear at once. Asking again gives the same outcome. `Fenced` when the session
    /// was discarded meanwhile, `NotFound` when it is unknown or its asset was deleted since.
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome>;
    /// Ends a receiving session; its key becomes garbage. No effect on one that is discarded or unknown; `Fenced` when
    /// it has become an asset.
    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()>;
    /// Like [`Documents::discard_upload`], but only if the session is still as `seen`; tells whether it was.
    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool>;
    /// Receiving sessions that expired by `now`, or belong to an earlier generation of `of`.
    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>>;
    /// Forgets final sessions whose lease ended before `before`.
    async fn forget_uploads(&self, before: Timestamp) -> Result<u64>;

    // ---- garbage
    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>>;
    /// Called after the object is gone.
    async fn forget_garbage(&self, s3_key: &str) -> Result<()>;
    /// Whether an asset or a receiving session refers to the key.
    async fn key_is_used(&self, s3_key: &str) -> Result<bool>;

    // ---- assets
    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>>;
    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage>;
    /// Removes the asset with its fingerprint, job and calculations; its key becomes garbage. `None` when it was not there.
    /// Of very many calculations most go after it, a batch at a time: what time does not suffice for stays behind, is
    /// logged, and goes when it is asked for again.
    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>>;

    // ---- fingerprints
    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>>;
    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>>;
    /// Queues a run unless one is pending, running or completed. A failed one is redone under its old id.
    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest>;

    // ---- jobs
    /// Claims up to `limit` jobs that are queued, whose claim ran out, or whose claim is of an earlier generation of
    /// `by`. Only those of `lane`, oldest first. Each claim carries a fresh token and lasts for `lease`.
    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>>;
    /// `node` is dead: jobs that run under a claim of this or an earlier generation of it are queued again, due at once.
    /// Their attempts stay counted, or a job that kills its node would go round for ever. Returns how many there were.
    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64>;
    /// `Fenced` when the claim is lost: stop working.
    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()>;
    /// Commits the result under the claim, once, and forgets the job. `Fenced` when the claim is lost or the asset is gone.
    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()>;
    /// Gives a claim back: the job is queued again, not before `not_before`. Without an error (the node is leaving) the
    /// attempt does not count.
    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()>;
    /// Unfinished jobs by state.
    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>>;
}
