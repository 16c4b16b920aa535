//! The job queue: claims, results, redo. Every step that changes the state of a job writes its asset too, so that of
//! two that meet, one is in conflict and looks again.

mod claim;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{Asset, Fingerprint, Job, JobState, Line, NodeRef, ObjectId, ProcessingStatus, Timestamp};
use mongodb::bson::{Bson, Document, doc};

use super::fault::Attempt;
use super::scope::{Query, Scope, any_form, any_form_of, date, oid};
use super::sessions::lives_until;
use super::{MongoDocuments, STAY_OPEN, accounts};
use crate::documents::rules;
use crate::ports::{self, Claiming, FingerprintRequest, JobResult};
use crate::records::Collection::{Assets, Fingerprints, Jobs};
use crate::records::decode;
use crate::{Result, StoreError};

#[async_trait]
impl ports::Jobs for MongoDocuments {
    async fn claim(&self, claiming: Claiming) -> Result<Vec<Job>> {
        self.server.measured("claim_jobs", claim::claim_jobs(&self.server, &claiming)).await
    }

    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        let Self { server } = self;
        // What it left open would be in the way of all that follows.
        let ended = server.call("end_sessions", |_| server.end_sessions(lives_until(node), false)).await;
        if let Err(error) = ended {
            tracing::warn!(%node, %error, "{STAY_OPEN}");
        }
        let mut released = 0;
        loop {
            let step = |on| release_claims_of(on, node, now);
            let batch = self.server.transact("release_claims_of", step).await?;
            released += batch;
            if batch < u64::from(RELEASE_BATCH) {
                return Ok(released);
            }
        }
    }

    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("renew_claim", |_| renew(server.on(), job, token, expires_at)).await
    }

    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        let ended = Finish { job, token, result, now, call: ObjectId::generate() };
        self.server.transact("finish_job", |on| finish(on, &ended)).await
    }

    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        let error = error.as_deref();
        self.server.transact("release_job", |on| release(on, job, token, not_before, error)).await
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        let Self { server } = self;
        server.call("job_counts", |_| counts(server.on())).await
    }

    async fn longest_waiting(&self) -> Result<Vec<(Line, Timestamp)>> {
        let Self { server } = self;
        server.call("longest_waiting", |_| longest_waiting(server.on())).await
    }
}

/// Jobs of a dead node handled in one transaction.
const RELEASE_BATCH: u32 = 64;
/// The call that committed the result: should its answer be lost, the next attempt of the same call knows.
const COMMITTED_BY: &str = "committed_by";

/// Tells assets and fingerprints of jobs how these stand.
async fn show(on: &Scope, jobs: &[Job], status: ProcessingStatus, at: Option<Timestamp>) -> Attempt<()> {
    let mut change = doc! { "processing_status": status.as_str() };
    if let Some(at) = at {
        change.insert("updated_at", date(at));
    }
    let fingerprints = any_form_of(jobs.iter().map(|job| job.id));
    let mut of_fingerprints = change.clone();
    // why it waited, if that was told
    of_fingerprints.insert("error_message", Bson::Null);
    on.update_all(Fingerprints, doc! { "_id": fingerprints }, doc! { "$set": of_fingerprints }).await?;
    let change = doc! { "$set": change };
    let assets = any_form_of(jobs.iter().map(|job| job.asset_id));
    on.update_all(Assets, doc! { "_id": assets }, change).await?;
    Ok(())
}

/// One batch, within a transaction; returns how many it was.
async fn release_claims_of(on: Scope, node: &NodeRef, now: Timestamp) -> Attempt<u64> {
    let filter = doc! {
        "state": "running", "claim.by.node_id": &node.node_id, "claim.by.generation": { "$lte": node.generation },
    };
    let jobs: Vec<Job> = on.all(Jobs, Query { filter, limit: RELEASE_BATCH, ..Query::default() }).await?;
    if jobs.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = jobs.iter().map(|job| oid(job.id)).collect();
    let queued = doc! {
        "$set": { "state": "queued", "not_before": date(now), "updated_at": date(now) }, "$unset": { "claim": "" },
    };
    on.update_all(Jobs, doc! { "_id": { "$in": ids } }, queued).await?;
    show(&on, &jobs, ProcessingStatus::Pending, None).await?;
    Ok(jobs.len() as u64)
}

fn under(id: ObjectId, token: ObjectId) -> Document {
    doc! { "_id": oid(id), "state": "running", "claim.token": oid(token) }
}

const LOST: StoreError = StoreError::Fenced { what: "job" };

async fn renew(on: Scope, id: ObjectId, token: ObjectId, expires_at: Timestamp) -> Attempt<()> {
    let later = doc! { "$set": { "claim.expires_at": date(expires_at) } };
    if on.update(Jobs, under(id, token), later).await? { Ok(()) } else { Err(LOST.into()) }
}

/// Within a transaction.
async fn release(on: Scope, id: ObjectId, token: ObjectId, not_before: Timestamp, error: Option<&str>) -> Attempt<()> {
    let job: Job = on.one(Jobs, under(id, token)).await?.ok_or(LOST)?;
    let mut change = doc! { "state": "queued", "not_before": date(not_before) };
    match error {
        Some(error) => {
            if job.turn.is_some() {
                // It gets a new turn when its time has come.
                change.insert("turn.line", Line::Later.as_str());
            }
            change.insert("last_error", bounded_message(error))
        }
        None => change.insert("attempts", i64::from(job.attempts.saturating_sub(1))),
    };
    on.update(Jobs, doc! { "_id": oid(id) }, doc! { "$set": change, "$unset": { "claim": "" } }).await?;
    show(&on, &[job], ProcessingStatus::Pending, None).await
}

/// How a job ended, and under which claim.
struct Finish {
    job: ObjectId,
    token: ObjectId,
    result: JobResult,
    now: Timestamp,
    /// Fresh for each call.
    call: ObjectId,
}

/// Within a transaction.
async fn finish(on: Scope, finish: &Finish) -> Attempt<()> {
    let Finish { job: id, token, result, now, call } = finish;
    let Some(job) = on.take(Jobs, under(*id, *token)).await? else {
        let mine = doc! { "_id": any_form(*id), COMMITTED_BY: oid(*call) };
        return if on.record(Fingerprints, mine).await?.is_some() { Ok(()) } else { Err(LOST.into()) };
    };
    let job: Job = decode(Jobs, job)?;
    let kept_asset = on.record(Assets, doc! { "_id": any_form(job.asset_id) }).await?;
    let kept_asset = kept_asset.ok_or(StoreError::Fenced { what: "asset" })?;
    let kept = on.record(Fingerprints, doc! { "_id": any_form(*id) }).await?;
    let mut kept = kept.ok_or(StoreError::Fenced { what: "fingerprint" })?;
    let (mut asset, mut fingerprint): (Asset, Fingerprint) =
        (decode(Assets, kept_asset.clone())?, decode(Fingerprints, kept.clone())?);
    accounts::end(&on, &job, result.cpu(), *now).await?;
    rules::apply(&mut asset, &mut fingerprint, result.clone(), *now);
    on.save(Assets, kept_asset, &asset).await?;
    kept.insert(COMMITTED_BY, oid(*call));
    on.save(Fingerprints, kept, &fingerprint).await
}

/// Within a transaction.
pub(super) async fn request(on: Scope, asset_id: ObjectId, now: Timestamp) -> Attempt<FingerprintRequest> {
    let kept_asset = on.record(Assets, doc! { "_id": any_form(asset_id) }).await?;
    let kept_asset = kept_asset.ok_or(StoreError::NotFound { what: "asset" })?;
    let mut asset: Asset = decode(Assets, kept_asset.clone())?;
    let fingerprint = match on.record(Fingerprints, doc! { "asset_id": any_form(asset_id) }).await? {
        Some(kept) => {
            let mut fingerprint: Fingerprint = decode(Fingerprints, kept.clone())?;
            if fingerprint.processing_status != ProcessingStatus::Failed {
                return Ok(FingerprintRequest::Exists(fingerprint));
            }
            rules::redo(&mut fingerprint, now);
            on.save(Fingerprints, kept, &fingerprint).await?;
            fingerprint
        }
        None => {
            let fresh = Fingerprint::pending(ObjectId::generate(), asset_id, asset.user_id, asset.file_type, now);
            on.insert(Fingerprints, &fresh).await?;
            fresh
        }
    };
    on.remove(Jobs.name(), doc! { "asset_id": oid(asset_id) }).await?;
    on.insert(Jobs, &Job::queued(fingerprint.id, &asset, now)).await?;
    rules::queue_asset(&mut asset, now);
    on.save(Assets, kept_asset, &asset).await?;
    Ok(FingerprintRequest::Queued(fingerprint))
}

/// What runs is counted, what waits is the rest: counting that would read the whole queue.
async fn counts(on: Scope) -> Attempt<Vec<(JobState, u64)>> {
    let running = on.count(Jobs.name(), doc! { "state": "running" }).await?;
    let all = on.estimated_count(Jobs.name()).await?;
    Ok(vec![(JobState::Queued, all.saturating_sub(running)), (JobState::Running, running)])
}

async fn longest_waiting(on: Scope) -> Attempt<Vec<(Line, Timestamp)>> {
    let mut waiting = Vec::new();
    for line in Line::TURNS {
        let filter = doc! { "state": "queued", "turn.line": line.as_str() };
        let query = Query { filter, sort: doc! { "not_before": 1 }, limit: 1, ..Query::default() };
        waiting.extend(on.all::<Job>(Jobs, query).await?.first().map(|job| (line, job.not_before)));
    }
    Ok(waiting)
}
