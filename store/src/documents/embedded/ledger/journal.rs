//! The journal: commits and look-ups.

use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::{ObjectId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{sql, views};
use crate::documents::embedded::{decode, insert as insert_unique, many_by, one_by};
use crate::documents::journal::{FENCED, fits, transactions_of};
use crate::ports::Look;
use crate::sqlite::failed;
use crate::{Result, StoreError};

/// What a row is found by.
#[derive(Deserialize)]
struct Indexed {
    id: String,
    wallet_id: ObjectId,
    seq: u64,
    at: Timestamp,
    transaction_id: ObjectId,
    resolves: Option<ObjectId>,
    idempotency_key: String,
}

pub(in crate::documents::embedded) fn insert(c: &Connection, row: &Row) -> Result<()> {
    let Row { wallet_id, seq, at, transaction_id, resolves, .. } = *row;
    let (id, idempotency_key) = (row.id.clone(), row.idempotency_key.clone());
    let indexed = Indexed { id, wallet_id, seq, at, transaction_id, resolves, idempotency_key };
    insert_text(c, &indexed, &row.to_json().map_err(|e| StoreError::Internal(format!("can't encode a row: {e}")))?)
}

/// A row of newer software, as it is.
pub(in crate::documents::embedded) fn insert_newer(c: &Connection, row: &Json) -> Result<()> {
    insert_text(c, &decode(&row.to_string())?, &row.to_string())
}

fn insert_text(c: &Connection, row: &Indexed, text: &str) -> Result<()> {
    let params = params![
        row.id,
        row.wallet_id.to_hex(),
        sql(row.seq),
        row.at.millis(),
        row.transaction_id.to_hex(),
        row.resolves.map(ObjectId::to_hex),
        row.idempotency_key,
        text
    ];
    insert_unique(c, "INSERT INTO wallet_journal VALUES (?1,?2,?3,?4,?5,?6,?7,?8)", params, "wallet_journal.seq")
}

pub(in crate::documents::embedded) fn read(text: &str) -> Result<Row> {
    Ok(Row::from_json(text)?)
}

/// `rows` are a chain of one wallet.
pub(super) fn commit(c: &Connection, rows: &[Row]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    fits(head(c, first.wallet_id)?.as_ref(), first)?;
    for row in rows {
        insert(c, row).map_err(|error| match error {
            StoreError::Conflict { .. } => FENCED,
            error => error,
        })?;
    }
    // The journal is the truth: views that do not go with it must not stop it.
    c.execute_batch("SAVEPOINT views").map_err(failed)?;
    let shown = views::follow(c, first.wallet_id, rows);
    let end = if shown.is_ok() { "RELEASE views" } else { "ROLLBACK TO views; RELEASE views" };
    c.execute_batch(end).map_err(failed)?;
    match shown {
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            tracing::error!(wallet = %first.wallet_id, %error, "what is shown of a wallet is wrong: rebuild it")
        }
        Ok(()) => {}
    }
    Ok(())
}

pub(super) fn head(c: &Connection, wallet_id: ObjectId) -> Result<Option<Row>> {
    let query = "SELECT doc FROM wallet_journal WHERE wallet_id=?1 ORDER BY seq DESC LIMIT 1";
    one_by(c, query, [wallet_id.to_hex()], read)
}

/// All three of one instant.
pub(super) fn look(c: &Connection, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Result<Look> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let wallet = wallet_id.to_hex();
    let with = |column: &str, values: Vec<String>| match values.len() {
        0 => Ok(Vec::new()),
        n => {
            let marks = vec!["?"; n].join(",");
            let sql =
                format!("SELECT doc FROM wallet_journal WHERE wallet_id=? AND {column} IN ({marks}) ORDER BY +seq");
            let values = std::iter::once(wallet.clone()).chain(values).map(Value::from);
            many_by(&snapshot, &sql, params_from_iter(values), read)
        }
    };
    let look = Look {
        head: head(&snapshot, wallet_id)?,
        by_key: with("idempotency_key", keys.to_vec())?,
        of_transactions: with("transaction_id", transactions.iter().map(|id| id.to_hex()).collect())?,
    };
    snapshot.finish().map_err(failed)?;
    Ok(look)
}

pub(super) fn rows_after(c: &Connection, wallet_id: ObjectId, seq: u64, limit: u32) -> Result<Vec<Row>> {
    let query = "SELECT doc FROM wallet_journal WHERE wallet_id=?1 AND seq>?2 ORDER BY seq LIMIT ?3";
    many_by(c, query, params![wallet_id.to_hex(), sql(seq), limit], read)
}

pub(super) fn row_before(c: &Connection, wallet_id: ObjectId, at: Timestamp) -> Result<Option<Row>> {
    let query = "SELECT doc FROM wallet_journal WHERE wallet_id=?1 AND at<?2 ORDER BY at DESC, seq DESC LIMIT 1";
    one_by(c, query, params![wallet_id.to_hex(), at.millis()], read)
}

/// From its rows, of which there are two at most.
pub(super) fn transaction(c: &Connection, id: ObjectId) -> Result<Option<Transaction>> {
    let rows = many_by(c, "SELECT doc FROM wallet_journal WHERE transaction_id=?1", [id.to_hex()], read)?;
    Ok(transactions_of(rows).pop())
}

/// Fails when there are rows that can't be read here.
pub(super) fn check_readable(c: &Connection, wallet_id: ObjectId) -> Result<()> {
    let query = "SELECT doc FROM wallet_journal WHERE wallet_id=?1 AND json_extract(doc, '$.version')>?2 LIMIT 1";
    one_by(c, query, params![wallet_id.to_hex(), Row::VERSION], read).map(drop)
}
