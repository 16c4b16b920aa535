//! Calculations. A row is the record, in whatever shape it came, plus what is searched.

use async_trait::async_trait;
use metastamp_protocol::ObjectId;
use metastamp_protocol::analytics::Calculation;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, params, params_from_iter};

use super::records::key;
use super::{EmbeddedDocuments, execute, works};
use crate::records::{Collection, Document, bson, decode, encode};
use crate::sqlite::failed;
use crate::{Result, StoreError, ports};

#[async_trait]
impl ports::Analytics for EmbeddedDocuments {
    async fn put_calculation(&self, calculation: &Calculation) -> Result<()> {
        let calculation = calculation.clone();
        self.db.write("put_calculation", move |c| put(c, &calculation)).await
    }
    async fn calculation(&self, id: ObjectId) -> Result<Option<Calculation>> {
        self.db.look_up("calculation", |c| by_id(c, id))
    }
    async fn calculations(
        &self,
        user_id: ObjectId,
        asset_id: Option<ObjectId>,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Calculation>, u64)> {
        self.db.read("calculations", move |c| page(c, user_id, asset_id, skip, limit)).await
    }
}

/// See [`ports::Analytics::put_calculation`].
pub(super) fn put(c: &Connection, calculation: &Calculation) -> Result<()> {
    put_record(c, &encode(Collection::Analytics, calculation)?)?;
    if let Some(asset_id) = calculation.asset_id
        && let Some(mut asset) = works::by_id(c, asset_id)?
    {
        asset.ai_touch_score = Some(calculation.touch_score());
        works::save_asset(c, &asset)?;
    }
    Ok(())
}

/// Sets the status of a calculation of reported usage; false when it is not there.
pub(super) fn set_status(c: &Connection, id: ObjectId, status: &str) -> Result<bool> {
    let Some(mut record) = records(c, "SELECT bson FROM analytics WHERE id=?1", [id.to_hex()])?.pop() else {
        return Ok(false);
    };
    record.insert("status", status);
    put_record(c, &record)?;
    Ok(true)
}

/// Any record at all, in place of the one with its `_id`.
pub(super) fn put_record(c: &Connection, record: &Document) -> Result<()> {
    let id = record.get("_id").ok_or_else(|| StoreError::Internal("a record without _id".to_owned()))?;
    let read = decode::<Calculation>(Collection::Analytics, record.clone()).ok();
    let user_id = read.as_ref().map(|calculation| calculation.user_id.to_hex());
    // Also of one that makes no sense: it is to go with its asset.
    let asset_id = match &read {
        Some(calculation) => calculation.asset_id.map(ObjectId::to_hex),
        None => record.get("asset_id").and_then(|id| key(id).ok()),
    };
    let created_at = read.as_ref().map_or(0, |calculation| calculation.created_at.millis());
    let bytes = bson::serialize_to_vec(record).map_err(|e| StoreError::Internal(e.to_string()))?;
    let params = params![key(id)?, user_id, asset_id, created_at, bytes];
    execute(c, "INSERT OR REPLACE INTO analytics VALUES (?1,?2,?3,?4,?5)", params)?;
    Ok(())
}

fn by_id(c: &Connection, id: ObjectId) -> Result<Option<Calculation>> {
    let sql = "SELECT bson FROM analytics WHERE id=?1 AND user_id IS NOT NULL";
    let found = records(c, sql, [id.to_hex()])?.pop();
    found.map(|record| decode(Collection::Analytics, record)).transpose()
}

/// Count and rows are of one instant: both run in one read transaction.
fn page(
    c: &Connection,
    user_id: ObjectId,
    asset_id: Option<ObjectId>,
    skip: u64,
    limit: u32,
) -> Result<(Vec<Calculation>, u64)> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let mut values = vec![Value::from(user_id.to_hex())];
    values.extend(asset_id.map(|id| Value::from(id.to_hex())));
    let filter = if asset_id.is_some() { "user_id=? AND asset_id=?" } else { "user_id=?" };
    let total: i64 = snapshot
        .prepare_cached(&format!("SELECT count(*) FROM analytics WHERE {filter}"))
        .and_then(|mut count| count.query_row(params_from_iter(&values), |row| row.get(0)))
        .map_err(failed)?;
    values.push(Value::from(i64::from(limit)));
    values.push(Value::from(i64::try_from(skip).unwrap_or(i64::MAX)));
    let sql = format!("SELECT bson FROM analytics WHERE {filter} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?");
    let rows = records(&snapshot, &sql, params_from_iter(&values))?;
    snapshot.finish().map_err(failed)?;
    let items = rows.into_iter().map(|record| decode(Collection::Analytics, record)).collect::<Result<_>>()?;
    Ok((items, total as u64))
}

/// The records that a query selects in its first column.
fn records(c: &Connection, sql: &str, params: impl Params) -> Result<Vec<Document>> {
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let mut rows = query.query(params).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let bytes: Vec<u8> = row.get(0).map_err(failed)?;
        records.push(bson::deserialize_from_slice(&bytes).map_err(|e| StoreError::Internal(e.to_string()))?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::Timestamp;
    use mongodb::bson::{doc, oid};

    use super::*;
    use crate::ports::Analytics as _;

    #[tokio::test]
    async fn what_older_versions_kept_is_moved_when_the_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let user_id = ObjectId::generate();
        let older = |n: u32| {
            let (id, user_id) = (oid::ObjectId::new(), user_id.to_hex());
            doc! { "_id": id, "user_id": user_id, "calculated_value": f64::from(n), "timestamp": "2025-11-26T14:30:00" }
        };
        let before: Vec<_> = (0..20 + 5).map(older).collect();
        let rows = before.clone();
        let store = EmbeddedDocuments::open(dir.path()).unwrap();
        let put = move |c: &Connection| {
            for record in rows {
                let bytes = bson::serialize_to_vec(&record).unwrap();
                let id = key(record.get("_id").unwrap())?;
                execute(c, "INSERT INTO plain_records VALUES ('analytics',?1,?2)", params![id, bytes])?;
            }
            execute(c, "INSERT INTO plain_records VALUES ('later','a',x'00')", []).map(drop)
        };
        store.db.write("test", put).await.unwrap();
        drop(store);
        for _ in 0..2 {
            let store = EmbeddedDocuments::open(dir.path()).unwrap();
            let (items, total) = store.calculations(user_id, None, 0, 10).await.unwrap();
            assert_eq!((items.len(), total), (10, before.len() as u64));
            assert_eq!(items[0].created_at, Timestamp(1_764_167_400_000));
            let left = |c: &Connection| {
                c.query_row("SELECT group_concat(collection) FROM plain_records", [], |row| row.get::<_, String>(0))
                    .map_err(failed)
            };
            assert_eq!(store.db.look_up("test", left).unwrap(), "later");
        }
    }
}
