//! The job queue: claims, results, redo. Every step that changes the state of a job writes its asset too, so that of
//! two that meet, one is in conflict and looks again.

use std::time::Duration;

use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{
    Asset, FileKind, Fingerprint, Job, JobLane, JobState, NodeRef, ObjectId, ProcessingStatus, Timestamp,
};
use mongodb::bson::{Bson, Document, doc};

use super::fault::Attempt;
use super::on::{On, Query, any_form, any_form_of, date, oid, whole};
use crate::StoreError;
use crate::documents::{FingerprintRequest, JobResult, rules};
use crate::records::Collection::{Assets, Fingerprints, Jobs};
use crate::records::decode;

/// Jobs of a dead node handled in one transaction.
pub(super) const RELEASE_BATCH: u32 = 64;
/// The call that committed the result: should its answer be lost, the next attempt of the same call knows.
const COMMITTED_BY: &str = "committed_by";

/// Who wants to claim what, and when.
#[derive(Clone)]
pub(super) struct Claiming {
    pub by: NodeRef,
    pub now: Timestamp,
    pub lease: Duration,
    pub lane: JobLane,
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

    /// Claims the first job under `token`. The server does this in one step and by itself looks further when another
    /// claimer was faster, so claimers need not wait for each other.
    pub async fn claim(&self, on: On, token: ObjectId, earlier_attempts: u32) -> Attempt<Option<Job>> {
        let mine = doc! { "state": "running", "claim.token": oid(token) };
        if earlier_attempts > 0
            && let Some(job) = on.one(Jobs, mine).await?
        {
            return Ok(Some(job));
        }
        let by = doc! { "node_id": &self.by.node_id, "generation": self.by.generation };
        let claim = doc! { "token": oid(token), "by": by, "expires_at": date(self.now.plus(self.lease)) };
        let change = doc! {
            "$set": { "state": "running", "claim": claim, "updated_at": date(self.now) }, "$inc": { "attempts": 1_i64 },
        };
        let query = Query { filter: self.filter(), sort: doc! { "created_at": 1, "_id": 1 }, ..Query::default() };
        on.change_first(Jobs, query, change).await
    }
}

/// Tells assets and fingerprints that these jobs run, as far as they still run under these claims. Within a transaction.
pub(super) async fn show_running(on: On, claimed: &[Job], now: Timestamp) -> Attempt<()> {
    let claims = claimed.iter().filter_map(|job| job.claim.as_ref());
    let tokens: Vec<_> = claims.map(|claim| oid(claim.token)).collect();
    let ids: Vec<_> = claimed.iter().map(|job| oid(job.id)).collect();
    let filter = doc! { "_id": { "$in": ids }, "claim.token": { "$in": tokens } };
    let running: Vec<Job> = on.all(Jobs, Query { filter, ..Query::default() }).await?;
    show(&on, &running, ProcessingStatus::Processing, Some(now)).await
}

/// Tells assets and fingerprints of jobs how these stand.
async fn show(on: &On, jobs: &[Job], status: ProcessingStatus, at: Option<Timestamp>) -> Attempt<()> {
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
pub(super) async fn release_claims_of(on: On, node: &NodeRef, now: Timestamp) -> Attempt<u64> {
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

pub(super) async fn renew(on: On, id: ObjectId, token: ObjectId, expires_at: Timestamp) -> Attempt<()> {
    let later = doc! { "$set": { "claim.expires_at": date(expires_at) } };
    if on.update(Jobs, under(id, token), later).await? { Ok(()) } else { Err(LOST.into()) }
}

/// Within a transaction.
pub(super) async fn release(
    on: On,
    id: ObjectId,
    token: ObjectId,
    not_before: Timestamp,
    error: Option<&str>,
) -> Attempt<()> {
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
pub(super) struct Finish {
    pub job: ObjectId,
    pub token: ObjectId,
    pub result: JobResult,
    pub now: Timestamp,
    /// Fresh for each call.
    pub call: ObjectId,
}

/// Within a transaction.
pub(super) async fn finish(on: On, finish: &Finish) -> Attempt<()> {
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
pub(super) async fn request(on: On, asset_id: ObjectId, now: Timestamp) -> Attempt<FingerprintRequest> {
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

pub(super) async fn counts(on: On) -> Attempt<Vec<(JobState, u64)>> {
    let counted = on.aggregate(Jobs.name(), vec![doc! { "$group": { "_id": "$state", "n": { "$sum": 1 } } }]).await?;
    let of = |state: JobState| {
        let is_it = |group: &&Document| group.get("_id").and_then(Bson::as_str) == Some(state.as_str());
        whole(counted.iter().find(is_it).and_then(|group| group.get("n")))
    };
    Ok(JobState::ALL.into_iter().map(|state| (state, of(state))).collect())
}
