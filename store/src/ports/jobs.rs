//! The job queue: claims and results.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::{Job, JobLane, JobState, Line, NodeRef, Object, ObjectId, Timestamp};

use crate::Result;

/// How a job ended.
#[derive(Debug, Clone)]
pub enum JobResult {
    Completed {
        content: Box<FingerprintContent>,
        /// Merged into the asset's metadata.
        asset_metadata: Object,
        duration_s: f64,
        /// What the work took of the processors, its own processes included.
        cpu: Duration,
    },
    Failed {
        message: String,
        asset_metadata: Object,
        duration_s: f64,
        /// What the work took of the processors, its own processes included.
        cpu: Duration,
    },
}

impl JobResult {
    pub fn cpu(&self) -> Duration {
        match self {
            JobResult::Completed { cpu, .. } | JobResult::Failed { cpu, .. } => *cpu,
        }
    }
}

/// Who wants which jobs, when and for how long.
#[derive(Debug, Clone)]
pub struct Claiming {
    pub by: NodeRef,
    pub now: Timestamp,
    pub lease: Duration,
    pub lane: JobLane,
    pub limit: u32,
    /// What one user's jobs may take of the processors on one day (UTC); what is beyond it waits for the next.
    pub cpu_per_day: Option<Duration>,
}

#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Claims up to `limit` jobs that are queued, whose claim ran out, or whose claim is of an earlier generation of
    /// `by`. Only those of `lane`. Each claim carries a fresh token and lasts for `lease`.
    ///
    /// Who used the least of the processors comes first, among equals the oldest job: a user's jobs get their turns
    /// one after the other, each as far behind the former as that was thought to cost, and a user who had none waiting
    /// starts where the queue is now. What was really used corrects the turns to come. Which instants the nodes
    /// believe in has no part in it.
    async fn claim(&self, claiming: Claiming) -> Result<Vec<Job>>;
    /// The same, without a budget.
    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>> {
        self.claim(Claiming { by: by.clone(), now, lease, lane, limit, cpu_per_day: None }).await
    }
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
    /// Since when the job that is due longest waits, for each line that has one.
    async fn longest_waiting(&self) -> Result<Vec<(Line, Timestamp)>>;
}
