//! The journal: commits and look-ups.

use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Document, doc};
use tokio::time::timeout_at;

use crate::documents::journal::{FENCED, fits, transactions_of};
use crate::documents::mongo::call::Server;
use crate::documents::mongo::fault::{Attempt, Failure, is_duplicate};
use crate::documents::mongo::scope::{Query, Scope, date, oid};
use crate::ports::Look;
use crate::records::Collection::WalletJournal;
use crate::records::{bson, encode};
use crate::{Result, StoreError};

/// Inserted in order, so that what is there of a commit that broke off is a prefix of it. Sent once: after an answer that
/// was lost a second attempt would meet its own rows, and only the caller can tell those from another writer's.
pub(super) async fn commit(server: &Server, rows: &[Row]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let deadline = server.deadline();
    server.until(deadline, |_| check_place(server.on(), first)).await?;
    let records = rows.iter().map(|row| encode(WalletJournal, row)).collect::<Result<Vec<_>>>()?;
    match timeout_at(deadline, insert(server, records)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Failure::Final(error) | Failure::Again(error) | Failure::Unheard(error))) => Err(error),
        Err(_) => Err(StoreError::Unavailable("mongodb did not answer a commit in time".to_owned())),
    }
}

/// The row before must be there, and the one that `first` was made for. Rows never change, so it stays true.
async fn check_place(on: Scope, first: &Row) -> Attempt<()> {
    let before: Option<Row> = match first.seq.checked_sub(1) {
        None | Some(0) => return Ok(()),
        Some(seq) => on.one(WalletJournal, doc! { "_id": Row::id_of(first.wallet_id, seq) }).await?,
    };
    Ok(fits(before.as_ref(), first)?)
}

/// With the client's write concern: a majority, and the journals of its members.
async fn insert(server: &Server, records: Vec<Document>) -> Attempt<()> {
    let rows = server.db.collection::<Document>(WalletJournal.name());
    match rows.insert_many(records).ordered(true).await {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(FENCED.into()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn head(on: Scope, wallet_id: ObjectId) -> Attempt<Option<Row>> {
    let query = Query { filter: of(wallet_id), sort: doc! { "seq": -1 }, limit: 1, ..Query::default() };
    Ok(on.all(WalletJournal, query).await?.pop())
}

/// Keys last: whatever an order would be refused for, if it was the order itself that made it so, its key is found. Rows
/// that come after the head are in the way of whoever writes without knowing them.
pub(super) async fn look(on: Scope, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Attempt<Look> {
    let transactions: Vec<_> = transactions.iter().map(|id| oid(*id)).collect();
    let by_key = rows_with(on.clone(), wallet_id, "idempotency_key", keys);
    let of_transactions = rows_with(on.clone(), wallet_id, "transaction_id", &transactions);
    let (head, of_transactions) = tokio::try_join!(head(on, wallet_id), of_transactions)?;
    let by_key = by_key.await?;
    Ok(Look { head, by_key, of_transactions })
}

async fn rows_with<T>(on: Scope, wallet_id: ObjectId, field: &str, values: &[T]) -> Attempt<Vec<Row>>
where
    T: Clone + Into<bson::Bson>,
{
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let mut filter = of(wallet_id);
    filter.insert(field, doc! { "$in": values.to_vec() });
    let mut rows: Vec<Row> = on.all(WalletJournal, Query { filter, ..Query::default() }).await?;
    rows.sort_by_key(|row| row.seq);
    Ok(rows)
}

pub(super) async fn rows_after(on: Scope, wallet_id: ObjectId, seq: u64, limit: u32) -> Attempt<Vec<Row>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut filter = of(wallet_id);
    filter.insert("seq", doc! { "$gt": number(seq) });
    on.all(WalletJournal, Query { filter, sort: doc! { "seq": 1 }, limit, ..Query::default() }).await
}

pub(super) async fn row_before(on: Scope, wallet_id: ObjectId, at: Timestamp) -> Attempt<Option<Row>> {
    let mut filter = of(wallet_id);
    filter.insert("at", doc! { "$lt": date(at) });
    let query = Query { filter, sort: doc! { "at": -1, "seq": -1 }, limit: 1, ..Query::default() };
    Ok(on.all(WalletJournal, query).await?.pop())
}

/// From its rows, of which there are two at most: the views may be a moment late.
pub(super) async fn transaction(on: Scope, id: ObjectId) -> Attempt<Option<Transaction>> {
    Ok(transactions(&on, vec![id]).await?.pop())
}

pub(super) async fn transactions(on: &Scope, ids: Vec<ObjectId>) -> Attempt<Vec<Transaction>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = ids.into_iter().map(oid).collect();
    let filter = doc! { "transaction_id": { "$in": ids } };
    let rows = on.all(WalletJournal, Query { filter, ..Query::default() }).await?;
    Ok(transactions_of(rows))
}

/// Fails when there are rows that can't be read here.
pub(super) async fn check_readable(on: Scope, wallet_id: ObjectId) -> Attempt<()> {
    let mut filter = of(wallet_id);
    filter.insert("version", doc! { "$gt": i64::from(Row::VERSION) });
    on.one::<Row>(WalletJournal, filter).await.map(drop)
}

pub(super) fn of(wallet_id: ObjectId) -> Document {
    doc! { "wallet_id": oid(wallet_id) }
}

/// As BSON counts: nothing here comes near its largest number.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
