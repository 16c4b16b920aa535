//! Pages of transactions. Without filters a page is found by its ordinals, and count and sums are those of the wallet's
//! document, so it costs the same however deep it lies. With filters one pass over an index counts and adds up.

use std::time::Duration;

use metastamp_protocol::ObjectId;
use metastamp_protocol::ledger::Transaction;
use mongodb::bson::{Bson, Document, doc};

use super::journal::{self, number, of};
use super::views;
use crate::Result;
use crate::documents::journal::{Group, add_up, sums_of};
use crate::documents::mongo::call::Server;
use crate::documents::mongo::fault::Attempt;
use crate::documents::mongo::scope::{Query, Scope, date, oid, whole};
use crate::ports::{HistoryPage, HistoryQuery, Sum};
use crate::records::Collection::WalletTransactions;
use crate::records::wallet as document;

pub(super) async fn page(server: &Server, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
    let deadline = server.deadline();
    let Some(wallet_id) = query.wallet_id else {
        return server.until(deadline, |_| filtered(server.on(), query, skip, limit)).await;
    };
    catch_up(server, wallet_id).await?;
    match query.is_unfiltered() {
        true => server.until(deadline, |_| unfiltered(server.on(), wallet_id, skip, limit)).await,
        false => server.until(deadline, |_| filtered(server.on(), query, skip, limit)).await,
    }
}

pub(super) async fn below(server: &Server, query: &HistoryQuery, ordinal: u64, limit: u32) -> Result<Vec<Transaction>> {
    let wallet_id = query.of_one_wallet()?;
    if limit == 0 {
        return Ok(Vec::new());
    }
    catch_up(server, wallet_id).await?;
    let mut filter = matching(query);
    filter.insert("ordinal", doc! { "$lt": number(ordinal) });
    server
        .until(server.deadline(), |_| {
            let query = Query { filter: filter.clone(), sort: doc! { "ordinal": -1 }, limit, ..Query::default() };
            let on = server.on();
            async move { on.all(WalletTransactions, query).await }
        })
        .await
}

/// Brings the views up to date, if the journal is further.
async fn catch_up(server: &Server, wallet_id: ObjectId) -> Result<()> {
    let are_behind = server
        .until(server.deadline(), |_| async {
            let (head, record) =
                tokio::try_join!(journal::head(server.on(), wallet_id), views::record(server.on(), wallet_id))?;
            Ok(head.map_or(0, |head| head.seq) > record.as_ref().map_or(0, document::last_seq))
        })
        .await?;
    if are_behind { views::project(server, wallet_id).await } else { Ok(()) }
}

/// Count and sums are of one instant, that of the document. The page is of those that it counts.
async fn unfiltered(on: Scope, wallet_id: ObjectId, skip: u64, limit: u32) -> Attempt<HistoryPage> {
    let Some(record) = views::record(on.clone(), wallet_id).await? else { return Ok(HistoryPage::default()) };
    let total = document::transaction_count(&record);
    if total == 0 {
        return Ok(HistoryPage::default());
    }
    let mut filter = of(wallet_id);
    filter.insert("ordinal", doc! { "$lt": number(total.saturating_sub(skip) + 1) });
    let query = Query { filter, sort: doc! { "ordinal": -1 }, limit, ..Query::default() };
    let items = async {
        match limit == 0 || skip >= total {
            true => Ok(Vec::new()),
            false => on.all(WalletTransactions, query).await,
        }
    };
    let (items, given) = tokio::try_join!(items, given(&on, wallet_id, total))?;
    Ok(HistoryPage { items, total, sums: sums_of(&document::balances(&record)?, given) })
}

/// Sums of bonuses and refunds.
async fn given(on: &Scope, wallet_id: ObjectId, ordinal_max: u64) -> Attempt<Vec<Sum>> {
    let mut filter = of(wallet_id);
    filter.extend(doc! {
        "type": { "$in": ["bonus", "refund"] }, "status": "completed", "ordinal": { "$lt": number(ordinal_max + 1) },
    });
    Ok(count(on, filter).await?.1)
}

async fn filtered(on: Scope, query: &HistoryQuery, skip: u64, limit: u32) -> Attempt<HistoryPage> {
    let filter = matching(query);
    let (total, sums) = match query.wallet_id {
        Some(_) => count(&on, filter.clone()).await?,
        None => (on.count(WalletTransactions.name(), filter.clone()).await?, Vec::new()),
    };
    if skip >= total || limit == 0 {
        return Ok(HistoryPage { items: Vec::new(), total, sums });
    }
    let sort = match query.wallet_id {
        Some(_) => doc! { "ordinal": -1 },
        None => doc! { "created_at": -1, "_id": -1 },
    };
    let items = on.all(WalletTransactions, Query { filter, sort, skip, limit }).await?;
    Ok(HistoryPage { items, total, sums })
}

async fn count(on: &Scope, filter: Document) -> Attempt<(u64, Vec<Sum>)> {
    let by = doc! { "type": "$type", "status": "$status", "currency": "$currency" };
    let group = doc! { "_id": by, "n": { "$sum": 1 }, "amount": { "$sum": "$amount" } };
    let groups =
        on.aggregate(WalletTransactions.name(), vec![doc! { "$match": filter }, doc! { "$group": group }]).await?;
    Ok(add_up(groups.iter().map(read_group).collect())?)
}

fn read_group(group: &Document) -> Group {
    let word = |name: &str| {
        let words = group.get_document("_id").ok();
        words.and_then(|words| words.get_str(name).ok()).unwrap_or_default().to_owned()
    };
    let amount = match group.get("amount") {
        Some(Bson::Int64(amount)) => i128::from(*amount),
        Some(Bson::Int32(amount)) => i128::from(*amount),
        // The server goes over to doubles where integers end: far beyond the bounds of amounts.
        Some(Bson::Double(amount)) => *amount as i128,
        _ => 0,
    };
    let (kind, status, currency) = (word("type"), word("status"), word("currency"));
    Group { kind, status, currency, count: whole(group.get("n")), amount }
}

/// Upper bounds are exclusive everywhere: servers that only speak the protocol may leave out what equals an inclusive one
/// in the middle of an index.
fn matching(query: &HistoryQuery) -> Document {
    let HistoryQuery { wallet_id, kind, status, currency, from, to } = query;
    let conditions = [
        ("wallet_id", wallet_id.map(|id| Bson::ObjectId(oid(id)))),
        ("type", kind.map(|kind| kind.as_str().into())),
        ("status", status.map(|status| status.as_str().into())),
        ("currency", currency.map(|currency| currency.code().into())),
    ];
    let mut filter: Document =
        conditions.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let after = to.map(|to| to.plus(Duration::from_millis(1)));
    let bounds = [("$gte", *from), ("$lt", after)];
    let bounds: Document =
        bounds.into_iter().filter_map(|(name, at)| Some((name.to_owned(), Bson::DateTime(date(at?))))).collect();
    if !bounds.is_empty() {
        filter.insert("created_at", bounds);
    }
    filter
}
