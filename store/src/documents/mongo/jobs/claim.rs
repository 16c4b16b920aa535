//! Claims: whose turn it is, found at the front of ordered indexes.

use metastamp_protocol::{Job, JobState, Line, ObjectId, ProcessingStatus, Timestamp, Turn};
use mongodb::bson::{Bson, Document, doc};
use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use super::super::accounts;
use super::super::call::Server;
use super::super::fault::Attempt;
use super::super::scope::{Query, Scope, any_form, date, oid};
use super::{show, under};
use crate::Result;
use crate::documents::shares::{PUT_BACK_MAX, RECALLED_MAX, Verdict, WAIT_MAX, over_budget};
use crate::ports::Claiming;
use crate::records::Collection::{Fingerprints, Jobs};

/// How far claimers that are in each other's way look beyond what they need.
const ASIDE_MIN: u32 = 4;
const ASIDE_MAX: u32 = 64;
/// Running jobs looked at in one claim.
const RUNNING_MAX: u32 = 256;

/// Who wants to claim what, as this backend answers it.
#[derive(Clone, Copy)]
struct Claimer<'a>(&'a Claiming);

impl Claimer<'_> {
    /// Without a turn, and due for one: each alternative is a query of its own, so that an index serves it.
    fn recallable(&self) -> [Document; 3] {
        let later = |not_before: Document| doc! { "state": "queued", "turn.line": Line::Later.as_str(), "not_before": not_before };
        [
            later(doc! { "$lte": date(self.0.now) }),
            // What a clock that was wrong sent away.
            later(doc! { "$gt": date(self.0.now.plus(WAIT_MAX)) }),
            // Fresh, of older versions, and restored.
            doc! { "state": "queued", "turn.line": Bson::Null },
        ]
    }

    /// Gives turns to some that are due for one. Within a transaction.
    async fn recall(&self, on: Scope) -> Attempt<()> {
        for filter in self.recallable() {
            let query = Query { filter, sort: doc! { "not_before": 1 }, limit: RECALLED_MAX, ..Query::default() };
            let jobs: Vec<Job> = on.all(Jobs, query).await?;
            for mut job in jobs {
                // What comes back from waiting is due; of a fresh one that is yet to be seen.
                let not_before = if job.turn.is_some() { job.not_before.min(self.0.now) } else { job.not_before };
                accounts::enter(&on, &mut job).await?;
                put(&on, &job, doc! { "turn": turn(job.turn), "not_before": date(not_before) }).await?;
            }
        }
        Ok(())
    }

    async fn finds_recallable(&self, on: Scope) -> Attempt<bool> {
        for filter in self.recallable() {
            if on.record(Jobs, filter).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Running under a claim that ran out or is of a former life of the claimant.
    async fn abandoned(&self, on: &Scope) -> Attempt<Vec<Job>> {
        let expired = doc! { "state": "running", "claim.expires_at": { "$lte": date(self.0.now) } };
        let former_life = doc! {
            "state": "running", "claim.by.node_id": &self.0.by.node_id,
            "claim.by.generation": { "$lt": self.0.by.generation },
        };
        let mut jobs: Vec<Job> = Vec::new();
        for filter in [expired, former_life] {
            jobs.extend(on.all::<Job>(Jobs, Query { filter, limit: RUNNING_MAX, ..Query::default() }).await?);
        }
        jobs.retain(|job| self.0.lane.takes(job));
        jobs.sort_by_key(|job| (job.created_at, job.id));
        jobs.dedup_by_key(|job| job.id);
        Ok(jobs)
    }

    /// The first jobs in the order of their turns.
    async fn first(&self, on: &Scope, limit: u32) -> Attempt<Vec<Job>> {
        let mut jobs: Vec<Job> = Vec::new();
        for line in self.0.lane.lines() {
            let filter = doc! { "state": "queued", "turn.line": line.as_str() };
            let sort = doc! { "turn.at": 1, "created_at": 1, "_id": 1 };
            jobs.extend(on.all::<Job>(Jobs, Query { filter, sort, limit, ..Query::default() }).await?);
        }
        jobs.sort_by_key(|job| (job.turn.map(|turn| turn.at), job.created_at, job.id));
        jobs.truncate(limit as usize);
        Ok(jobs)
    }

    /// Whether it really is the turn of the job; else it is put back.
    async fn is_its_turn(&self, on: Scope, job: &Job) -> Attempt<bool> {
        let change = match accounts::of(&on, job.user_id).await?.judge(job, self.0.now, self.0.cpu_per_day) {
            Verdict::Take => return Ok(true),
            Verdict::Back(later) => doc! { "turn": turn(Some(later)) },
            Verdict::Wait { until, over_budget: beyond } => {
                if beyond {
                    tell_waiting(&on, job, over_budget(until)).await?;
                }
                let waiting = job.turn.map(|turn| Turn { line: Line::Later, ..turn });
                doc! { "turn": turn(waiting), "not_before": date(until) }
            }
        };
        put(&on, job, change).await?;
        Ok(false)
    }

    /// Claims one of them under `token`, if it is still as it was `seen`; `None` when another claimer was faster.
    async fn take(&self, on: Scope, seen: &Job, token: ObjectId, earlier_attempts: u32) -> Attempt<Option<Job>> {
        // An attempt that was not answered may have claimed it.
        if earlier_attempts > 0
            && let Some(job) = on.one(Jobs, under(seen.id, token)).await?
        {
            return Ok(Some(job));
        }
        let filter = match &seen.claim {
            None => doc! { "_id": oid(seen.id), "state": "queued", "not_before": { "$lte": date(self.0.now) } },
            Some(claim) => {
                let mut filter = under(seen.id, claim.token);
                filter.insert("claim.expires_at", date(claim.expires_at));
                filter
            }
        };
        let by = doc! { "node_id": &self.0.by.node_id, "generation": self.0.by.generation };
        let claim = doc! { "token": oid(token), "by": by, "expires_at": date(self.0.now.plus(self.0.lease)) };
        let change = doc! {
            "$set": { "state": "running", "claim": claim, "updated_at": date(self.0.now) }, "$inc": { "attempts": 1_i64 },
        };
        on.change_first(Jobs, Query { filter, ..Query::default() }, change).await
    }
}

fn turn(turn: Option<Turn>) -> Bson {
    turn.map_or(Bson::Null, |Turn { line, at, cost, debt }| {
        Bson::Document(doc! { "line": line.as_str(), "at": at, "cost": cost, "debt": debt })
    })
}

/// Changes a job that waits, if nobody claimed it meanwhile.
async fn put(on: &Scope, job: &Job, change: Document) -> Attempt<()> {
    on.update(Jobs, doc! { "_id": oid(job.id), "state": "queued" }, doc! { "$set": change }).await.map(drop)
}

/// Tells the fingerprint of a job why that waits.
async fn tell_waiting(on: &Scope, job: &Job, why: String) -> Attempt<()> {
    let change = doc! { "$set": { "error_message": why } };
    on.update(Fingerprints, doc! { "_id": any_form(job.id) }, change).await.map(drop)
}

/// Claims up to `limit` jobs, one by one. What was claimed is answered even if the store fails then: it would be lost
/// until the claim runs out.
pub(super) async fn claim_jobs(server: &Server, claiming: &Claiming) -> Result<Vec<Job>> {
    let deadline = server.deadline();
    let mut claimed = Vec::new();
    match claim_up_to(server, claiming, deadline, &mut claimed).await {
        Err(error) if claimed.is_empty() => return Err(error),
        _ if claimed.is_empty() => return Ok(claimed),
        _ => {}
    }
    let place = claimed.iter().filter_map(|job| job.turn).map(|turn| turn.at).max().unwrap_or(0);
    if let Err(error) = server.until(deadline, |_| advance(server.on(), place)).await {
        // The next claim tells it.
        tracing::debug!(%error, "the place of the queue is not written");
    }
    let shown = server.transact_until(deadline, |on| show_running(on, &claimed, claiming.now)).await;
    if let Err(error) = shown {
        // Clients see these as pending until they end. The claims hold all the same.
        tracing::warn!(jobs = claimed.len(), %error, "claimed jobs could not be shown as running");
    }
    Ok(claimed)
}

/// Whose turn it is first. Claimers that are in each other's way step aside: all of them asking for the very first job
/// would make a queue of its own.
async fn claim_up_to(server: &Server, claiming: &Claiming, deadline: Instant, claimed: &mut Vec<Job>) -> Result<()> {
    if claiming.limit == 0 {
        return Ok(());
    }
    let claimer = Claimer(claiming);
    recall(server, claimer, deadline).await?;
    let (mut aside, mut put_back) = (0, 0);
    loop {
        let want = claiming.limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        if want == 0 || put_back >= PUT_BACK_MAX {
            return Ok(());
        }
        let look = want.saturating_add(aside);
        let mut candidates = server.until(deadline, |_| candidates(claimer, server.on(), look)).await?;
        // Each round gives turns to a bounded number: more may be due for one.
        if candidates.is_empty() && !recall(server, claimer, deadline).await? {
            return Ok(());
        }
        if aside > 0 {
            candidates.shuffle(&mut rand::rng());
        }
        let mut missed = false;
        for seen in candidates.iter().take(want as usize) {
            let waits = seen.state == JobState::Queued;
            if waits && !server.until(deadline, |_| claimer.is_its_turn(server.on(), seen)).await? {
                put_back += 1;
                continue;
            }
            let token = ObjectId::generate();
            match server.until(deadline, |earlier| claimer.take(server.on(), seen, token, earlier)).await? {
                Some(job) => claimed.push(job),
                None => missed = true,
            }
        }
        if missed {
            aside = (aside * 2).clamp(ASIDE_MIN, ASIDE_MAX);
        }
    }
}

/// Gives turns to jobs that are due for one; returns whether there were any.
async fn recall(server: &Server, claimer: Claimer<'_>, deadline: Instant) -> Result<bool> {
    let finds = server.until(deadline, |_| claimer.finds_recallable(server.on())).await?;
    if finds {
        server.transact_until(deadline, |on| claimer.recall(on)).await?;
    }
    Ok(finds)
}

async fn advance(on: Scope, place: i64) -> Attempt<()> {
    accounts::advance(&on, place).await
}

async fn candidates(claimer: Claimer<'_>, on: Scope, look: u32) -> Attempt<Vec<Job>> {
    let mut jobs = claimer.abandoned(&on).await?;
    if jobs.len() < look as usize {
        jobs.extend(claimer.first(&on, look).await?);
    }
    jobs.truncate(look as usize);
    Ok(jobs)
}

/// Counts what was claimed, and tells assets and fingerprints that these jobs run, as far as they still run under these
/// claims. Within a transaction.
async fn show_running(on: Scope, claimed: &[Job], now: Timestamp) -> Attempt<()> {
    let claims = claimed.iter().filter_map(|job| job.claim.as_ref());
    let tokens: Vec<_> = claims.map(|claim| oid(claim.token)).collect();
    let ids: Vec<_> = claimed.iter().map(|job| oid(job.id)).collect();
    accounts::begin(&on, claimed, now).await?;
    let filter = doc! { "_id": { "$in": ids }, "claim.token": { "$in": tokens } };
    let running: Vec<Job> = on.all(Jobs, Query { filter, ..Query::default() }).await?;
    show(&on, &running, ProcessingStatus::Processing, Some(now)).await
}
