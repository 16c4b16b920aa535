//! Records as they are, for backups, moves and repairs.

use async_trait::async_trait;
use metastamp_protocol::Store;
use mongodb::bson::{Bson, Document, doc, serialize_to_vec};

use super::accounts::ACCOUNTS;
use super::call::Server;
use super::fault::{Attempt, Failure};
use super::leases::LEASES;
use super::migrations::MIGRATIONS;
use super::scope::{Query, Scope, conflict, whole};
use super::uploads::SAME_UPLOADS;
use super::{MongoDocuments, identities, ping, prepare};
use crate::documents::shares::without_turn;
use crate::identity::StoreIdentity;
use crate::ports::{self, Snapshot};
use crate::records::Collection;
use crate::{Result, StoreError};

/// Records and bytes of one command; the server takes 100,000 and 16 MiB.
const BATCH_RECORDS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

#[async_trait]
impl ports::Records for MongoDocuments {
    async fn ping(&self) -> Result<()> {
        let Self { server } = self;
        server.call("ping", |_| ping(server)).await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        let Self { server } = self;
        server.measured("prepare", prepare::prepare(server)).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let server = self.server.clone();
        let on = server.call("snapshot", |_| open(&server)).await?;
        let of_one_instant = on.session.is_some();
        Ok(Box::new(View { server, on, of_one_instant }))
    }

    async fn put_records(&self, collection: Collection, records: Vec<Document>) -> Result<()> {
        let Self { server } = self;
        for batch in batches(records)? {
            server.call("put_records", |_| put(server, collection, &batch)).await?;
        }
        Ok(())
    }

    async fn remove_records(&self, collection: Collection, ids: Vec<Bson>) -> Result<u64> {
        let Self { server } = self;
        let mut removed = 0;
        for ids in ids.chunks(BATCH_RECORDS_MAX) {
            let filter = doc! { "_id": { "$in": ids } };
            removed += server
                .call("remove_records", |_| {
                    let (on, filter) = (server.on(), filter.clone());
                    async move { on.remove(collection.name(), filter).await }
                })
                .await?;
        }
        Ok(removed)
    }

    async fn clear(&self) -> Result<()> {
        let Self { server } = self;
        // older records may follow, which are to be brought up to date again
        let ours = [ACCOUNTS, LEASES, SAME_UPLOADS, MIGRATIONS];
        for name in Collection::ALL.into_iter().map(Collection::name).chain(ours) {
            let on = server.on();
            server
                .call("clear", |_| {
                    let on = on.clone();
                    async move { on.remove(name, Document::new()).await }
                })
                .await?;
        }
        Ok(())
    }

    async fn keep_identity(&self, of: Store, fresh: StoreIdentity) -> Result<StoreIdentity> {
        let Self { server } = self;
        server.call("keep_identity", |_| identities::keep(server.on(), of, &fresh)).await
    }

    async fn put_identity(&self, of: Store, identity: StoreIdentity) -> Result<()> {
        let Self { server } = self;
        server.call("put_identity", |_| identities::put(server.on(), of, &identity)).await
    }
}

/// A session that reads at one instant. MongoDB 5 and later keep what one sees for five minutes, or as long as
/// `minSnapshotHistoryWindowInSeconds` says. Servers that only speak the protocol may promise it and not do it, so it is
/// tried out; their transactions are the second choice, and no session at all the last.
async fn open(server: &Server) -> Attempt<Scope> {
    let snapshot = server.snapshot().await?;
    if holds_still(server, &snapshot).await? {
        return Ok(snapshot);
    }
    let transaction = server.transaction().await?;
    if holds_still(server, &transaction).await? { Ok(transaction) } else { Ok(server.on()) }
}

/// Whether a write after its first read is not seen.
async fn holds_still(server: &Server, on: &Scope) -> Attempt<bool> {
    let probe = doc! { "_id": "snapshot-probe" };
    let before = match on.find(LEASES, probe.clone()).await {
        Ok(before) => before,
        Err(Failure::Final(_)) => return Ok(false),
        Err(passing) => return Err(passing),
    };
    server.on().upsert(LEASES, probe.clone(), doc! { "$inc": { "n": 1_i64 } }).await?;
    Ok(on.find(LEASES, probe).await? == before)
}

struct View {
    server: Server,
    on: Scope,
    of_one_instant: bool,
}

#[async_trait]
impl Snapshot for View {
    fn is_of_one_instant(&self) -> bool {
        self.of_one_instant
    }

    async fn count(&mut self, collection: Collection) -> Result<u64> {
        let Self { server, on, .. } = self;
        server
            .call("snapshot_count", |_| {
                let on = on.clone();
                async move { on.count(collection.name(), Document::new()).await }
            })
            .await
    }

    async fn page(&mut self, collection: Collection, after: Option<Bson>, limit: u32) -> Result<Vec<Document>> {
        let Self { server, on, .. } = self;
        if limit == 0 {
            return Ok(Vec::new());
        }
        // A plain `$gt` compares within one type only, and the original kept some _ids as text.
        let filter = after.map_or_else(Document::new, |after| {
            doc! { "$expr": { "$gt": ["$_id", { "$literal": after }] } }
        });
        server
            .call("snapshot_page", |_| {
                let (on, filter) = (on.clone(), filter.clone());
                let query = Query { filter, sort: doc! { "_id": 1 }, limit, ..Query::default() };
                async move {
                    let records = on.records(collection, query).await?;
                    Ok(match collection {
                        Collection::Jobs => records.into_iter().map(without_turn).collect(),
                        _ => records,
                    })
                }
            })
            .await
    }
}

/// Cuts records into commands.
fn batches(records: Vec<Document>) -> Result<Vec<Vec<Document>>> {
    let mut batches: Vec<Vec<Document>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let size = serialize_to_vec(&record).map_err(|e| StoreError::Internal(e.to_string()))?.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_RECORDS_MAX && bytes + size <= BATCH_BYTES_MAX => batch.push(record),
            _ => {
                bytes = 0;
                batches.push(vec![record]);
            }
        }
        bytes += size;
    }
    Ok(batches)
}

/// One command for all: each record takes the place of the one with its `_id`.
async fn put(server: &Server, collection: Collection, batch: &[Document]) -> Attempt<()> {
    let update = |record: &Document| {
        let id = record.get("_id").cloned();
        let id = id.ok_or_else(|| StoreError::Internal("a record without _id".to_owned()))?;
        Ok(doc! { "q": { "_id": { "$eq": id } }, "u": record.clone(), "upsert": true })
    };
    let updates = batch.iter().map(update).collect::<Result<Vec<_>>>()?;
    let within = i64::try_from(server.within.as_millis()).unwrap_or(i64::MAX);
    let answer = server
        .db
        .run_command(doc! {
            "update": collection.name(), "updates": updates, "ordered": true,
            // what is restored was accepted once, by whatever rules held then
            "bypassDocumentValidation": true,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": within },
        })
        .await?;
    if let Ok(errors) = answer.get_array("writeErrors")
        && let Some(Bson::Document(error)) = errors.first()
    {
        return Err(match whole(error.get("code")) {
            11000 => conflict(collection),
            _ => StoreError::Internal(format!("mongodb: {}", error.get_str("errmsg").unwrap_or("refused a record"))),
        }
        .into());
    }
    match answer.get_document("writeConcernError") {
        Ok(_) => {
            Err(Failure::Again(StoreError::Unavailable("mongodb: a write did not reach a majority in time".to_owned())))
        }
        Err(_) => Ok(()),
    }
}
