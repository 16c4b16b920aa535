//! Upload sessions, the commit of an upload, and garbage.

use async_trait::async_trait;
use metastamp_protocol::{Asset, NodeRef, ObjectId, Timestamp, UploadSession, UploadState};
use mongodb::bson::{Bson, Document, doc};
use sha2::{Digest as _, Sha256};

use super::fault::{Attempt, Failure};
use super::scope::{Query, Scope, any_form, date, oid};
use super::{MongoDocuments, works};
use crate::ports::{self, Garbage, UploadCommit, UploadOutcome};
use crate::records::Collection::{self, Assets, Fingerprints, Jobs, Repeats, Uploads};
use crate::{Result, StoreError};

#[async_trait]
impl ports::Uploads for MongoDocuments {
    async fn open_upload(&self, session: &UploadSession) -> Result<()> {
        let Self { server } = self;
        server.call("open_upload", |earlier| open(server.on(), session, earlier)).await
    }

    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>> {
        let Self { server } = self;
        server.call("upload", |_| by_id(server.on(), id)).await
    }

    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("renew_upload", |_| renew(server.on(), id, expires_at)).await
    }

    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()> {
        self.server.transact("discard_upload", |on| discard(on, id, now)).await
    }

    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool> {
        self.server.transact("discard_abandoned", |on| discard_seen(on, seen, now)).await
    }

    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
        let Self { server } = self;
        server.call("abandoned_uploads", |_| abandoned(server.on(), now, of, limit)).await
    }

    async fn forget_uploads(&self, before: Timestamp) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let batch = self.server.transact("forget_uploads", |on| forget(on, before)).await?;
            forgotten += batch;
            if batch < u64::from(FORGET_BATCH) {
                return Ok(forgotten);
            }
        }
    }

    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        let Self { server } = self;
        server.call("garbage", |_| garbage(server.on(), limit)).await
    }

    async fn forget_garbage(&self, s3_key: &str) -> Result<()> {
        let Self { server } = self;
        server.call("forget_garbage", |_| forget_garbage(server.on(), s3_key)).await
    }

    async fn key_is_used(&self, s3_key: &str) -> Result<bool> {
        self.server.transact("key_is_used", |on| key_is_used(on, s3_key)).await
    }
}

/// One document for each user, name, size and digest that was committed lately. Whoever commits the like writes it, so
/// that of two who do so at once one has to look again.
pub(super) const SAME_UPLOADS: &str = "same_uploads";

/// Sessions forgotten in one transaction.
const FORGET_BATCH: u32 = 500;

fn receiving(id: ObjectId) -> Document {
    doc! { "_id": oid(id), "state": "receiving" }
}

async fn open(on: Scope, session: &UploadSession, earlier_attempts: u32) -> Attempt<()> {
    match on.insert(Uploads, session).await {
        // An attempt that was not answered may be what is in the way.
        Err(Failure::Final(conflict)) if earlier_attempts > 0 && matches!(conflict, StoreError::Conflict { .. }) => {
            match by_id(on, session.id).await? {
                Some(stored) if stored == *session => Ok(()),
                _ => Err(conflict.into()),
            }
        }
        result => result,
    }
}

async fn by_id(on: Scope, id: ObjectId) -> Attempt<Option<UploadSession>> {
    on.one(Uploads, doc! { "_id": oid(id) }).await
}

async fn renew(on: Scope, id: ObjectId, expires_at: Timestamp) -> Attempt<()> {
    let later = doc! { "$set": { "expires_at": date(expires_at) } };
    if on.update(Uploads, receiving(id), later).await? {
        return Ok(());
    }
    Err(match by_id(on, id).await? {
        Some(_) => StoreError::Fenced { what: "upload session" },
        None => StoreError::NotFound { what: "upload session" },
    }
    .into())
}

/// Within a transaction.
pub(super) async fn commit(on: Scope, commit: &UploadCommit) -> Attempt<UploadOutcome> {
    let UploadCommit { asset, fingerprint, repeat_since } = commit;
    // First what others are most likely to be at as well: whoever is in conflict has not done much for nothing.
    let commits = doc! { "$set": { "at": date(asset.created_at) }, "$inc": { "commits": 1_i64 } };
    on.upsert(SAME_UPLOADS, doc! { "_id": likeness(asset) }, commits).await?;
    // A discard, or the same commit by another, is in conflict from here on.
    let Some(session) = end(&on, receiving(asset.id), UploadState::Stored).await? else {
        return committed_before(&on, asset.id).await;
    };
    if asset.s3_key != session.s3_key {
        return Err(StoreError::Internal("the asset names another object than its session".to_owned()).into());
    }
    if let Some(first) = repeat_of(&on, asset, *repeat_since).await? {
        on.insert_record(Repeats, doc! { "_id": oid(session.id), "first": oid(first.id) }).await?;
        end(&on, doc! { "_id": oid(session.id) }, UploadState::Discarded).await?;
        add_garbage(&on, &session.s3_key, asset.created_at).await?;
        return Ok(UploadOutcome::Repeat(first));
    }
    on.insert(Assets, asset).await?;
    if let Some((fingerprint, job)) = fingerprint {
        on.insert(Fingerprints, fingerprint).await?;
        on.insert(Jobs, job).await?;
    }
    Ok(UploadOutcome::Stored(asset.clone()))
}

/// Ends the session that `filter` finds; answers it.
async fn end(on: &Scope, filter: Document, state: UploadState) -> Attempt<Option<UploadSession>> {
    let state = match state {
        UploadState::Receiving => "receiving",
        UploadState::Stored => "stored",
        UploadState::Discarded => "discarded",
    };
    let query = Query { filter, ..Query::default() };
    on.change_first(Uploads, query, doc! { "$set": { "state": state } }).await
}

/// What a session that does not receive any more has become. The answer to an earlier commit may have been lost on the
/// way: then it is told again.
async fn committed_before(on: &Scope, id: ObjectId) -> Attempt<UploadOutcome> {
    let gone = StoreError::NotFound { what: "asset" };
    let session = by_id(on.clone(), id).await?.ok_or(StoreError::NotFound { what: "upload session" })?;
    if session.state == UploadState::Stored {
        let stored = works::by_id(on.clone(), id).await?;
        return Ok(UploadOutcome::Stored(stored.ok_or(gone)?));
    }
    // Not searched for again: another upload may have become the first since.
    let repeat = on.record(Repeats, doc! { "_id": oid(id) }).await?;
    let first = repeat.as_ref().and_then(|repeat| repeat.get("first").cloned());
    let first = first.ok_or(StoreError::Fenced { what: "upload session" })?;
    let first: Option<Asset> = on.one(Assets, doc! { "_id": first }).await?;
    Ok(UploadOutcome::Repeat(first.ok_or(gone)?))
}

/// What two uploads have in common when one is a repeat of the other.
fn likeness(asset: &Asset) -> String {
    let Asset { user_id, sha256, file_size, file_name, .. } = asset;
    hex::encode(Sha256::digest(format!("{user_id}/{sha256}/{file_size}/{file_name}")))
}

async fn repeat_of(on: &Scope, asset: &Asset, since: Timestamp) -> Attempt<Option<Asset>> {
    let filter = doc! {
        "user_id": any_form(asset.user_id), "sha256": &asset.sha256, "file_name": &asset.file_name,
        "file_size": asset.file_size as i64, "created_at": { "$gte": date(since) },
    };
    let query = Query { filter, sort: doc! { "created_at": 1 }, limit: 1, ..Query::default() };
    Ok(on.all(Assets, query).await?.into_iter().next())
}

/// Within a transaction.
async fn discard(on: Scope, id: ObjectId, now: Timestamp) -> Attempt<()> {
    if let Some(session) = end(&on, receiving(id), UploadState::Discarded).await? {
        return add_garbage(&on, &session.s3_key, now).await;
    }
    match by_id(on, id).await? {
        Some(UploadSession { state: UploadState::Stored, .. }) => {
            Err(StoreError::Fenced { what: "upload session" }.into())
        }
        _ => Ok(()),
    }
}

/// Within a transaction.
async fn discard_seen(on: Scope, seen: &UploadSession, now: Timestamp) -> Attempt<bool> {
    // Nothing else of a session ever changes.
    let mut filter = receiving(seen.id);
    filter.extend(doc! {
        "expires_at": date(seen.expires_at),
        "owner.node_id": &seen.owner.node_id, "owner.generation": seen.owner.generation,
    });
    if seen.state != UploadState::Receiving {
        return Ok(false);
    }
    let Some(session) = end(&on, filter, UploadState::Discarded).await? else { return Ok(false) };
    add_garbage(&on, &session.s3_key, now).await?;
    Ok(true)
}

async fn abandoned(on: Scope, now: Timestamp, of: &NodeRef, limit: u32) -> Attempt<Vec<UploadSession>> {
    let former_life = doc! { "owner.node_id": &of.node_id, "owner.generation": { "$lt": of.generation } };
    let filter = doc! { "state": "receiving", "$or": [{ "expires_at": { "$lte": date(now) } }, former_life] };
    some(on, Uploads, Query { filter, sort: doc! { "expires_at": 1 }, limit, ..Query::default() }).await
}

/// Like [`Scope::all`], where a limit of 0 means none at all.
async fn some<T>(on: Scope, collection: Collection, query: Query) -> Attempt<Vec<T>>
where
    T: serde::de::DeserializeOwned,
{
    if query.limit == 0 { Ok(Vec::new()) } else { on.all(collection, query).await }
}

/// One batch, within a transaction; returns how many sessions it was.
async fn forget(on: Scope, before: Timestamp) -> Attempt<u64> {
    let filter = doc! { "state": { "$in": ["stored", "discarded"] }, "expires_at": { "$lt": date(before) } };
    let ended = on.records(Uploads, Query { filter, limit: FORGET_BATCH, ..Query::default() }).await?;
    let ids: Vec<Bson> = ended.into_iter().filter_map(|mut session| session.remove("_id")).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    on.remove(Repeats.name(), doc! { "_id": { "$in": &ids } }).await?;
    on.remove(Uploads.name(), doc! { "_id": { "$in": ids } }).await
}

pub(super) async fn add_garbage(on: &Scope, s3_key: &str, now: Timestamp) -> Attempt<()> {
    let since = doc! { "$setOnInsert": { "since": date(now) } };
    on.upsert(Collection::Garbage.name(), doc! { "_id": s3_key }, since).await
}

async fn garbage(on: Scope, limit: u32) -> Attempt<Vec<Garbage>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let query = Query { sort: doc! { "since": 1 }, limit, ..Query::default() };
    let read = |record: Document| {
        let since = record.get_datetime("since").ok()?.timestamp_millis();
        Some(Garbage { s3_key: record.get_str("_id").ok()?.to_owned(), since: Timestamp(since) })
    };
    Ok(on.records(Collection::Garbage, query).await?.into_iter().filter_map(read).collect())
}

async fn forget_garbage(on: Scope, s3_key: &str) -> Attempt<()> {
    on.remove(Collection::Garbage.name(), doc! { "_id": s3_key }).await.map(drop)
}

/// Within a transaction: an object is removed because of a no, so it must be of one instant and there to stay.
async fn key_is_used(on: Scope, s3_key: &str) -> Attempt<bool> {
    if on.record(Uploads, doc! { "s3_key": s3_key, "state": "receiving" }).await?.is_some() {
        return Ok(true);
    }
    Ok(on.record(Assets, doc! { "s3_key": s3_key }).await?.is_some())
}
