//! Claims and results are decided by the truth; what they change of an asset and its fingerprint is dropped.

use async_trait::async_trait;
use metastamp_protocol::{Job, JobState, Line, NodeRef, ObjectId, Timestamp};

use super::Cached;
use super::changes::Invalidated;
use crate::Result;
use crate::ports::{self, Claiming, JobResult};

impl Cached {
    /// What a job that is known here touches; `otherwise` for one that is not.
    fn invalidated_by_job(&self, job: ObjectId, otherwise: Invalidated) -> Invalidated {
        self.owners.work(job).map_or(otherwise, |work| Invalidated::Keys(Self::showing_work(work)))
    }
}

#[async_trait]
impl ports::Jobs for Cached {
    // Of claims that may or may not have been given nothing is dropped: what shows moving work ends by itself.
    async fn claim(&self, claiming: Claiming) -> Result<Vec<Job>> {
        let claim = self.truth.jobs.claim(claiming);
        let invalidated = |jobs: &Vec<Job>| match jobs.as_slice() {
            [] => Invalidated::Nothing,
            jobs => Invalidated::Keys(jobs.iter().flat_map(|job| Self::showing_work(self.owners.job(job))).collect()),
        };
        self.changes.make_and_see(Invalidated::Nothing, claim, invalidated).await
    }

    // Whose jobs they were is not told.
    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        let invalidated = |released: &u64| if *released == 0 { Invalidated::Nothing } else { Invalidated::Everything };
        self.changes.make_and_see(Invalidated::Nothing, self.truth.jobs.release_claims_of(node, now), invalidated).await
    }

    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.truth.jobs.renew_claim(job, token, expires_at).await
    }

    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        let perhaps = self.invalidated_by_job(job, Invalidated::Nothing);
        let invalidated = |(): &()| self.invalidated_by_job(job, Invalidated::Everything);
        self.changes.make_and_see(perhaps, self.truth.jobs.finish_job(job, token, result, now), invalidated).await
    }

    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        let perhaps = self.invalidated_by_job(job, Invalidated::Nothing);
        let invalidated = |(): &()| self.invalidated_by_job(job, Invalidated::Everything);
        self.changes
            .make_and_see(perhaps, self.truth.jobs.release_job(job, token, not_before, error), invalidated)
            .await
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        self.truth.jobs.job_counts().await
    }

    async fn longest_waiting(&self) -> Result<Vec<(Line, Timestamp)>> {
        self.truth.jobs.longest_waiting().await
    }
}
