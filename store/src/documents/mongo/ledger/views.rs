//! What is shown of a journal: transactions and the document of the wallet. Both say which row they have come to, and
//! only move on from there, so several may bring them up to date at once.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;

use super::journal::{self, number, of};
use crate::documents::REMOVE_BATCH;
use crate::documents::journal::{PROJECT_ROWS_MAX, check_dense, fold, opened_before};
use crate::documents::mongo::call::Server;
use crate::documents::mongo::fault::{Attempt, Failure, is_duplicate_code};
use crate::documents::mongo::scope::{Query, Scope, any_form, oid};
use crate::records::Collection::{Wallet as Wallets, WalletJournal, WalletTransactions};
use crate::records::encode;
use crate::records::wallet::{self as document, advanced, empty, reset};
use crate::{Result, StoreError};

/// Transactions that are replaced at the same time.
const REPLACES_AT_ONCE: usize = 8;

pub(super) async fn record(on: Scope, user_id: ObjectId) -> Attempt<Option<Document>> {
    on.record(Wallets, doc! { "user_id": any_form(user_id) }).await
}

pub(super) async fn wallet(on: Scope, user_id: ObjectId, now: Timestamp) -> Attempt<Wallet> {
    Ok(document::decode(&record_or_new(on, user_id, now).await?)?)
}

/// Of two that make it at once the unique index lets one through; the other takes what that one made.
async fn record_or_new(on: Scope, user_id: ObjectId, now: Timestamp) -> Attempt<Document> {
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

async fn project_some(on: Scope, wallet_id: ObjectId) -> Attempt<Step> {
    let kept = record(on.clone(), wallet_id).await?;
    let seq = kept.as_ref().map_or(0, document::last_seq);
    let rows = journal::rows_after(on.clone(), wallet_id, seq, PROJECT_ROWS_MAX).await?;
    let Some(first) = rows.first() else { return Ok(Step::AtTheEnd) };
    check_dense(wallet_id, seq, &rows)?;
    let kept = match kept {
        Some(kept) => kept,
        None => record_or_new(on.clone(), wallet_id, first.at).await?,
    };
    let shown = shown_before(&on, &rows).await?;
    let is_shown: BTreeSet<_> = shown.iter().map(|transaction| transaction.id).collect();
    let unseen = opened_before(&rows).into_iter().filter(|id| !is_shown.contains(id)).collect();
    let opened = journal::transactions(&on, unseen).await?;
    let changed = fold(&rows, shown.into_iter().chain(opened).collect())?;
    // Transactions first: whoever sees the document may count on them.
    let (known, new) = changed.iter().partition(|transaction| is_shown.contains(&transaction.id));
    put_transactions(&on, known, new).await?;
    let moved_on = replace(&on, &kept, advanced(kept.clone(), &rows, &changed)?).await?;
    let all = rows.len() < PROJECT_ROWS_MAX as usize;
    // Where someone else was faster, it is looked at again.
    Ok(if all && moved_on { Step::AtTheEnd } else { Step::Further })
}

/// The transactions that `rows` end and do not open, as far as they are shown.
async fn shown_before(on: &Scope, rows: &[Row]) -> Attempt<Vec<Transaction>> {
    let ids: Vec<_> = opened_before(rows).into_iter().map(oid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let filter = doc! { "_id": { "$in": ids } };
    on.all(WalletTransactions, Query { filter, ..Query::default() }).await
}

/// Replaces the document, unless it has moved on since it was read as `kept`; tells whether it did.
async fn replace(on: &Scope, kept: &Document, record: Document) -> Attempt<bool> {
    // null is also what is not there
    let seen = kept.get("last_seq").cloned().unwrap_or(Bson::Null);
    let filter = doc! { "_id": kept.get("_id").cloned().unwrap_or(Bson::Null), "last_seq": seen };
    let replaced = on.db.collection::<Document>(Wallets.name()).replace_one(filter, record).await?;
    Ok(replaced.matched_count > 0)
}

/// Each takes the place of an earlier state of itself only. Of `new` ones some may be there meanwhile.
async fn put_transactions(on: &Scope, mut known: Vec<&Transaction>, new: Vec<&Transaction>) -> Attempt<()> {
    let there = insert(on, &new).await?;
    check_places(on, &there).await?;
    known.extend(there);
    for some in known.chunks(REPLACES_AT_ONCE) {
        try_join_all(some.iter().map(|transaction| replace_earlier(on, transaction))).await?;
    }
    Ok(())
}

async fn replace_earlier(on: &Scope, transaction: &Transaction) -> Attempt<()> {
    let earlier = doc! { "_id": oid(transaction.id), "seq": { "$lt": number(transaction.seq) } };
    let record = encode(WalletTransactions, transaction)?;
    on.db.collection::<Document>(WalletTransactions.name()).replace_one(earlier, record).await?;
    Ok(())
}

/// In one command; answers those that could not be inserted because there is something in their place.
async fn insert<'a>(on: &Scope, new: &[&'a Transaction]) -> Attempt<Vec<&'a Transaction>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let records = new.iter().map(|transaction| encode(WalletTransactions, transaction)).collect::<Result<Vec<_>>>()?;
    let transactions = on.db.collection::<Document>(WalletTransactions.name());
    let Err(error) = transactions.insert_many(records).ordered(false).await else { return Ok(Vec::new()) };
    let refused = match &*error.kind {
        ErrorKind::InsertMany(failed) if failed.write_concern_error.is_none() => failed.write_errors.as_deref(),
        _ => None,
    };
    match refused {
        Some(refused) if refused.iter().all(|error| is_duplicate_code(error.code)) => {
            Ok(refused.iter().filter_map(|error| new.get(error.index).copied()).collect())
        }
        _ => Err(error.into()),
    }
}

/// That what was in the way of inserts is an earlier or later state of the same transactions.
async fn check_places(on: &Scope, there: &[&Transaction]) -> Attempt<()> {
    let Some(first) = there.first() else { return Ok(()) };
    let ids: Vec<_> = there.iter().map(|transaction| oid(transaction.id)).collect();
    let same = on.count(WalletTransactions.name(), doc! { "_id": { "$in": &ids } }).await?;
    if same == there.len() as u64 {
        return Ok(());
    }
    let ordinals: Vec<_> = there.iter().map(|transaction| number(transaction.ordinal)).collect();
    let mut others = of(first.wallet_id);
    others.extend(doc! { "ordinal": { "$in": ordinals }, "_id": { "$nin": ids } });
    if on.find(WalletTransactions.name(), others).await?.is_some() {
        let why = format!("others are shown in the places of transactions of wallet {}: rebuild it", first.wallet_id);
        return Err(StoreError::Internal(why).into());
    }
    // They are not yet at a majority.
    Err(Failure::Again(StoreError::Unavailable("mongodb: wallet_transactions is busy".to_owned())))
}

/// The document goes back to the beginning before the transactions are dropped, or it would vouch for what is not there;
/// and again after it, since someone may have brought both up to date in between.
pub(super) async fn rebuild(server: &Server, wallet_id: ObjectId) -> Result<u64> {
    // Views are not given up for rows that they can't be made of.
    server.until(server.deadline(), |_| journal::check_readable(server.on(), wallet_id)).await?;
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
