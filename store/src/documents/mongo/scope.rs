//! Single operations, inside of a transaction or outside of one.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Bson, DateTime, Document, doc, oid};
use mongodb::options::ReturnDocument;
use mongodb::{ClientSession, Database};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::fault::{Attempt, Failure, is_duplicate};
use crate::StoreError;
use crate::records::{Collection, decode, encode};

/// Where operations run.
#[derive(Clone)]
pub(super) struct Scope {
    pub db: Database,
    /// The transaction. Its operations go one after the other.
    pub session: Option<Arc<Mutex<ClientSession>>>,
}

/// Which documents, in which order.
#[derive(Default)]
pub(super) struct Query {
    pub filter: Document,
    pub sort: Document,
    pub skip: u64,
    /// 0 means no limit.
    pub limit: u32,
}

/// Runs an action on a collection, within the session, if there is one.
macro_rules! run {
    ($on:expr, $name:expr, $($action:tt)+) => {{
        let documents = $on.collection($name);
        let action = documents$($action)+;
        match &$on.session {
            Some(session) => action.session(&mut *session.lock().await).await,
            None => action.await,
        }
    }};
}

impl Scope {
    fn collection(&self, name: &str) -> mongodb::Collection<Document> {
        self.db.collection(name)
    }

    pub async fn record(&self, collection: Collection, filter: Document) -> Attempt<Option<Document>> {
        self.find(collection.name(), filter).await
    }

    pub async fn find(&self, name: &str, filter: Document) -> Attempt<Option<Document>> {
        Ok(run!(self, name, .find_one(filter))?)
    }

    pub async fn one<T: DeserializeOwned>(&self, collection: Collection, filter: Document) -> Attempt<Option<T>> {
        let record = self.record(collection, filter).await?;
        Ok(record.map(|record| decode(collection, record)).transpose()?)
    }

    pub async fn records(&self, collection: Collection, query: Query) -> Attempt<Vec<Document>> {
        let documents = self.collection(collection.name());
        let mut find = documents.find(query.filter).limit(i64::from(query.limit)).skip(query.skip);
        if !query.sort.is_empty() {
            find = find.sort(query.sort);
        }
        Ok(match &self.session {
            Some(session) => {
                let session = &mut *session.lock().await;
                let mut cursor = find.session(&mut *session).await?;
                cursor.stream(session).try_collect().await?
            }
            None => find.await?.try_collect().await?,
        })
    }

    pub async fn all<T: DeserializeOwned>(&self, collection: Collection, query: Query) -> Attempt<Vec<T>> {
        let records = self.records(collection, query).await?;
        Ok(records.into_iter().map(|record| decode(collection, record)).collect::<crate::Result<_>>()?)
    }

    pub async fn aggregate(&self, name: &str, stages: Vec<Document>) -> Attempt<Vec<Document>> {
        let documents = self.collection(name);
        let aggregate = documents.aggregate(stages);
        Ok(match &self.session {
            Some(session) => {
                let session = &mut *session.lock().await;
                let mut cursor = aggregate.session(&mut *session).await?;
                cursor.stream(session).try_collect().await?
            }
            None => aggregate.await?.try_collect().await?,
        })
    }

    /// By aggregation, so that it is exact on every deployment.
    pub async fn count(&self, name: &str, filter: Document) -> Attempt<u64> {
        let counted = self.aggregate(name, vec![doc! { "$match": filter }, doc! { "$count": "n" }]).await?;
        Ok(counted.first().map_or(0, |counted| whole(counted.get("n"))))
    }

    /// As the server keeps it, without reading the documents. Never within a transaction.
    pub async fn estimated_count(&self, name: &str) -> Attempt<u64> {
        Ok(self.collection(name).estimated_document_count().await?)
    }

    /// `Conflict` with the name of the collection's unique index when it is taken.
    pub async fn insert<T: Serialize>(&self, collection: Collection, value: &T) -> Attempt<()> {
        self.insert_record(collection, encode(collection, value)?).await
    }

    pub async fn insert_record(&self, collection: Collection, record: Document) -> Attempt<()> {
        match run!(self, collection.name(), .insert_one(record)) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(conflict(collection).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes one document; whether there was one.
    pub async fn update(&self, collection: Collection, filter: Document, update: Document) -> Attempt<bool> {
        let updated = run!(self, collection.name(), .update_one(filter, update))?;
        Ok(updated.matched_count > 0)
    }

    pub async fn update_all(&self, collection: Collection, filter: Document, update: Document) -> Attempt<u64> {
        let updated = run!(self, collection.name(), .update_many(filter, update))?;
        Ok(updated.matched_count)
    }

    /// Makes the document if there is none. Two that make it at once are in conflict; one tries again.
    pub async fn upsert(&self, name: &str, filter: Document, update: Document) -> Attempt<()> {
        match run!(self, name, .update_one(filter, update).upsert(true)) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => {
                Err(Failure::Again(StoreError::Unavailable(format!("mongodb: {name} is busy"))))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a record in place of the one with its `_id`, or beside the others.
    pub async fn put(&self, collection: Collection, record: Document) -> Attempt<()> {
        let (name, id) = (collection.name(), record.get("_id").cloned().unwrap_or(Bson::Null));
        match run!(self, name, .replace_one(doc! { "_id": id }, record).upsert(true)) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => {
                Err(Failure::Again(StoreError::Unavailable(format!("mongodb: {name} is busy"))))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the first document in the order of `sort` and answers it as it is then.
    pub async fn change_first<T: DeserializeOwned>(
        &self,
        collection: Collection,
        query: Query,
        update: Document,
    ) -> Attempt<Option<T>> {
        let after = ReturnDocument::After;
        let name = collection.name();
        let Query { filter, sort, .. } = query;
        let record = run!(self, name, .find_one_and_update(filter, update).sort(sort).return_document(after))?;
        Ok(record.map(|record| decode(collection, record)).transpose()?)
    }

    /// Writes back a value that was read as `record`. Members that the domain type does not know are kept.
    pub async fn save<T>(&self, collection: Collection, record: Document, value: &T) -> Attempt<()>
    where
        T: Serialize + DeserializeOwned,
    {
        let before: T = decode(collection, record.clone())?;
        let mut merged = record;
        let id = merged.get("_id").cloned().unwrap_or(Bson::Null);
        for member in encode(collection, &before)?.keys() {
            merged.remove(member);
        }
        merged.extend(encode(collection, value)?);
        // As it was kept: an _id never changes.
        merged.insert("_id", id.clone());
        run!(self, collection.name(), .replace_one(doc! { "_id": id }, merged))?;
        Ok(())
    }

    /// Removes all that match; how many it was.
    pub async fn remove(&self, name: &str, filter: Document) -> Attempt<u64> {
        Ok(run!(self, name, .delete_many(filter))?.deleted_count)
    }

    /// Removes up to `limit` that match; how many were found, and how many of them removed: others may be at it too.
    pub async fn remove_some(&self, name: &str, filter: Document, limit: u32) -> Attempt<(u64, u64)> {
        let stages =
            vec![doc! { "$match": filter }, doc! { "$limit": i64::from(limit) }, doc! { "$project": { "_id": 1 } }];
        let found = self.aggregate(name, stages).await?;
        let ids: Vec<Bson> = found.into_iter().filter_map(|mut record| record.remove("_id")).collect();
        match ids.len() as u64 {
            0 => Ok((0, 0)),
            found => Ok((found, self.remove(name, doc! { "_id": { "$in": ids } }).await?)),
        }
    }

    /// Removes one document and answers it.
    pub async fn take(&self, collection: Collection, filter: Document) -> Attempt<Option<Document>> {
        Ok(run!(self, collection.name(), .find_one_and_delete(filter))?)
    }
}

/// A unique index of the collection refused a write.
pub(super) fn conflict(collection: Collection) -> StoreError {
    let index = match collection {
        Collection::Users => "users.email",
        Collection::Assets => "assets.s3_key",
        Collection::Fingerprints => "fingerprints.asset_id",
        Collection::Jobs => "jobs.asset_id",
        Collection::Uploads => "uploads.id",
        Collection::Wallet => "wallet.user_id",
        Collection::Repeats => "repeats.id",
        Collection::Garbage => "garbage.s3_key",
        Collection::RevokedSessions => "revoked_sessions.sid",
        Collection::Analytics => "analytics.id",
        Collection::WalletJournal => "wallet_journal.seq",
        Collection::WalletTransactions => "wallet_transactions.id",
        Collection::UsageEvents => "usage_events.id",
        Collection::Partners => "partners.name",
        Collection::ApiKeys => "api_keys.id",
    };
    StoreError::Conflict { index }
}

/// A count as the server sends it, in any of its numeric types.
pub(super) fn whole(value: Option<&Bson>) -> u64 {
    match value {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Double(n)) => *n as u64,
        _ => 0,
    }
}

pub(super) fn oid(id: ObjectId) -> oid::ObjectId {
    oid::ObjectId::from_bytes(*id.as_bytes())
}

/// An id or reference, also where the original system kept it as text.
pub(super) fn any_form(id: ObjectId) -> Document {
    any_form_of([id])
}

pub(super) fn any_form_of(ids: impl IntoIterator<Item = ObjectId>) -> Document {
    let forms: Vec<Bson> =
        ids.into_iter().flat_map(|id| [Bson::ObjectId(oid(id)), Bson::String(id.to_hex())]).collect();
    doc! { "$in": forms }
}

pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.millis())
}
