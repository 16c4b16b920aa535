//! Usage events and the steps they take. The clock of the steps is the server's, `$$NOW`.

use async_trait::async_trait;
use metastamp_protocol::analytics::Calculation;
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;

use super::fault::{Attempt, Failure};
use super::scope::{Query, Scope, any_form, oid};
use super::{MongoDocuments, analytics};
use crate::ports::{self, UsageClaim, UsagePage, UsageQuery};
use crate::records::Collection::{Assets, UsageEvents};
use crate::records::decode;
use crate::{Result, StoreError};

#[async_trait]
impl ports::Usage for MongoDocuments {
    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)> {
        let Self { server } = self;
        server.call("open_usage", |earlier| open(server.on(), event, earlier)).await
    }

    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>> {
        let Self { server } = self;
        server.call("usage", |_| by_id(server.on(), id)).await
    }

    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
        let Self { server } = self;
        let page = |_| async move { page(server.snapshot().await?, query, skip, limit).await };
        server.call("usages", page).await
    }

    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
        let Self { server } = self;
        server.call("claim_usage", |_| take(server.on(), claim)).await
    }

    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent> {
        let ended = Finish { id, worker, to, reason, now, call: ObjectId::generate() };
        self.server.transact("finish_usage", |on| finish(on, &ended)).await
    }

    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>> {
        let Self { server } = self;
        server.call("overdue_usages", |_| overdue(server.on(), limit)).await
    }
}

/// The call that ended the last step: should its answer be lost, the next attempt of the same call knows.
const FINISHED_BY: &str = "finished_by";

async fn by_id(on: Scope, id: ObjectId) -> Attempt<Option<UsageEvent>> {
    on.one(UsageEvents, doc! { "_id": oid(id) }).await
}

async fn open(on: Scope, event: &UsageEvent, earlier_attempts: u32) -> Attempt<(UsageEvent, bool)> {
    match on.insert(UsageEvents, event).await {
        Ok(()) => Ok((event.clone(), true)),
        Err(Failure::Final(StoreError::Conflict { index })) => {
            let known = by_id(on, event.id).await?.ok_or(StoreError::Conflict { index })?;
            // An attempt that was not answered may have stored it.
            let is_new = earlier_attempts > 0 && known == *event;
            Ok((known, is_new))
        }
        Err(failure) => Err(failure),
    }
}

/// Count and rows are of one instant when `on` is a snapshot.
async fn page(on: Scope, query: &UsageQuery, skip: u64, limit: u32) -> Attempt<UsagePage> {
    let UsageQuery { partner_id, user_id, asset_id, status } = query;
    let mut filter = Document::new();
    for (member, id) in [("partner_id", partner_id), ("user_id", user_id), ("asset_id", asset_id)] {
        if let Some(id) = id {
            filter.insert(member, oid(*id));
        }
    }
    if let Some(status) = status {
        filter.insert("status", status.as_str());
    }
    let total = on.count(UsageEvents.name(), filter.clone()).await?;
    if limit == 0 || skip >= total {
        return Ok(UsagePage { items: Vec::new(), total });
    }
    let sort = doc! { "created_at": -1, "_id": -1 };
    Ok(UsagePage { items: on.all(UsageEvents, Query { filter, sort, skip, limit }).await?, total })
}

/// [`UsageClaim::take`] as one conditional write. An attempt that was not answered is the same worker's, which finds the
/// step free.
async fn take(on: Scope, claim: &UsageClaim) -> Attempt<Option<UsageEvent>> {
    let UsageClaim { id, from, to, worker, lease, reason, expired } = claim;
    let to = to.as_str();
    let from: Vec<_> = from.iter().map(|status| status.as_str()).collect();
    let begun = doc! { "$eq": ["$status", to] };
    // As numbers: servers that only speak the protocol may compare `$$NOW` wrongly. What is not there is smaller than any.
    let by_now = |instant: &str| doc! { "$lte": [{ "$toLong": instant }, { "$toLong": "$$NOW" }] };
    let is_free = doc! { "$or": [by_now("$working_until"), { "$eq": ["$worker", oid(*worker)] }] };
    let has_end = doc! { "$eq": [{ "$type": "$expires_at" }, "date"] };
    let run_out = doc! { "$and": [has_end, by_now("$expires_at")] };
    let may_begin = doc! { "$and": [{ "$in": ["$status", from] }, { "$eq": [run_out, *expired] }] };
    let filter = doc! {
        "_id": oid(*id), "$expr": { "$and": [is_free, { "$or": [begun.clone(), may_begin] }] },
    };
    let fresh = match reason {
        Some(reason) => doc! { "$literal": reason },
        None => doc! { "$literal": null },
    };
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let step = doc! {
        "status": to,
        "worker": oid(*worker),
        "working_until": { "$add": ["$$NOW", lease] },
        "updated_at": "$$NOW",
        // null counts as absent
        "reason": { "$cond": [begun, { "$ifNull": ["$reason", fresh.clone()] }, fresh] },
    };
    let events = on.db.collection::<Document>(UsageEvents.name());
    let taken = events.find_one_and_update(filter, vec![doc! { "$set": step }]);
    let taken = taken.return_document(ReturnDocument::After).await?;
    Ok(taken.map(|record| decode(UsageEvents, record)).transpose()?)
}

/// How a step ended, and whose it was.
struct Finish {
    id: ObjectId,
    worker: ObjectId,
    to: UsageStatus,
    reason: Option<String>,
    now: Timestamp,
    /// Fresh for each call.
    call: ObjectId,
}

/// Within a transaction.
async fn finish(on: Scope, finish: &Finish) -> Attempt<UsageEvent> {
    let Finish { id, worker, to, reason, now, call } = finish;
    let Some(mut kept) = on.record(UsageEvents, doc! { "_id": oid(*id), "worker": oid(*worker) }).await? else {
        let mine = on.one(UsageEvents, doc! { "_id": oid(*id), FINISHED_BY: oid(*call) }).await?;
        return mine.ok_or(StoreError::Fenced { what: "usage event" }.into());
    };
    let mut event: UsageEvent = decode(UsageEvents, kept.clone())?;
    ports::finish_usage(&mut event, *to, reason.clone(), *now);
    kept.insert(FINISHED_BY, oid(*call));
    on.save(UsageEvents, kept, &event).await?;
    calculation_follows(&on, &event).await?;
    Ok(event)
}

/// Within a transaction: the calculation of an event that has become pending is made, unless its asset is gone; later its
/// status follows. One that went with its asset stays away.
async fn calculation_follows(on: &Scope, event: &UsageEvent) -> Attempt<()> {
    match (event.status, event.calculation()) {
        (UsageStatus::Pending, Some(calculation)) => {
            // Taken off before it is put on: a score that is set to what it was writes nothing, and this step would not
            // be in conflict with the end of the asset.
            let score = doc! { "$unset": { "ai_touch_score": "" } };
            match on.update(Assets, doc! { "_id": any_form(event.asset_id) }, score).await? {
                true => analytics::put(on.clone(), &calculation).await,
                false => Ok(()),
            }
        }
        (UsageStatus::Settled | UsageStatus::Cancelled, Some(Calculation { id, status: Some(status), .. })) => {
            analytics::set_status(on, id, &status).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// By the server's clock, read a moment before: whoever takes one up is told by [`take`] whether that is still so.
async fn overdue(on: Scope, limit: u32) -> Attempt<Vec<UsageEvent>> {
    let hello = on.db.run_command(doc! { "hello": 1 }).await?;
    let now = *hello.get_datetime("localTime").map_err(|e| StoreError::Internal(format!("mongodb: {e}")))?;
    let under_way = doc! { "$in": ["received", "settling", "cancelling"] };
    // Each alternative is read from an index of its own.
    let alternatives = vec![
        doc! { "status": under_way.clone(), "working_until": { "$lte": now } },
        doc! { "status": under_way, "working_until": null },
        doc! { "status": "pending", "expires_at": { "$lte": now } },
    ];
    on.all(UsageEvents, Query { filter: doc! { "$or": alternatives }, limit, ..Query::default() }).await
}
