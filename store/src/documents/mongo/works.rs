//! Assets and fingerprints.

use async_trait::async_trait;
use metastamp_protocol::files::possible_picture_keys;
use metastamp_protocol::fingerprint::bounded_message;
use metastamp_protocol::{
    Asset, AssetQuery, AssetSort, Fingerprint, ObjectId, ProcessingStatus, SortDirection, Timestamp, UploadStatus,
};
use mongodb::bson::{Document, doc};
use parking_lot::Mutex;

use super::call::Server;
use super::fault::Attempt;
use super::scope::{Query, Scope, any_form};
use super::{MongoDocuments, jobs, uploads};
use crate::Result;
use crate::documents::{CALCULATIONS_LEFT, REMOVE_BATCH, rules};
use crate::ports::{self, AssetPage, DeletedAsset, FingerprintRequest, UploadCommit, UploadOutcome};
use crate::records::Collection::{Analytics, Assets, Fingerprints, Jobs};
use crate::records::decode;

#[async_trait]
impl ports::Works for MongoDocuments {
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        self.server.transact("commit_upload", |on| uploads::commit(on, &commit)).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        let Self { server } = self;
        server.call("asset", |_| by_id(server.on(), id)).await
    }

    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        let (Self { server }, query) = (self, &query);
        server.call("assets", |_| async move { page(server.snapshot().await?, user_id, query).await }).await
    }

    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        self.server.transact("fail_asset", |on| fail(on, id, message, now)).await
    }

    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        self.server.measured("delete_asset", delete(&self.server, id, now)).await
    }

    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        let Self { server } = self;
        server.call("fingerprint", |_| fingerprint(server.on(), id)).await
    }

    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        let Self { server } = self;
        server.call("fingerprint_of", |_| fingerprint_of(server.on(), asset_id)).await
    }

    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        self.server.transact("request_fingerprint", |on| jobs::request(on, asset_id, now)).await
    }
}

pub(super) async fn by_id(on: Scope, id: ObjectId) -> Attempt<Option<Asset>> {
    on.one(Assets, doc! { "_id": any_form(id) }).await
}

/// Count and rows are of one instant when `on` is a snapshot.
async fn page(on: Scope, user_id: ObjectId, query: &AssetQuery) -> Attempt<AssetPage> {
    let mut filter = doc! { "user_id": any_form(user_id) };
    if let Some(kind) = query.kind {
        filter.insert("file_type", kind.as_str());
    }
    match query.status {
        // the original's word for it
        Some(UploadStatus::Failed) => {
            drop(filter.insert("upload_status", doc! { "$in": ["failed", "processing_failed"] }))
        }
        Some(status) => drop(filter.insert("upload_status", status.as_str())),
        None => {}
    }
    let total = on.count(Assets.name(), filter.clone()).await?;
    if query.limit == 0 || query.skip >= total {
        return Ok(AssetPage { items: Vec::new(), total });
    }
    let items = on.all(Assets, Query { filter, sort: order(query), skip: query.skip, limit: query.limit }).await?;
    Ok(AssetPage { items, total })
}

fn order(query: &AssetQuery) -> Document {
    let field = match query.sort {
        AssetSort::CreatedAt => "created_at",
        AssetSort::FileName => "file_name",
        AssetSort::FileSize => "file_size",
    };
    let direction = match query.direction {
        SortDirection::Ascending => 1,
        SortDirection::Descending => -1,
    };
    doc! { field: direction, "_id": direction }
}

/// The asset with the first of its calculations, then the others: a transaction that takes them all could come to no end.
async fn delete(server: &Server, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
    // Should the answer to a commit be lost for good, the next attempt finds nothing and still knows what it was.
    let deleted = Mutex::new(None);
    let step = |on| async {
        let found = delete_one(on, id, now).await?;
        let mut deleted = deleted.lock();
        *deleted = found.or_else(|| deleted.take());
        Ok(deleted.clone())
    };
    let mut deleted = server.transact_until(server.deadline(), step).await?;
    let deadline = server.deadline();
    loop {
        match server.until(deadline, |_| remove_calculations(server.on(), id)).await {
            Ok((0, _)) => return Ok(deleted),
            Ok((_, removed)) => deleted.iter_mut().for_each(|deleted| deleted.analytics_removed += removed),
            Err(error) => {
                tracing::warn!(asset = %id, %error, "{CALCULATIONS_LEFT}");
                return Ok(deleted);
            }
        }
    }
}

/// So many at most; how many were found, and removed.
async fn remove_calculations(on: Scope, asset_id: ObjectId) -> Attempt<(u64, u64)> {
    on.remove_some(Analytics.name(), doc! { "asset_id": any_form(asset_id) }, REMOVE_BATCH).await
}

/// Within a transaction.
async fn delete_one(on: Scope, id: ObjectId, now: Timestamp) -> Attempt<Option<DeletedAsset>> {
    let Some(record) = on.take(Assets, doc! { "_id": any_form(id) }).await? else { return Ok(None) };
    let asset: Asset = decode(Assets, record)?;
    let removed = on.remove(Fingerprints.name(), doc! { "asset_id": any_form(id) }).await?;
    on.remove(Jobs.name(), doc! { "asset_id": any_form(id) }).await?;
    let (_, analytics_removed) = remove_calculations(on.clone(), id).await?;
    uploads::add_garbage(&on, &asset.s3_key, now).await?;
    for key in possible_picture_keys(&asset.s3_key, asset.file_type) {
        uploads::add_garbage(&on, &key, now).await?;
    }
    Ok(Some(DeletedAsset { asset, fingerprint_removed: removed > 0, analytics_removed }))
}

/// Within a transaction: the bytes of an asset are gone.
async fn fail(on: Scope, id: ObjectId, message: &str, now: Timestamp) -> Attempt<bool> {
    let Some(record) = on.record(Assets, doc! { "_id": any_form(id) }).await? else { return Ok(false) };
    let mut asset: Asset = decode(Assets, record.clone())?;
    let message = bounded_message(message);
    on.remove(Jobs.name(), doc! { "asset_id": any_form(id) }).await?;
    if let Some(kept) = on.record(Fingerprints, doc! { "asset_id": any_form(id) }).await? {
        let mut fingerprint: Fingerprint = decode(Fingerprints, kept.clone())?;
        if fingerprint.processing_status != ProcessingStatus::Completed {
            rules::fail_fingerprint(&mut asset, &mut fingerprint, &message, now);
            on.save(Fingerprints, kept, &fingerprint).await?;
        }
    }
    rules::fail_asset(&mut asset, message, now);
    on.save(Assets, record, &asset).await?;
    Ok(true)
}

async fn fingerprint(on: Scope, id: ObjectId) -> Attempt<Option<Fingerprint>> {
    on.one(Fingerprints, doc! { "_id": any_form(id) }).await
}

async fn fingerprint_of(on: Scope, asset_id: ObjectId) -> Attempt<Option<Fingerprint>> {
    on.one(Fingerprints, doc! { "asset_id": any_form(asset_id) }).await
}
