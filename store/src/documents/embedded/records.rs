//! Rows as records and back, for backups, moves and repairs.

use async_trait::async_trait;
use metastamp_protocol::ledger::Transaction;
use metastamp_protocol::partner::{ApiKey, Partner, UsageEvent};
use metastamp_protocol::{Asset, Fingerprint, Job, Store, Timestamp, UploadSession, User};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    EmbeddedDocuments, analytics, decode as from_json, encode as to_json, execute, jobs, ledger, one, partners,
    uploads, usage, users, works,
};
use crate::documents::shares::without_turn;
use crate::identity::StoreIdentity;
use crate::ports::{self, Snapshot};
use crate::records::{Bson, Collection, Document, bson, decode, encode, to_value};
use crate::sqlite::{ReadView, failed};
use crate::{Result, StoreError};

#[async_trait]
impl ports::Records for EmbeddedDocuments {
    async fn ping(&self) -> Result<()> {
        // An empty write: whoever can only read is not ready.
        self.db.write("ping", |_| Ok(())).await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        // Tables are made when the file is opened.
        Ok(Vec::new())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(View(self.db.view("snapshot").await?)))
    }

    async fn put_records(&self, collection: Collection, records: Vec<Document>) -> Result<()> {
        self.db
            .write("put_records", move |c| {
                for record in records {
                    put(c, collection, record)?;
                }
                Ok(())
            })
            .await
    }

    async fn remove_records(&self, collection: Collection, ids: Vec<Bson>) -> Result<u64> {
        self.db
            .write("remove_records", move |c| {
                let mut removed = 0;
                for id in ids {
                    removed += remove(c, collection, &key(&id)?)?;
                }
                Ok(removed)
            })
            .await
    }

    async fn clear(&self) -> Result<()> {
        self.db
            .write("clear", |c| {
                for collection in Collection::ALL {
                    let Table { name, .. } = Table::of(collection);
                    execute(c, &format!("DELETE FROM {name}"), [])?;
                }
                execute(c, "DELETE FROM job_accounts", [])?;
                Ok(())
            })
            .await
    }

    async fn keep_identity(&self, of: Store, fresh: StoreIdentity) -> Result<StoreIdentity> {
        self.db
            .write("keep_identity", move |c| {
                let doc = to_json(&fresh)?;
                execute(c, "INSERT OR IGNORE INTO identities VALUES (?1,?2)", [of.as_str(), &doc])?;
                let kept = one(c, "SELECT doc FROM identities WHERE store=?1", [of.as_str()])?;
                kept.ok_or(StoreError::NotFound { what: "identity" })
            })
            .await
    }

    async fn put_identity(&self, of: Store, identity: StoreIdentity) -> Result<()> {
        self.db
            .write("put_identity", move |c| {
                let doc = to_json(&identity)?;
                execute(c, "INSERT OR REPLACE INTO identities VALUES (?1,?2)", [of.as_str(), &doc]).map(drop)
            })
            .await
    }
}

struct View(ReadView);

#[async_trait]
impl Snapshot for View {
    fn is_of_one_instant(&self) -> bool {
        true
    }

    async fn count(&mut self, collection: Collection) -> Result<u64> {
        self.0
            .read("count", move |c| {
                let Table { name, .. } = Table::of(collection);
                let sql = format!("SELECT count(*) FROM {name}");
                let count: i64 = c.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
                Ok(count as u64)
            })
            .await
    }

    async fn page(&mut self, collection: Collection, after: Option<Bson>, limit: u32) -> Result<Vec<Document>> {
        let after = after.as_ref().map(key).transpose()?;
        self.0.read("page", move |c| page(c, collection, after, limit)).await
    }
}

/// Where a collection lies.
struct Table {
    name: &'static str,
    /// The column of `_id`.
    id: &'static str,
    /// What goes into a record.
    columns: &'static str,
}

impl Table {
    fn of(collection: Collection) -> Self {
        let (name, id, columns) = match collection {
            Collection::Users => ("users", "id", "doc"),
            Collection::Assets => ("assets", "id", "doc"),
            Collection::Fingerprints => ("fingerprints", "id", "doc"),
            Collection::Jobs => ("jobs", "id", "doc"),
            Collection::Uploads => ("uploads", "id", "doc"),
            Collection::Partners => ("partners", "id", "doc"),
            Collection::ApiKeys => ("api_keys", "id", "doc"),
            Collection::UsageEvents => ("usage_events", "id", "doc"),
            Collection::Repeats => ("repeats", "id", "id, first"),
            Collection::Garbage => ("garbage", "s3_key", "s3_key, since"),
            Collection::RevokedSessions => ("revoked_sessions", "sid", "sid, until"),
            Collection::Wallet => ("wallets", "id", "bson"),
            Collection::WalletJournal => ("wallet_journal", "id", "doc"),
            Collection::WalletTransactions => ("wallet_transactions", "id", "doc"),
            Collection::Analytics => ("analytics", "id", "bson"),
        };
        Self { name, id, columns }
    }
}

/// The text under which a row keeps its `_id`.
pub(super) fn key(id: &Bson) -> Result<String> {
    match id {
        Bson::ObjectId(id) => Ok(id.to_hex()),
        Bson::String(text) => Ok(text.clone()),
        other => Err(StoreError::Internal(format!("an _id of type {:?} has no place here", other.element_type()))),
    }
}

fn page(c: &Connection, collection: Collection, after: Option<String>, limit: u32) -> Result<Vec<Document>> {
    let Table { name, id, columns } = Table::of(collection);
    let sql = format!("SELECT {columns} FROM {name} WHERE {id}>?1 ORDER BY {id} LIMIT ?2");
    let mut query = c.prepare_cached(&sql).map_err(failed)?;
    let mut rows = query.query(params![after.unwrap_or_default(), limit]).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |column: usize| row.get::<_, String>(column).map_err(failed);
        records.push(match collection {
            Collection::Users => record::<User>(collection, &text(0)?)?,
            Collection::Assets => record::<Asset>(collection, &text(0)?)?,
            Collection::Fingerprints => record::<Fingerprint>(collection, &text(0)?)?,
            Collection::Jobs => without_turn(record::<Job>(collection, &text(0)?)?),
            Collection::Uploads => record::<UploadSession>(collection, &text(0)?)?,
            Collection::Partners => record::<Partner>(collection, &text(0)?)?,
            Collection::ApiKeys => record::<ApiKey>(collection, &text(0)?)?,
            Collection::UsageEvents => record::<UsageEvent>(collection, &text(0)?)?,
            Collection::Repeats => encode(collection, &serde_json::json!({ "id": text(0)?, "first": text(1)? }))?,
            Collection::Garbage | Collection::RevokedSessions => {
                let at = Timestamp(row.get(1).map_err(failed)?);
                let instant = if collection == Collection::Garbage { "since" } else { "until" };
                encode(collection, &serde_json::json!({ "id": text(0)?, instant: at }))?
            }
            Collection::WalletJournal => row_record(&text(0)?)?,
            Collection::WalletTransactions => record::<Transaction>(collection, &text(0)?)?,
            Collection::Wallet | Collection::Analytics => {
                let bytes: Vec<u8> = row.get(0).map_err(failed)?;
                bson::deserialize_from_slice(&bytes).map_err(|e| StoreError::Internal(e.to_string()))?
            }
        });
    }
    Ok(records)
}

/// A row that makes no sense is given as it is: checks and backups must see it.
fn record<T: DeserializeOwned + Serialize>(collection: Collection, doc: &str) -> Result<Document> {
    match from_json::<T>(doc) {
        Ok(value) => encode(collection, &value),
        Err(_) => encode(collection, &from_json::<serde_json::Value>(doc)?),
    }
}

/// Rows of newer software as they are too.
fn row_record(doc: &str) -> Result<Document> {
    match ledger::read_row(doc) {
        Ok(row) => encode(Collection::WalletJournal, &row),
        Err(_) => encode(Collection::WalletJournal, &from_json::<serde_json::Value>(doc)?),
    }
}

fn put(c: &Connection, collection: Collection, record: Document) -> Result<()> {
    let id = record.get("_id").ok_or_else(|| StoreError::Internal("a record without _id".to_owned()))?;
    let id = key(id)?;
    remove(c, collection, &id)?;
    match collection {
        Collection::Users => users::insert(c, &decode(collection, record)?),
        Collection::Assets => works::insert_asset(c, &decode(collection, record)?),
        Collection::Fingerprints => {
            let fingerprint: Fingerprint = decode(collection, record)?;
            works::insert_fingerprint(c, &fingerprint)?;
            works::save_fingerprint(c, &fingerprint)
        }
        Collection::Jobs => jobs::put(c, &decode(collection, record)?),
        Collection::Uploads => uploads::open(c, &decode(collection, record)?),
        Collection::Partners => partners::insert(c, &decode(collection, record)?),
        Collection::ApiKeys => partners::insert_key(c, &decode(collection, record)?),
        Collection::UsageEvents => usage::put(c, &decode(collection, record)?),
        Collection::Repeats => {
            let first = record.get("first").map(key).transpose()?.unwrap_or_default();
            execute(c, "INSERT INTO repeats VALUES (?1,?2)", [id, first]).map(drop)
        }
        Collection::Garbage => {
            let since = record.get_datetime("since").map_or(0, |at| at.timestamp_millis());
            execute(c, "INSERT INTO garbage VALUES (?1,?2)", params![id, since]).map(drop)
        }
        Collection::RevokedSessions => {
            let until = record.get_datetime("until").map_or(i64::MAX, |at| at.timestamp_millis());
            execute(c, "INSERT INTO revoked_sessions VALUES (?1,?2)", params![id, until]).map(drop)
        }
        Collection::Wallet => ledger::insert_wallet(c, &id, &record, true),
        Collection::WalletJournal => put_row(c, record),
        Collection::WalletTransactions => ledger::put_transaction(c, &decode(collection, record)?),
        Collection::Analytics => analytics::put_record(c, &record),
    }
}

fn put_row(c: &Connection, record: Document) -> Result<()> {
    match decode(Collection::WalletJournal, record.clone()) {
        Ok(row) => ledger::insert_row(c, &row),
        Err(StoreError::NewerVersion { .. }) => {
            ledger::insert_newer_row(c, &to_value(Collection::WalletJournal, record))
        }
        Err(error) => Err(error),
    }
}

/// Collections that lay in `plain_records` before they had a table of their own.
const MOVED: [Collection; 2] = [Collection::Wallet, Collection::Analytics];

/// Puts what older versions left in `plain_records` where it belongs now.
pub(super) fn move_plain(c: &Connection) -> Result<()> {
    for collection in MOVED {
        let mut plain = c.prepare("SELECT id, bson FROM plain_records WHERE collection=?1").map_err(failed)?;
        let rows = plain.query_map([collection.name()], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        let rows: Vec<(String, Vec<u8>)> = rows.collect::<rusqlite::Result<_>>().map_err(failed)?;
        for (id, bytes) in rows {
            let record: Document =
                bson::deserialize_from_slice(&bytes).map_err(|e| StoreError::Internal(e.to_string()))?;
            match put(c, collection, record.clone()) {
                // Two of one owner, which older versions took: both are kept, one is found.
                Err(StoreError::Conflict { .. }) if collection == Collection::Wallet => {
                    ledger::insert_wallet(c, &id, &record, false)?;
                }
                result => result?,
            }
        }
        execute(c, "DELETE FROM plain_records WHERE collection=?1", [collection.name()])?;
    }
    Ok(())
}

fn remove(c: &Connection, collection: Collection, id: &str) -> Result<u64> {
    let Table { name, id: column, .. } = Table::of(collection);
    Ok(execute(c, &format!("DELETE FROM {name} WHERE {column}=?1"), [id])? as u64)
}
