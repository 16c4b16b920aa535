//! What is shown of a journal: transactions and the document of the wallet.

use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{journal, sql};
use crate::documents::REMOVE_BATCH;
use crate::documents::embedded::{encode, execute, insert, one};
use crate::documents::journal::{check_dense, fold, opened_before};
use crate::records::wallet::{self as document, advanced, empty, reset};
use crate::records::{Bson, Document, bson};
use crate::sqlite::failed;
use crate::{Result, StoreError};

/// Puts the document of a wallet under its `_id`. `owned` says whether it is found by its owner.
pub(in crate::documents::embedded) fn insert_wallet(
    c: &Connection,
    id: &str,
    record: &Document,
    owned: bool,
) -> Result<()> {
    let owner = match record.get("user_id") {
        Some(Bson::ObjectId(id)) => Some(id.to_hex()),
        Some(Bson::String(text)) => Some(text.clone()),
        _ => None,
    };
    let params = params![id, owner.filter(|_| owned), sql(document::last_seq(record)), to_bytes(record)?];
    insert(c, "INSERT INTO wallets VALUES (?1,?2,?3,?4)", params, "wallet.user_id")
}

/// Later ones take the place of earlier ones.
pub(in crate::documents::embedded) fn put_transaction(c: &Connection, transaction: &Transaction) -> Result<()> {
    let params = params![
        transaction.id.to_hex(),
        transaction.wallet_id.to_hex(),
        sql(transaction.ordinal),
        transaction.kind.as_str(),
        transaction.status.as_str(),
        transaction.currency.code(),
        transaction.amount.minor(),
        transaction.created_at.millis(),
        sql(transaction.seq),
        encode(transaction)?
    ];
    let statement = "INSERT INTO wallet_transactions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT(id) DO UPDATE \
                     SET status=excluded.status, seq=excluded.seq, doc=excluded.doc WHERE seq<excluded.seq";
    insert(c, statement, params, "wallet_transactions.ordinal")
}

fn record(c: &Connection, user_id: ObjectId) -> Result<Option<Document>> {
    let mut query = c.prepare_cached("SELECT bson FROM wallets WHERE user_id=?1").map_err(failed)?;
    let bytes: Option<Vec<u8>> = query.query_row([user_id.to_hex()], |row| row.get(0)).optional().map_err(failed)?;
    let read = |bytes: Vec<u8>| bson::deserialize_from_slice(&bytes).map_err(|e| StoreError::Internal(e.to_string()));
    bytes.map(read).transpose()
}

fn save(c: &Connection, user_id: ObjectId, record: &Document) -> Result<()> {
    let params = params![user_id.to_hex(), sql(document::last_seq(record)), to_bytes(record)?];
    match execute(c, "UPDATE wallets SET last_seq=?2, bson=?3 WHERE user_id=?1", params)? {
        1 => Ok(()),
        _ => Err(StoreError::Internal("the document of a wallet is gone".to_owned())),
    }
}

fn to_bytes(record: &Document) -> Result<Vec<u8>> {
    bson::serialize_to_vec(record).map_err(|e| StoreError::Internal(e.to_string()))
}

pub(super) fn wallet(c: &Connection, user_id: ObjectId) -> Result<Option<Wallet>> {
    record(c, user_id)?.as_ref().map(document::decode).transpose()
}

pub(super) fn wallet_or_new(c: &Connection, user_id: ObjectId, now: Timestamp) -> Result<Wallet> {
    document::decode(&record_or_new(c, user_id, now)?)
}

fn record_or_new(c: &Connection, user_id: ObjectId, now: Timestamp) -> Result<Document> {
    if let Some(record) = record(c, user_id)? {
        return Ok(record);
    }
    let record = empty(user_id, now)?;
    let id = record.get_object_id("_id").map_err(|e| StoreError::Internal(e.to_string()))?.to_hex();
    insert_wallet(c, &id, &record, true)?;
    Ok(record)
}

/// Brings in the rows of a commit, unless the views are behind already.
pub(super) fn follow(c: &Connection, wallet_id: ObjectId, rows: &[Row]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let kept = record_or_new(c, wallet_id, first.at)?;
    if document::last_seq(&kept) + 1 != first.seq {
        return Ok(());
    }
    bring_in(c, wallet_id, kept, rows)
}

fn bring_in(c: &Connection, wallet_id: ObjectId, kept: Document, rows: &[Row]) -> Result<()> {
    let mut known = Vec::new();
    for id in opened_before(rows) {
        let shown = one(c, "SELECT doc FROM wallet_transactions WHERE id=?1", [id.to_hex()])?;
        let opened = match shown {
            Some(shown) => Some(shown),
            None => journal::transaction(c, id)?,
        };
        known.extend(opened);
    }
    let changed = fold(rows, known)?;
    for transaction in &changed {
        put_transaction(c, transaction).map_err(|error| match error {
            StoreError::Conflict { .. } => taken(transaction),
            error => error,
        })?;
    }
    save(c, wallet_id, &advanced(kept, rows, &changed)?)
}

fn taken(transaction: &Transaction) -> StoreError {
    let Transaction { wallet_id, ordinal, .. } = transaction;
    StoreError::Internal(format!("another transaction is shown as number {ordinal} of wallet {wallet_id}: rebuild it"))
}

pub(super) fn are_behind(c: &Connection, wallet_id: ObjectId) -> Result<bool> {
    // One statement, so one instant.
    let sql = "SELECT coalesce((SELECT max(seq) FROM wallet_journal WHERE wallet_id=?1), 0) > \
               coalesce((SELECT last_seq FROM wallets WHERE user_id=?1), 0)";
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    query.query_row([wallet_id.to_hex()], |row| row.get(0)).map_err(failed)
}

/// Brings in the next rows of the journal.
pub(super) fn project(c: &Connection, wallet_id: ObjectId, limit: u32) -> Result<()> {
    let kept = record(c, wallet_id)?;
    let seq = kept.as_ref().map_or(0, document::last_seq);
    let rows = journal::rows_after(c, wallet_id, seq, limit)?;
    let Some(first) = rows.first() else { return Ok(()) };
    check_dense(wallet_id, seq, &rows)?;
    let kept = match kept {
        Some(kept) => kept,
        None => record_or_new(c, wallet_id, first.at)?,
    };
    bring_in(c, wallet_id, kept, &rows)
}

/// Drops some transactions; whether there may be more.
pub(super) fn drop_some(c: &Connection, wallet_id: ObjectId) -> Result<bool> {
    let sql = "DELETE FROM wallet_transactions WHERE rowid IN \
               (SELECT rowid FROM wallet_transactions WHERE wallet_id=?1 LIMIT ?2)";
    Ok(execute(c, sql, params![wallet_id.to_hex(), REMOVE_BATCH])? == REMOVE_BATCH as usize)
}

/// The document goes back to the beginning: before the transactions are dropped, or it would vouch for what is not there,
/// and again after it, since someone may have brought both up to date in between. Returns how many rows the journal has.
pub(super) fn forget(c: &Connection, wallet_id: ObjectId) -> Result<u64> {
    if let Some(kept) = record(c, wallet_id)? {
        save(c, wallet_id, &reset(kept)?)?;
    }
    let mut count = c.prepare_cached("SELECT count(*) FROM wallet_journal WHERE wallet_id=?1").map_err(failed)?;
    let rows: i64 = count.query_row([wallet_id.to_hex()], |row| row.get(0)).map_err(failed)?;
    Ok(u64::try_from(rows).unwrap_or(0))
}
