//! Usage events and the steps they take. The clock of the steps is this machine's, read inside of the write: all
//! processes that share the file are on it.

use async_trait::async_trait;
use metastamp_protocol::analytics::Calculation;
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{EmbeddedDocuments, analytics, encode, execute, insert, many, one, works};
use crate::ports::{self, UsageClaim, UsagePage, UsageQuery};
use crate::sqlite::failed;
use crate::{Result, StoreError};

#[async_trait]
impl ports::Usage for EmbeddedDocuments {
    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)> {
        let event = event.clone();
        self.db.write("open_usage", move |c| open(c, event)).await
    }

    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>> {
        self.db.look_up("usage", |c| by_id(c, id))
    }

    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
        let query = query.clone();
        self.db.read("usages", move |c| page(c, &query, skip, limit)).await
    }

    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
        let claim = claim.clone();
        self.db.write("claim_usage", move |c| take(c, &claim)).await
    }

    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent> {
        self.db.write("finish_usage", move |c| finish(c, id, worker, to, reason, now)).await
    }

    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>> {
        self.db.read("overdue_usages", move |c| overdue(c, limit)).await
    }
}

/// An event as it is, new or kept elsewhere.
pub(super) fn put(c: &Connection, event: &UsageEvent) -> Result<()> {
    let params = params![
        event.id.to_hex(),
        event.partner_id.to_hex(),
        event.user_id.to_hex(),
        event.asset_id.to_hex(),
        event.status.as_str(),
        event.working_until.map(Timestamp::millis),
        event.expires_at.map(Timestamp::millis),
        event.created_at.millis(),
        encode(event)?
    ];
    insert(c, "INSERT INTO usage_events VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)", params, "usage_events.id")
}

/// Writes back what may change: step and document.
fn save(c: &Connection, event: &UsageEvent) -> Result<()> {
    let until = event.working_until.map(Timestamp::millis);
    let params = params![event.id.to_hex(), event.status.as_str(), until, encode(event)?];
    execute(c, "UPDATE usage_events SET status=?2, working_until=?3, doc=?4 WHERE id=?1", params)?;
    Ok(())
}

fn by_id(c: &Connection, id: ObjectId) -> Result<Option<UsageEvent>> {
    one(c, "SELECT doc FROM usage_events WHERE id=?1", [id.to_hex()])
}

fn open(c: &Connection, event: UsageEvent) -> Result<(UsageEvent, bool)> {
    if let Some(known) = by_id(c, event.id)? {
        return Ok((known, false));
    }
    put(c, &event)?;
    Ok((event, true))
}

/// Count and rows are of one instant: both run in one read transaction.
fn page(c: &Connection, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let page = count_and_rows(&snapshot, query, skip, limit)?;
    snapshot.finish().map_err(failed)?;
    Ok(page)
}

fn count_and_rows(c: &Connection, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
    let UsageQuery { partner_id, user_id, asset_id, status } = query;
    let mut filter = "TRUE".to_owned();
    let mut values = Vec::new();
    for (column, id) in [("partner_id", partner_id), ("user_id", user_id), ("asset_id", asset_id)] {
        if let Some(id) = id {
            filter.push_str(&format!(" AND {column}=?"));
            values.push(Value::from(id.to_hex()));
        }
    }
    if let Some(status) = status {
        filter.push_str(" AND status=?");
        values.push(Value::from(status.as_str().to_owned()));
    }
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM usage_events WHERE {filter}"))
        .and_then(|mut count| count.query_row(params_from_iter(&values), |row| row.get(0)))
        .map_err(failed)?;
    values.push(Value::from(i64::from(limit)));
    values.push(Value::from(i64::try_from(skip).unwrap_or(i64::MAX)));
    let sql = format!("SELECT doc FROM usage_events WHERE {filter} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?");
    Ok(UsagePage { items: many(c, &sql, params_from_iter(&values))?, total: total as u64 })
}

fn take(c: &Connection, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
    let Some(mut event) = by_id(c, claim.id)? else { return Ok(None) };
    if !claim.take(&mut event, Timestamp::now()) {
        return Ok(None);
    }
    save(c, &event)?;
    Ok(Some(event))
}

fn finish(
    c: &Connection,
    id: ObjectId,
    worker: ObjectId,
    to: UsageStatus,
    reason: Option<String>,
    now: Timestamp,
) -> Result<UsageEvent> {
    let event = by_id(c, id)?.filter(|event| event.worker == Some(worker));
    let mut event = event.ok_or(StoreError::Fenced { what: "usage event" })?;
    ports::finish_usage(&mut event, to, reason, now);
    save(c, &event)?;
    calculation_follows(c, &event)?;
    Ok(event)
}

fn overdue(c: &Connection, limit: u32) -> Result<Vec<UsageEvent>> {
    // Each part is read from its own index.
    let sql = "SELECT doc FROM usage_events WHERE status IN ('received','settling','cancelling') AND working_until<=?1 \
               UNION ALL SELECT doc FROM usage_events WHERE status IN ('received','settling','cancelling') AND \
               working_until IS NULL \
               UNION ALL SELECT doc FROM usage_events WHERE status='pending' AND expires_at<=?1 LIMIT ?2";
    many(c, sql, params![Timestamp::now().millis(), limit])
}

/// The calculation of an event that has become pending is made, unless its asset is gone; later its status follows. One
/// that went with its asset stays away.
fn calculation_follows(c: &Connection, event: &UsageEvent) -> Result<()> {
    match (event.status, event.calculation()) {
        (UsageStatus::Pending, Some(calculation)) => match works::by_id(c, event.asset_id)? {
            Some(_) => analytics::put(c, &calculation),
            None => Ok(()),
        },
        (UsageStatus::Settled | UsageStatus::Cancelled, Some(Calculation { id, status: Some(status), .. })) => {
            analytics::set_status(c, id, &status).map(drop)
        }
        _ => Ok(()),
    }
}
