//! The job queue: claims and results.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::{Job, JobLane, JobState, NodeRef, Object, ObjectId, Timestamp};

use crate::Result;

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

#[async_trait]
pub trait Jobs: Send + Sync + 'static {
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
