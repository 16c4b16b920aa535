//! The job queue: claims, results, redo.

mod accounts;
mod claim;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{Fingerprint, Job, JobState, Line, NodeRef, ObjectId, ProcessingStatus, Timestamp, Turn};
use rusqlite::{Connection, OptionalExtension, params};

use super::{EmbeddedDocuments, encode, execute, insert, many, one, works};
use crate::documents::{rules, shares};
use crate::ports::{self, Claiming, FingerprintRequest, JobResult};
use crate::sqlite::failed;
use crate::{Result, StoreError, unfenced};

#[async_trait]
impl ports::Jobs for EmbeddedDocuments {
    async fn claim(&self, claiming: Claiming) -> Result<Vec<Job>> {
        // Looking is cheap and shared; the write lock is taken only when there is something to claim.
        let look = claiming.clone();
        if !self.db.read("claimable", move |c| look.finds_any(c)).await? {
            return Ok(Vec::new());
        }
        self.db.write("claim_jobs", move |c| claiming.claim(c)).await
    }

    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        // Every survivor asks, and all but the first find nothing: those do not need the write lock.
        let of = node.clone();
        if !self.db.read("claims_of", move |c| any_claims_of(c, &of)).await? {
            return Ok(0);
        }
        let mut released = 0;
        loop {
            let of = node.clone();
            let batch = self.db.write("release_claims_of", move |c| release_claims_of(c, &of, now)).await?;
            released += batch;
            if batch < u64::from(RELEASE_BATCH) {
                return Ok(released);
            }
        }
    }

    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.db.write("renew_claim", move |c| renew(c, job, token, expires_at)).await
    }

    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        self.db.write("finish_job", move |c| finish(c, job, token, result, now)).await
    }

    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        self.db.write("release_job", move |c| release(c, job, token, not_before, error)).await
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        self.db.read("job_counts", counts).await
    }

    async fn longest_waiting(&self) -> Result<Vec<(Line, Timestamp)>> {
        self.db.read("longest_waiting", longest_waiting).await
    }
}

/// Jobs of a dead node handled in one transaction.
const RELEASE_BATCH: u32 = 64;

/// A fresh job, which gets its turn with that.
pub(super) fn queue(c: &Connection, job: &Job) -> Result<()> {
    let mut job = job.clone();
    accounts::enter(c, &mut job)?;
    insert_job(c, &job)
}

fn insert_job(c: &Connection, job: &Job) -> Result<()> {
    let params = params![
        job.id.to_hex(),
        job.asset_id.to_hex(),
        job.state.as_str(),
        job.not_before.millis(),
        job.created_at.millis(),
        encode(job)?
    ];
    insert(c, "INSERT INTO jobs VALUES (?1,?2,?3,?4,NULL,NULL,NULL,NULL,?5,?6)", params, "jobs.asset_id")
}

/// A job with its claim, as it was kept elsewhere.
pub(super) fn put(c: &Connection, job: &Job) -> Result<()> {
    insert_job(c, job)?;
    save(c, job)
}

fn save(c: &Connection, job: &Job) -> Result<()> {
    let claim = job.claim.as_ref();
    let params = params![
        job.id.to_hex(),
        job.state.as_str(),
        job.not_before.millis(),
        claim.map(|claim| claim.token.to_hex()),
        claim.map(|claim| claim.by.node_id.clone()),
        claim.map(|claim| claim.by.generation),
        claim.map(|claim| claim.expires_at.millis()),
        encode(job)?
    ];
    let sql = "UPDATE jobs SET state=?2, not_before=?3, claim_token=?4, claim_node=?5, claim_generation=?6, \
               claim_expires_at=?7, doc=?8 WHERE id=?1";
    execute(c, sql, params)?;
    Ok(())
}

/// Tells asset and fingerprint of a job how it stands.
fn show(c: &Connection, job: &Job, status: ProcessingStatus, at: Option<Timestamp>) -> Result<()> {
    if let Some(mut fingerprint) = works::fingerprint(c, job.id)? {
        fingerprint.processing_status = status;
        // why it waited, if that was told
        fingerprint.error_message = None;
        fingerprint.updated_at = at.unwrap_or(fingerprint.updated_at);
        works::save_fingerprint(c, &fingerprint)?;
    }
    if let Some(mut asset) = works::by_id(c, job.asset_id)? {
        asset.processing_status = Some(status);
        asset.updated_at = at.unwrap_or(asset.updated_at);
        works::save_asset(c, &asset)?;
    }
    Ok(())
}

/// Tells the fingerprint of a job why that waits.
fn tell_waiting(c: &Connection, job: &Job, until: Timestamp) -> Result<()> {
    if let Some(mut fingerprint) = works::fingerprint(c, job.id)? {
        fingerprint.error_message = Some(shares::over_budget(until));
        works::save_fingerprint(c, &fingerprint)?;
    }
    Ok(())
}

const CLAIMS_OF: &str = "FROM jobs WHERE state='running' AND claim_node=?1 AND claim_generation<=?2 LIMIT ?3";

fn any_claims_of(c: &Connection, node: &NodeRef) -> Result<bool> {
    let mut query = c.prepare_cached(&format!("SELECT 1 {CLAIMS_OF}")).map_err(failed)?;
    let found = query.query_row(params![node.node_id, node.generation, 1], |_| Ok(())).optional();
    Ok(found.map_err(failed)?.is_some())
}

/// One batch; returns how many it was.
fn release_claims_of(c: &Connection, node: &NodeRef, now: Timestamp) -> Result<u64> {
    let params = params![node.node_id, node.generation, RELEASE_BATCH];
    let mut jobs: Vec<Job> = many(c, &format!("SELECT doc {CLAIMS_OF}"), params)?;
    for job in &mut jobs {
        job.state = JobState::Queued;
        job.claim = None;
        job.not_before = now;
        job.updated_at = now;
        save(c, job)?;
        show(c, job, ProcessingStatus::Pending, None)?;
    }
    Ok(jobs.len() as u64)
}

/// The job, if it still runs under this claim.
fn claimed(c: &Connection, id: ObjectId, token: ObjectId) -> Result<Job> {
    if unfenced::is_unfenced() {
        return any_job(c, id);
    }
    let sql = "SELECT doc FROM jobs WHERE id=?1 AND state='running' AND claim_token=?2";
    one(c, sql, [id.to_hex(), token.to_hex()])?.ok_or(StoreError::Fenced { what: "job" })
}

/// Test only: the job whoever claimed it, made up when it is gone.
fn any_job(c: &Connection, id: ObjectId) -> Result<Job> {
    if let Some(job) = one(c, "SELECT doc FROM jobs WHERE id=?1", [id.to_hex()])? {
        return Ok(job);
    }
    let gone = || StoreError::Fenced { what: "job" };
    let fingerprint = works::fingerprint(c, id)?.ok_or_else(gone)?;
    let asset = works::by_id(c, fingerprint.asset_id)?.ok_or_else(gone)?;
    Ok(Job::queued(id, &asset, fingerprint.created_at))
}

fn renew(c: &Connection, id: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
    let mut job = claimed(c, id, token)?;
    if let Some(claim) = &mut job.claim {
        claim.expires_at = expires_at;
    }
    save(c, &job)
}

fn release(c: &Connection, id: ObjectId, token: ObjectId, not_before: Timestamp, error: Option<String>) -> Result<()> {
    let mut job = claimed(c, id, token)?;
    job.state = JobState::Queued;
    job.claim = None;
    job.not_before = not_before;
    match error {
        Some(error) => {
            job.last_error = Some(bounded_message(&error));
            // It gets a new turn when its time has come.
            job.turn = job.turn.map(|turn| Turn { line: Line::Later, ..turn });
        }
        None => job.attempts = job.attempts.saturating_sub(1),
    }
    save(c, &job)?;
    show(c, &job, ProcessingStatus::Pending, None)
}

fn finish(c: &Connection, id: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
    let job = claimed(c, id, token)?;
    let mut asset = works::by_id(c, job.asset_id)?.ok_or(StoreError::Fenced { what: "asset" })?;
    let mut fingerprint = works::fingerprint(c, id)?.ok_or(StoreError::Fenced { what: "fingerprint" })?;
    accounts::end(c, &job, result.cpu(), now)?;
    rules::apply(&mut asset, &mut fingerprint, result, now);
    works::save_asset(c, &asset)?;
    works::save_fingerprint(c, &fingerprint)?;
    execute(c, "DELETE FROM jobs WHERE id=?1", [id.to_hex()])?;
    Ok(())
}

pub(super) fn request(c: &Connection, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
    let mut asset = works::by_id(c, asset_id)?.ok_or(StoreError::NotFound { what: "asset" })?;
    let existing = works::fingerprint_of(c, asset_id)?;
    let fingerprint = match existing {
        Some(existing) if existing.processing_status != ProcessingStatus::Failed => {
            return Ok(FingerprintRequest::Exists(existing));
        }
        Some(mut failed) => {
            rules::redo(&mut failed, now);
            works::save_fingerprint(c, &failed)?;
            failed
        }
        None => {
            let fresh = Fingerprint::pending(ObjectId::generate(), asset_id, asset.user_id, asset.file_type, now);
            works::insert_fingerprint(c, &fresh)?;
            fresh
        }
    };
    execute(c, "DELETE FROM jobs WHERE asset_id=?1", [asset_id.to_hex()])?;
    queue(c, &Job::queued(fingerprint.id, &asset, now))?;
    rules::queue_asset(&mut asset, now);
    works::save_asset(c, &asset)?;
    Ok(FingerprintRequest::Queued(fingerprint))
}

/// Kept by triggers: counting would read the whole queue.
const TOTALS: &str = "SELECT n FROM job_totals WHERE state=?1";

fn counts(c: &Connection) -> Result<Vec<(JobState, u64)>> {
    let mut query = c.prepare_cached(TOTALS).map_err(failed)?;
    JobState::ALL
        .into_iter()
        .map(|state| {
            let count: Option<i64> = query.query_row([state.as_str()], |row| row.get(0)).optional().map_err(failed)?;
            Ok((state, count.unwrap_or(0) as u64))
        })
        .collect()
}

const LONGEST_WAITING: &str = "SELECT not_before FROM jobs WHERE state='queued' \
     AND json_extract(doc, '$.turn.line')=?1 ORDER BY not_before LIMIT 1";

fn longest_waiting(c: &Connection) -> Result<Vec<(Line, Timestamp)>> {
    let mut query = c.prepare_cached(LONGEST_WAITING).map_err(failed)?;
    let mut waiting = Vec::new();
    for line in Line::TURNS {
        let since: Option<i64> = query.query_row([line.as_str()], |row| row.get(0)).optional().map_err(failed)?;
        waiting.extend(since.map(|since| (line, Timestamp(since))));
    }
    Ok(waiting)
}
