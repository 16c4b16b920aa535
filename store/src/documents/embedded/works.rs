//! Assets and fingerprints.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use metastamp_protocol::files::possible_picture_keys;
use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{
    Asset, AssetQuery, AssetSort, Fingerprint, ObjectId, ProcessingStatus, SortDirection, Timestamp,
};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{EmbeddedDocuments, encode, execute, insert, jobs, many, one, uploads};
use crate::documents::{CALCULATIONS_LEFT, REMOVE_BATCH, rules};
use crate::ports::{self, AssetPage, DeletedAsset, FingerprintRequest, UploadCommit, UploadOutcome};
use crate::sqlite::{Sqlite, failed};
use crate::{Result, StoreError};

#[async_trait]
impl ports::Works for EmbeddedDocuments {
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        self.db.write("commit_upload", move |c| uploads::commit(c, commit)).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        self.db.look_up("asset", |c| by_id(c, id))
    }

    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        self.db.read("assets", move |c| page(c, user_id, &query)).await
    }

    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        let message = message.to_owned();
        self.db.write("fail_asset", move |c| fail(c, id, &message, now)).await
    }

    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        delete(&self.db, id, now).await
    }

    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        self.db.look_up("fingerprint", |c| fingerprint(c, id))
    }

    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        self.db.look_up("fingerprint_of", |c| fingerprint_of(c, asset_id))
    }

    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        self.db.write("request_fingerprint", move |c| jobs::request(c, asset_id, now)).await
    }
}

/// For the calculations of an asset that is deleted, beyond the first batch.
const CALCULATIONS_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn insert_asset(c: &Connection, asset: &Asset) -> Result<()> {
    let params = params![
        asset.id.to_hex(),
        asset.user_id.to_hex(),
        asset.file_type.as_str(),
        asset.upload_status.as_str(),
        asset.file_name,
        asset.file_size as i64,
        asset.sha256,
        asset.s3_key,
        asset.created_at.millis(),
        encode(asset)?
    ];
    insert(c, "INSERT INTO assets VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)", params, "assets.s3_key")
}

/// Writes back what may change: state and document.
pub(super) fn save_asset(c: &Connection, asset: &Asset) -> Result<()> {
    let params = params![asset.id.to_hex(), asset.upload_status.as_str(), encode(asset)?];
    execute(c, "UPDATE assets SET upload_status=?2, doc=?3 WHERE id=?1", params)?;
    Ok(())
}

pub(super) fn by_id(c: &Connection, id: ObjectId) -> Result<Option<Asset>> {
    one(c, "SELECT doc FROM assets WHERE id=?1", [id.to_hex()])
}

/// Count and rows are of one instant: both run in one read transaction.
fn page(c: &Connection, user_id: ObjectId, query: &AssetQuery) -> Result<AssetPage> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let page = count_and_rows(&snapshot, user_id, query)?;
    snapshot.finish().map_err(failed)?;
    Ok(page)
}

fn count_and_rows(c: &Connection, user_id: ObjectId, query: &AssetQuery) -> Result<AssetPage> {
    let mut filter = "user_id=?".to_owned();
    let mut values = vec![Value::from(user_id.to_hex())];
    if let Some(kind) = query.kind {
        filter.push_str(" AND file_type=?");
        values.push(Value::from(kind.as_str().to_owned()));
    }
    if let Some(status) = query.status {
        filter.push_str(" AND upload_status=?");
        values.push(Value::from(status.as_str().to_owned()));
    }
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM assets WHERE {filter}"))
        .and_then(|mut count| count.query_row(params_from_iter(&values), |row| row.get(0)))
        .map_err(failed)?;
    let column = match query.sort {
        AssetSort::CreatedAt => "created_at",
        AssetSort::FileName => "file_name",
        AssetSort::FileSize => "file_size",
    };
    let direction = match query.direction {
        SortDirection::Ascending => "ASC",
        SortDirection::Descending => "DESC",
    };
    values.push(Value::from(i64::from(query.limit)));
    values.push(Value::from(i64::try_from(query.skip).unwrap_or(i64::MAX)));
    let sql =
        format!("SELECT doc FROM assets WHERE {filter} ORDER BY {column} {direction}, id {direction} LIMIT ? OFFSET ?");
    Ok(AssetPage { items: many(c, &sql, params_from_iter(&values))?, total: total as u64 })
}

/// The asset with the first of its calculations, then the others.
async fn delete(db: &Sqlite, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
    let mut deleted = db.write("delete_asset", move |c| delete_one(c, id, now)).await?;
    let until = Instant::now() + CALCULATIONS_WITHIN;
    let mut removed = deleted.as_ref().map_or(u64::from(REMOVE_BATCH), |deleted| deleted.analytics_removed);
    while removed == u64::from(REMOVE_BATCH) {
        let batch = match Instant::now() < until {
            true => db.write("remove_calculations", move |c| remove_calculations(c, id)).await,
            false => Err(StoreError::Unavailable("the time is over".to_owned())),
        };
        removed = batch.unwrap_or_else(|error| {
            tracing::warn!(asset = %id, %error, "{CALCULATIONS_LEFT}");
            0
        });
        deleted.iter_mut().for_each(|deleted| deleted.analytics_removed += removed);
    }
    Ok(deleted)
}

/// So many at most; how many it was.
fn remove_calculations(c: &Connection, asset_id: ObjectId) -> Result<u64> {
    let sql = "DELETE FROM analytics WHERE rowid IN (SELECT rowid FROM analytics WHERE asset_id=?1 LIMIT ?2)";
    Ok(execute(c, sql, params![asset_id.to_hex(), REMOVE_BATCH])? as u64)
}

fn delete_one(c: &Connection, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
    let Some(asset) = by_id(c, id)? else { return Ok(None) };
    let removed = execute(c, "DELETE FROM fingerprints WHERE asset_id=?1", [id.to_hex()])?;
    execute(c, "DELETE FROM jobs WHERE asset_id=?1", [id.to_hex()])?;
    let analytics_removed = remove_calculations(c, id)?;
    execute(c, "DELETE FROM assets WHERE id=?1", [id.to_hex()])?;
    uploads::add_garbage(c, &asset.s3_key, now)?;
    for key in possible_picture_keys(&asset.s3_key, asset.file_type) {
        uploads::add_garbage(c, &key, now)?;
    }
    Ok(Some(DeletedAsset { asset, fingerprint_removed: removed > 0, analytics_removed }))
}

/// The bytes of an asset are gone.
fn fail(c: &Connection, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
    let Some(mut asset) = by_id(c, id)? else { return Ok(false) };
    let message = bounded_message(message);
    execute(c, "DELETE FROM jobs WHERE asset_id=?1", [id.to_hex()])?;
    if let Some(mut fingerprint) = fingerprint_of(c, id)?
        && fingerprint.processing_status != ProcessingStatus::Completed
    {
        rules::fail_fingerprint(&mut asset, &mut fingerprint, &message, now);
        save_fingerprint(c, &fingerprint)?;
    }
    rules::fail_asset(&mut asset, message, now);
    save_asset(c, &asset)?;
    Ok(true)
}

pub(super) fn insert_fingerprint(c: &Connection, fingerprint: &Fingerprint) -> Result<()> {
    let params = params![
        fingerprint.id.to_hex(),
        fingerprint.asset_id.to_hex(),
        fingerprint.user_id.to_hex(),
        fingerprint.created_at.millis(),
        encode(fingerprint)?
    ];
    insert(c, "INSERT INTO fingerprints VALUES (?1,?2,?3,NULL,?4,?5)", params, "fingerprints.asset_id")
}

pub(super) fn save_fingerprint(c: &Connection, fingerprint: &Fingerprint) -> Result<()> {
    let params = params![fingerprint.id.to_hex(), fingerprint.content.phash(), encode(fingerprint)?];
    execute(c, "UPDATE fingerprints SET phash=?2, doc=?3 WHERE id=?1", params)?;
    Ok(())
}

pub(super) fn fingerprint(c: &Connection, id: ObjectId) -> Result<Option<Fingerprint>> {
    one(c, "SELECT doc FROM fingerprints WHERE id=?1", [id.to_hex()])
}

pub(super) fn fingerprint_of(c: &Connection, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
    one(c, "SELECT doc FROM fingerprints WHERE asset_id=?1", [asset_id.to_hex()])
}
