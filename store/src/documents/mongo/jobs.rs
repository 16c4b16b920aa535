//! The job queue: claims, results, redo. Every step that changes the state of a job writes its asset too, so that of
//! two that meet, one is in conflict and looks again.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{
    Asset, FileKind, Fingerprint, Job, JobLane, JobState, NodeRef, ObjectId, ProcessingStatus, Timestamp,
};
use mongodb::bson::{Bson, Document, doc};
use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use super::call::Server;
use super::fault::Attempt;
use super::scope::{Query, Scope, any_form, any_form_of, date, oid, whole};
use super::sessions::lives_until;
use super::{MongoDocuments, STAY_OPEN};
use crate::documents::rules;
use crate::ports::{self, FingerprintRequest, JobResult};
use crate::records::Collection::{Assets, Fingerprints, Jobs};
use crate::records::decode;
use crate::{Result, StoreError};

#[async_trait]
impl ports::Jobs for MongoDocuments {
    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let claiming = Claiming { by: by.clone(), now, lease, lane };
        self.server.measured("claim_jobs", claim_jobs(&self.server, &claiming, limit)).await
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
}

/// Jobs of a dead node handled in one transaction.
const RELEASE_BATCH: u32 = 64;
/// How far claimers that are in each other's way look beyond what they need.
const ASIDE_MIN: u32 = 4;
const ASIDE_MAX: u32 = 64;
/// The call that committed the result: should its answer be lost, the next attempt of the same call knows.
const COMMITTED_BY: &str = "committed_by";

/// Who wants to claim what, and when.
#[derive(Clone)]
struct Claiming {
    by: NodeRef,
    now: Timestamp,
    lease: Duration,
    lane: JobLane,
}

impl Claiming {
    /// Of the lane, and: queued and due, or running under a claim that ran out or belongs to a former life of the
    /// claimant.
    fn filter(&self) -> Document {
        let now = date(self.now);
        let former_life =
            doc! { "claim.by.node_id": &self.by.node_id, "claim.by.generation": { "$lt": self.by.generation } };
        // Each alternative names state and kind, so that an index gives it in the order of the queue.
        let mut alternatives = [
            doc! { "state": "queued", "not_before": { "$lte": now } },
            doc! { "state": "running", "$or": [{ "claim.expires_at": { "$lte": now } }, former_life] },
        ];
        if self.lane == JobLane::Short {
            let short: Vec<_> =
                FileKind::ALL.into_iter().filter(|kind| !kind.is_long()).map(FileKind::as_str).collect();
            for alternative in &mut alternatives {
                alternative.insert("kind", doc! { "$in": &short });
            }
        }
        doc! { "$or": alternatives.to_vec() }
    }

    /// The first jobs in the order of the queue that can be claimed now.
    async fn candidates(&self, on: Scope, limit: u32) -> Attempt<Vec<Job>> {
        let query =
            Query { filter: self.filter(), sort: doc! { "created_at": 1, "_id": 1 }, limit, ..Query::default() };
        on.all(Jobs, query).await
    }

    /// Claims one of them under `token`, if it is still as it was `seen`; `None` when another claimer was faster.
    async fn claim(&self, on: Scope, seen: &Job, token: ObjectId, earlier_attempts: u32) -> Attempt<Option<Job>> {
        // An attempt that was not answered may have claimed it.
        if earlier_attempts > 0
            && let Some(job) = on.one(Jobs, under(seen.id, token)).await?
        {
            return Ok(Some(job));
        }
        let filter = match &seen.claim {
            None => doc! { "_id": oid(seen.id), "state": "queued", "not_before": { "$lte": date(self.now) } },
            Some(claim) => {
                let mut filter = under(seen.id, claim.token);
                filter.insert("claim.expires_at", date(claim.expires_at));
                filter
            }
        };
        let by = doc! { "node_id": &self.by.node_id, "generation": self.by.generation };
        let claim = doc! { "token": oid(token), "by": by, "expires_at": date(self.now.plus(self.lease)) };
        let change = doc! {
            "$set": { "state": "running", "claim": claim, "updated_at": date(self.now) }, "$inc": { "attempts": 1_i64 },
        };
        on.change_first(Jobs, Query { filter, ..Query::default() }, change).await
    }
}

/// Claims up to `limit` jobs, one by one. What was claimed is answered even if the store fails then: it would be lost
/// until the claim runs out.
async fn claim_jobs(server: &Server, claiming: &Claiming, limit: u32) -> Result<Vec<Job>> {
    let deadline = server.deadline();
    let mut claimed = Vec::new();
    match claim_up_to(server, claiming, limit, deadline, &mut claimed).await {
        Err(error) if claimed.is_empty() => return Err(error),
        _ if claimed.is_empty() => return Ok(claimed),
        _ => {}
    }
    let shown = server.transact_until(deadline, |on| show_running(on, &claimed, claiming.now)).await;
    if let Err(error) = shown {
        // Clients see these as pending until they end. The claims hold all the same.
        tracing::warn!(jobs = claimed.len(), %error, "claimed jobs could not be shown as running");
    }
    Ok(claimed)
}

/// The oldest first. Claimers that are in each other's way step aside: all of them asking for the very first job would
/// make a queue of its own.
async fn claim_up_to(
    server: &Server,
    claiming: &Claiming,
    limit: u32,
    deadline: Instant,
    claimed: &mut Vec<Job>,
) -> Result<()> {
    let mut aside = 0;
    loop {
        let want = limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        if want == 0 {
            return Ok(());
        }
        let look = want.saturating_add(aside);
        let mut candidates = server.until(deadline, |_| claiming.candidates(server.on(), look)).await?;
        if candidates.is_empty() {
            return Ok(());
        }
        if aside > 0 {
            candidates.shuffle(&mut rand::rng());
        }
        let mut missed = false;
        for seen in candidates.iter().take(want as usize) {
            let token = ObjectId::generate();
            match server.until(deadline, |earlier| claiming.claim(server.on(), seen, token, earlier)).await? {
                Some(job) => claimed.push(job),
                None => missed = true,
            }
        }
        if missed {
            aside = (aside * 2).clamp(ASIDE_MIN, ASIDE_MAX);
        }
    }
}

/// Tells assets and fingerprints that these jobs run, as far as they still run under these claims. Within a transaction.
async fn show_running(on: Scope, claimed: &[Job], now: Timestamp) -> Attempt<()> {
    let claims = claimed.iter().filter_map(|job| job.claim.as_ref());
    let tokens: Vec<_> = claims.map(|claim| oid(claim.token)).collect();
    let ids: Vec<_> = claimed.iter().map(|job| oid(job.id)).collect();
    let filter = doc! { "_id": { "$in": ids }, "claim.token": { "$in": tokens } };
    let running: Vec<Job> = on.all(Jobs, Query { filter, ..Query::default() }).await?;
    show(&on, &running, ProcessingStatus::Processing, Some(now)).await
}

/// Tells assets and fingerprints of jobs how these stand.
async fn show(on: &Scope, jobs: &[Job], status: ProcessingStatus, at: Option<Timestamp>) -> Attempt<()> {
    let mut change = doc! { "processing_status": status.as_str() };
    if let Some(at) = at {
        change.insert("updated_at", date(at));
    }
    let change = doc! { "$set": change };
    let fingerprints = any_form_of(jobs.iter().map(|job| job.id));
    on.update_all(Fingerprints, doc! { "_id": fingerprints }, change.clone()).await?;
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
        Some(error) => change.insert("last_error", bounded_message(error)),
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

async fn counts(on: Scope) -> Attempt<Vec<(JobState, u64)>> {
    let counted = on.aggregate(Jobs.name(), vec![doc! { "$group": { "_id": "$state", "n": { "$sum": 1 } } }]).await?;
    let of = |state: JobState| {
        let is_it = |group: &&Document| group.get("_id").and_then(Bson::as_str) == Some(state.as_str());
        whole(counted.iter().find(is_it).and_then(|group| group.get("n")))
    };
    Ok(JobState::ALL.into_iter().map(|state| (state, of(state))).collect())
}
