//! Partners and their API keys.

use async_trait::async_trait;
use metastamp_protocol::partner::{ApiKey, Partner};
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Bson, Document, doc};

use super::MongoDocuments;
use super::fault::{Attempt, Failure, is_duplicate};
use super::scope::{Query, Scope, conflict, date, oid};
use crate::records::Collection::{self, ApiKeys, Partners};
use crate::records::{decode, encode};
use crate::{Result, StoreError, ports};

#[async_trait]
impl ports::Partners for MongoDocuments {
    async fn insert_partner(&self, partner: &Partner) -> Result<()> {
        let Self { server } = self;
        server.call("insert_partner", |earlier| insert(server.on(), Partners, partner.id, partner, earlier)).await
    }

    async fn partner(&self, id: ObjectId) -> Result<Option<Partner>> {
        let Self { server } = self;
        server.call("partner", |_| by_id(server.on(), id)).await
    }

    async fn partners(&self, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)> {
        let Self { server } = self;
        server.call("partners", |_| async move { page(server.snapshot().await?, skip, limit).await }).await
    }

    async fn save_partner(&self, partner: &Partner, seen: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("save_partner", |earlier| save(server.on(), partner, seen, earlier)).await
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        let Self { server } = self;
        server.call("insert_api_key", |earlier| insert(server.on(), ApiKeys, key.id, key, earlier)).await
    }

    async fn api_key(&self, id: ObjectId) -> Result<Option<(ApiKey, Partner)>> {
        let Self { server } = self;
        server.call("api_key", |_| key_and_partner(server.on(), id)).await
    }

    async fn api_keys(&self, partner_id: ObjectId) -> Result<Vec<ApiKey>> {
        let Self { server } = self;
        server.call("api_keys", |_| keys_of(server.on(), partner_id)).await
    }

    async fn revoke_api_key(&self, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("revoke_api_key", |_| revoke(server.on(), partner_id, id, at)).await
    }
}

/// Inserts a document once, however often its answer gets lost.
async fn insert<T>(on: Scope, collection: Collection, id: ObjectId, value: &T, earlier_attempts: u32) -> Attempt<()>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    match on.insert(collection, value).await {
        // An attempt that was not answered may be what is in the way.
        Err(Failure::Final(StoreError::Conflict { index })) if earlier_attempts > 0 => {
            match on.one::<T>(collection, doc! { "_id": oid(id) }).await? {
                Some(stored) if stored == *value => Ok(()),
                _ => Err(StoreError::Conflict { index }.into()),
            }
        }
        result => result,
    }
}

async fn by_id(on: Scope, id: ObjectId) -> Attempt<Option<Partner>> {
    on.one(Partners, doc! { "_id": oid(id) }).await
}

/// Count and rows are of one instant when `on` is a snapshot.
async fn page(on: Scope, skip: u64, limit: u32) -> Attempt<(Vec<Partner>, u64)> {
    let total = on.count(Partners.name(), doc! {}).await?;
    if limit == 0 || skip >= total {
        return Ok((Vec::new(), total));
    }
    let query = Query { sort: doc! { "name": 1 }, skip, limit, ..Query::default() };
    Ok((on.all(Partners, query).await?, total))
}

async fn save(on: Scope, partner: &Partner, seen: Timestamp, earlier_attempts: u32) -> Attempt<()> {
    let mut change = encode(Partners, partner)?;
    change.remove("_id");
    change.remove("created_at");
    let partners = on.db.collection::<Document>(Partners.name());
    let as_seen = doc! { "_id": oid(partner.id), "updated_at": date(seen) };
    match partners.update_one(as_seen, doc! { "$set": change }).await {
        Ok(updated) if updated.matched_count > 0 => Ok(()),
        Ok(_) => match by_id(on, partner.id).await? {
            // An attempt that was not answered may have written it.
            Some(stored)
                if earlier_attempts > 0 && stored == Partner { created_at: stored.created_at, ..partner.clone() } =>
            {
                Ok(())
            }
            Some(_) => Err(StoreError::Fenced { what: "partner" }.into()),
            None => Err(StoreError::NotFound { what: "partner" }.into()),
        },
        Err(error) if is_duplicate(&error) => Err(conflict(Partners).into()),
        Err(error) => Err(error.into()),
    }
}

async fn key_and_partner(on: Scope, id: ObjectId) -> Attempt<Option<(ApiKey, Partner)>> {
    let partner = doc! {
        "from": Partners.name(), "localField": "partner_id", "foreignField": "_id", "as": "partner",
    };
    let stages = vec![doc! { "$match": { "_id": oid(id) } }, doc! { "$lookup": partner }];
    let Some(mut key) = on.aggregate(ApiKeys.name(), stages).await?.pop() else { return Ok(None) };
    let Some(Bson::Array(mut partners)) = key.remove("partner") else { return Ok(None) };
    let Some(Bson::Document(partner)) = partners.pop() else { return Ok(None) };
    Ok(Some((decode(ApiKeys, key)?, decode(Partners, partner)?)))
}

async fn keys_of(on: Scope, partner_id: ObjectId) -> Attempt<Vec<ApiKey>> {
    let filter = doc! { "partner_id": oid(partner_id) };
    on.all(ApiKeys, Query { filter, sort: doc! { "created_at": 1, "_id": 1 }, ..Query::default() }).await
}

async fn revoke(on: Scope, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Attempt<()> {
    let key = doc! { "_id": oid(id), "partner_id": oid(partner_id) };
    // The first end counts.
    let first = doc! { "$min": { "revoked_at": date(at) } };
    match on.update(ApiKeys, key, first).await? {
        true => Ok(()),
        false => Err(StoreError::NotFound { what: "API key" }.into()),
    }
}
