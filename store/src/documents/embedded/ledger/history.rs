//! Pages of transactions. Without filters a page is found by its ordinals and its sums are those of the last row, so it
//! costs the same however deep it lies. With filters one pass over an index, which holds all they ask for, counts and
//! adds up.

use metastamp_protocol::ObjectId;
use metastamp_protocol::ledger::Transaction;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{journal, sql};
use crate::Result;
use crate::documents::embedded::many;
use crate::documents::journal::{Group, add_up, sums_of};
use crate::ports::{HistoryPage, HistoryQuery, Sum};
use crate::sqlite::failed;

/// Named, because the planner knows nothing of how much each filter leaves over.
const PAGE: &str = "wallet_transactions_page";
const PAGE_OF_TYPE: &str = "wallet_transactions_type";
const SUMS: &str = "wallet_transactions_sums";
const ALL: &str = "wallet_transactions_all";
const ALL_OF_TYPE: &str = "wallet_transactions_all_type";

/// A statement with the values of its marks.
pub(super) struct Statement {
    pub sql: String,
    pub values: Vec<Value>,
}

/// Count, sums and rows of one instant: they run in one read transaction.
pub(super) fn page(c: &Connection, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let page = match query.wallet_id {
        Some(wallet_id) if query.is_unfiltered() => whole(&snapshot, wallet_id, skip, limit)?,
        _ => filtered(&snapshot, query, skip, limit)?,
    };
    snapshot.finish().map_err(failed)?;
    Ok(page)
}

fn whole(c: &Connection, wallet_id: ObjectId, skip: u64, limit: u32) -> Result<HistoryPage> {
    let Some(head) = journal::head(c, wallet_id)? else { return Ok(HistoryPage::default()) };
    let mut newest = c
        .prepare_cached("SELECT coalesce(max(ordinal), 0) FROM wallet_transactions WHERE wallet_id=?1")
        .map_err(failed)?;
    let total: i64 = newest.query_row([wallet_id.to_hex()], |row| row.get(0)).map_err(failed)?;
    let total = u64::try_from(total).unwrap_or(0);
    let sums = sums_of(&head.balances, given(c, wallet_id)?);
    let items = match total.saturating_sub(skip) {
        0 => Vec::new(),
        top => many(c, WHOLE_PAGE, params![wallet_id.to_hex(), sql(top), limit])?,
    };
    Ok(HistoryPage { items, total, sums })
}

pub(super) const WHOLE_PAGE: &str =
    "SELECT doc FROM wallet_transactions WHERE wallet_id=?1 AND ordinal<=?2 ORDER BY ordinal DESC LIMIT ?3";

/// Sums of bonuses and refunds.
fn given(c: &Connection, wallet_id: ObjectId) -> Result<Vec<Sum>> {
    let statement = Statement {
        sql: counting(SUMS, "wallet_id=? AND type IN ('bonus','refund') AND status='completed'"),
        values: vec![Value::from(wallet_id.to_hex())],
    };
    Ok(count(c, &statement)?.1)
}

fn filtered(c: &Connection, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
    let counting = counting_statement(query);
    let (total, sums) = match query.wallet_id {
        Some(_) => count(c, &counting)?,
        None => (count_only(c, &counting)?, Vec::new()),
    };
    let items = match skip < total && limit > 0 {
        true => run(c, &page_statement(query, skip, limit))?,
        false => Vec::new(),
    };
    Ok(HistoryPage { items, total, sums })
}

pub(super) fn below(
    c: &Connection,
    wallet_id: ObjectId,
    query: &HistoryQuery,
    ordinal: u64,
    limit: u32,
) -> Result<Vec<Transaction>> {
    run(c, &below_statement(wallet_id, query, ordinal, limit))
}

fn run(c: &Connection, statement: &Statement) -> Result<Vec<Transaction>> {
    many(c, &statement.sql, params_from_iter(&statement.values))
}

fn count(c: &Connection, statement: &Statement) -> Result<(u64, Vec<Sum>)> {
    let mut query = c.prepare_cached(&statement.sql).map_err(failed)?;
    let groups = query.query_map(params_from_iter(&statement.values), |row| {
        let count: i64 = row.get(3)?;
        let (billions, rest): (i64, i64) = (row.get(4)?, row.get(5)?);
        Ok(Group {
            kind: row.get(0)?,
            status: row.get(1)?,
            currency: row.get(2)?,
            count: u64::try_from(count).unwrap_or(0),
            amount: i128::from(billions) * BILLION + i128::from(rest),
        })
    });
    add_up(groups.and_then(Iterator::collect).map_err(failed)?)
}

fn count_only(c: &Connection, statement: &Statement) -> Result<u64> {
    let mut query = c.prepare_cached(&statement.sql).map_err(failed)?;
    let total: i64 = query.query_row(params_from_iter(&statement.values), |row| row.get(0)).map_err(failed)?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// What amounts are divided by before they are added up: the engine's integers end where sums may go on.
const BILLION: i128 = 1_000_000_000;

/// In groups as the indexes have them in order. Sums of what is not completed say nothing, and are left out.
fn counting(index: &str, filter: &str) -> String {
    format!(
        "SELECT type, status, currency, count(*), \
         sum(CASE status WHEN 'completed' THEN amount / {BILLION} ELSE 0 END), \
         sum(CASE status WHEN 'completed' THEN amount % {BILLION} ELSE 0 END) \
         FROM wallet_transactions INDEXED BY {index} WHERE {filter} GROUP BY type, status, currency"
    )
}

pub(super) fn counting_statement(query: &HistoryQuery) -> Statement {
    let (filter, values) = conditions(query, query.wallet_id.is_some());
    let sql = match query.wallet_id {
        Some(_) => counting(SUMS, &filter),
        None => {
            let index = all_index(query);
            format!("SELECT count(*) FROM wallet_transactions INDEXED BY {index} WHERE {filter}")
        }
    };
    Statement { sql, values }
}

pub(super) fn page_statement(query: &HistoryQuery, skip: u64, limit: u32) -> Statement {
    let (filter, mut values) = conditions(query, false);
    let (index, order) = match query.wallet_id {
        Some(_) => (page_index(query), "ordinal DESC"),
        None => (all_index(query), "created_at DESC, id DESC"),
    };
    values.extend([Value::from(i64::from(limit)), Value::from(sql(skip))]);
    let sql = format!(
        "SELECT doc FROM wallet_transactions INDEXED BY {index} WHERE {filter} ORDER BY {order} LIMIT ? OFFSET ?"
    );
    Statement { sql, values }
}

pub(super) fn below_statement(wallet_id: ObjectId, query: &HistoryQuery, ordinal: u64, limit: u32) -> Statement {
    let (filter, mut values) = conditions(&HistoryQuery { wallet_id: Some(wallet_id), ..query.clone() }, false);
    values.extend([Value::from(sql(ordinal)), Value::from(i64::from(limit))]);
    let index = page_index(query);
    let sql = format!(
        "SELECT doc FROM wallet_transactions INDEXED BY {index} WHERE {filter} AND ordinal<? ORDER BY ordinal DESC LIMIT ?"
    );
    Statement { sql, values }
}

fn page_index(query: &HistoryQuery) -> &'static str {
    if query.kind.is_some() { PAGE_OF_TYPE } else { PAGE }
}

fn all_index(query: &HistoryQuery) -> &'static str {
    if query.kind.is_some() && query.status.is_some() { ALL_OF_TYPE } else { ALL }
}

/// For `groups` in the order of [`SUMS`], a column only leads the search while all before it do: the planner would sort
/// what the index has in order already.
fn conditions(query: &HistoryQuery, groups: bool) -> (String, Vec<Value>) {
    let HistoryQuery { wallet_id, kind, status, currency, from, to } = query;
    let conditions = [
        ("wallet_id", "=", wallet_id.map(|id| Value::from(id.to_hex()))),
        ("type", "=", kind.map(|kind| Value::from(kind.as_str().to_owned()))),
        ("status", "=", status.map(|status| Value::from(status.as_str().to_owned()))),
        ("currency", "=", currency.map(|currency| Value::from(currency.code().to_owned()))),
        ("created_at", ">=", from.map(|at| Value::from(at.millis()))),
        ("created_at", "<=", to.map(|at| Value::from(at.millis()))),
    ];
    let (mut filters, mut values, mut leads) = (Vec::new(), Vec::new(), true);
    for (column, compares, value) in conditions {
        leads &= !groups || (value.is_some() && column != "created_at");
        if let Some(value) = value {
            // a column with a sign is no column to search by
            filters.push(format!("{}{column}{compares}?", if leads { "" } else { "+" }));
            values.push(value);
        }
    }
    let filter = if filters.is_empty() { "TRUE".to_owned() } else { filters.join(" AND ") };
    (filter, values)
}
