//! What is shown of a journal: transactions and the document of the wallet. Both say which row they have come to, and
//! only move on from there, so several may bring them up to date at once.

use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Bson, Document, doc};

use super::journal::{self, number, of};
use crate::documents::REMOVE_BATCH;
use crate::documents::journal::{PROJECT_ROWS_MAX, check_dense, fold, opened_before};
use crate::documents::mongo::call::Server;
use crate::documents::mongo::fault::{Attempt, Failure};
use crate::documents::mongo::on::{On, Query, any_form, oid, whole};
use crate::records::Collection::{Wallet as Wallets, WalletJournal, WalletTransactions};
use crate::records::encode;
use crate::records::wallet::{self as document, advanced, empty, reset};
use crate::{Result, StoreError};

pub(super) async fn record(on: On, user_id: ObjectId) -> Attempt<Option<Document>> {
    on.record(Wallets, doc! { "user_id": any_form(user_id) }).await
}

pub(super) async fn wallet(on: On, user_id: ObjectId, now: Timestamp) -> Attempt<Wallet> {
    Ok(document::decode(&record_or_new(on, user_id, now).await?)?)
}

/// Of two that make it at once the unique index lets one through; the other takes what that one made.
async fn record_or_new(on: On, user_id: ObjectId, now: Timestamp) -> Attempt<Document> {
    if let Some(record) = record(on.clone(), user_id).await? {
        return Ok(record);
    }
    let made = empty(user_id, now)?;
    match on.insert_record(Wallets, made.clone()).await {
        Ok(()) => Ok(made),
        Err(Failure::Final(StoreError::Conflict { .. })) => record(on, user_id).await?.ok_or_else(|| {
            // not yet at a majority
            Failure::Again(StoreError::Unavailable("mongodb: wallet is busy".to_owned()))
        }),
        Err(failure) => Err(failure),
    }
}

/// Step by step, each with a deadline of its own: a journal that came in by other ways may be long.
pub(super) async fn project(server: &Server, wallet_id: ObjectId) -> Result<()> {
    loop {
        let step = server.until(server.deadline(), |_| project_some(server.on(), wallet_id)).await?;
        if step == Step::AtTheEnd {
            return Ok(());
        }
    }
}

#[derive(PartialEq)]
enum Step {
    /// There may be more.
    Further,
    AtTheEnd,
}

async fn project_some(on: On, wallet_id: ObjectId) -> Attempt<Step> {
    let kept = record(on.clone(), wallet_id).await?;
    let seq = kept.as_ref().map_or(0, document::last_seq);
    let rows = journal::rows_after(on.clone(), wallet_id, seq, PROJECT_ROWS_MAX).await?;
    let Some(first) = rows.first() else { return Ok(Step::AtTheEnd) };
    check_dense(wallet_id, seq, &rows)?;
    let kept = match kept {
        Some(kept) => kept,
        None => record_or_new(on.clone(), wallet_id, first.at).await?,
    };
    let known = shown_before(on.clone(), &rows).await?;
    let changed = fold(&rows, known)?;
    // Transactions first: whoever sees the document may count on them.
    put_transactions(&on, &changed).await?;
    let moved_on = replace(&on, &kept, advanced(kept.clone(), &rows, &changed)?).await?;
    let all = rows.len() < PROJECT_ROWS_MAX as usize;
    // Where someone else was faster, it is looked at again.
    Ok(if all && moved_on { Step::AtTheEnd } else { Step::Further })
}

/// The transactions that `rows` end and do not open.
async fn shown_before(on: On, rows: &[Row]) -> Attempt<Vec<Transaction>> {
    let mut missing = opened_before(rows);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = missing.iter().map(|id| oid(*id)).collect();
    let filter = doc! { "_id": { "$in": ids } };
    let mut known: Vec<Transaction> = on.all(WalletTransactions, Query { filter, ..Query::default() }).await?;
    for transaction in &known {
        missing.remove(&transaction.id);
    }
    if !missing.is_empty() {
        known.extend(journal::transactions(on, missing.into_iter().collect()).await?);
    }
    Ok(known)
}

/// Replaces the document, unless it has moved on since it was read as `kept`; tells whether it did.
async fn replace(on: &On, kept: &Document, record: Document) -> Attempt<bool> {
    // null is also what is not there
    let seen = kept.get("last_seq").cloned().unwrap_or(Bson::Null);
    let filter = doc! { "_id": kept.get("_id").cloned().unwrap_or(Bson::Null), "last_seq": seen };
    let replaced = on.db.collection::<Document>(Wallets.name()).replace_one(filter, record).await?;
    Ok(replaced.matched_count > 0)
}

/// One command for all; each takes the place of an earlier state of itself only.
async fn put_transactions(on: &On, transactions: &[Transaction]) -> Attempt<()> {
    let mut updates = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let earlier = doc! { "_id": oid(transaction.id), "seq": { "$lt": number(transaction.seq) } };
        updates.push(doc! { "q": earlier, "u": encode(WalletTransactions, transaction)?, "upsert": true });
    }
    let answer = on
        .db
        .run_command(doc! {
            "update": WalletTransactions.name(), "updates": updates, "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        })
        .await?;
    let mut refused = Vec::new();
    for error in answer.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
        let at = usize::try_from(whole(error.get("index"))).unwrap_or(usize::MAX);
        match (whole(error.get("code")), transactions.get(at)) {
            // One that is as late or later is there: the upsert tried to make a second.
            (11000, Some(transaction)) => refused.push(transaction),
            _ => return Err(StoreError::Internal("mongodb: a transaction was refused".to_owned()).into()),
        }
    }
    if answer.contains_key("writeConcernError") {
        let late = "mongodb: a write did not reach a majority in time".to_owned();
        return Err(Failure::Again(StoreError::Unavailable(late)));
    }
    check_later(on, refused).await
}

/// That the transactions are there, at least as late: or others lie in their places.
async fn check_later(on: &On, refused: Vec<&Transaction>) -> Attempt<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let later = |t: &&Transaction| doc! { "_id": oid(t.id), "seq": { "$gte": number(t.seq) } };
    let any: Vec<_> = refused.iter().map(later).collect();
    if on.count(WalletTransactions.name(), doc! { "$or": any }).await? == refused.len() as u64 {
        return Ok(());
    }
    let in_its_place = |t: &&Transaction| {
        doc! { "wallet_id": oid(t.wallet_id), "ordinal": number(t.ordinal), "_id": { "$ne": oid(t.id) } }
    };
    let any: Vec<_> = refused.iter().map(in_its_place).collect();
    if on.find(WalletTransactions.name(), doc! { "$or": any }).await?.is_some() {
        let wallet = refused.first().map(|t| t.wallet_id.to_hex()).unwrap_or_default();
        return Err(StoreError::Internal(format!(
            "other transactions are shown in a place of wallet {wallet}: rebuild it"
        ))
        .into());
    }
    // Someone else made an earlier state of one at the same time, or it is not yet at a majority.
    Err(Failure::Again(StoreError::Unavailable("mongodb: wallet_transactions is busy".to_owned())))
}

/// The document goes back to the beginning before the transactions are dropped, or it would vouch for what is not there;
/// and again after it, since someone may have brought both up to date in between.
pub(super) async fn rebuild(server: &Server, wallet_id: ObjectId) -> Result<u64> {
    to_the_beginning(server, wallet_id).await?;
    loop {
        let batch = |_| async { server.on().remove_some(WalletTransactions.name(), of(wallet_id), REMOVE_BATCH).await };
        let (found, _) = server.until(server.deadline(), batch).await?;
        if found < u64::from(REMOVE_BATCH) {
            break;
        }
    }
    to_the_beginning(server, wallet_id).await?;
    project(server, wallet_id).await?;
    server.until(server.deadline(), |_| async { server.on().count(WalletJournal.name(), of(wallet_id)).await }).await
}

async fn to_the_beginning(server: &Server, wallet_id: ObjectId) -> Result<()> {
    server
        .until(server.deadline(), |_| async {
            loop {
                let Some(kept) = record(server.on(), wallet_id).await? else { return Ok(()) };
                if replace(&server.on(), &kept, reset(kept.clone())?).await? {
                    return Ok(());
                }
            }
        })
        .await
}
