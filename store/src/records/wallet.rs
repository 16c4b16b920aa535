//! The document of a wallet at rest. Where the original system and people look (`balance`, `transactions.amount`, ...)
//! amounts are Decimal128 in whole units; beside it lies what we go on from: `last_seq`, `head_hash`, `balances` in minor
//! units. Members that nobody here knows stay, and what the original kept moves to `legacy` when its wallet first changes.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use metastamp_protocol::ledger::{Balances, RECENT_MAX, Row, Transaction, TransactionStatus, TransactionType, Wallet};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp, money as exact};
use mongodb::bson::{self, Bson, DateTime, Decimal128, Document, doc, oid};
use serde_json::Value;

use super::{legacy, money};
use crate::{Result, StoreError};

/// What the original system kept in a wallet.
const OLD_MEMBERS: [&str; 6] =
    ["balance", "pending_earnings", "total_earned", "total_paid_out", "currency", "transactions"];

/// A wallet that never held anything.
pub(crate) fn empty(user_id: ObjectId, now: Timestamp) -> Result<Document> {
    let now = date(now);
    reset(doc! { "_id": oid::ObjectId::new(), "user_id": id(user_id), "created_at": now, "updated_at": now })
}

/// The document as it was before the first row of the journal.
pub(crate) fn reset(kept: Document) -> Result<Document> {
    let mut record = with_old_aside(kept);
    for member in ["last_payout_at", "last_payout_amount", "last_payout_currency"] {
        record.remove(member);
    }
    put_balances(&mut record, &BTreeMap::new())?;
    record.extend(doc! { "transactions": Vec::<Bson>::new(), "last_seq": 0_i64, "head_hash": Row::GENESIS });
    Ok(record)
}

/// The document after `rows`, which follow those it knows. `changed` are the transactions that they touch, as they are
/// after them.
pub(crate) fn advanced(kept: Document, rows: &[Row], changed: &[Transaction]) -> Result<Document> {
    let Some(last) = rows.last() else { return Ok(kept) };
    let mut record = with_old_aside(kept);
    put_balances(&mut record, &last.balances)?;
    let mut recent = match record.remove("transactions") {
        Some(Bson::Array(recent)) => recent,
        _ => Vec::new(),
    };
    for transaction in changed {
        put_transaction(&mut recent, transaction)?;
    }
    let seq = i64::try_from(last.seq).map_err(|_| broken("a row number is too large"))?;
    record
        .extend(doc! { "transactions": recent, "last_seq": seq, "head_hash": &last.hash, "updated_at": date(last.at) });
    let paid_out = |row: &&Row| row.kind == TransactionType::Payout && row.status == TransactionStatus::Completed;
    if let Some(payout) = rows.iter().rev().find(paid_out) {
        record.extend(doc! {
            "last_payout_at": date(payout.at),
            "last_payout_amount": decimal(payout.amount, payout.currency)?,
            "last_payout_currency": payout.currency.code(),
        });
    }
    Ok(record)
}

/// Row that was applied last; 0 before the first.
pub(crate) fn last_seq(record: &Document) -> u64 {
    let seq = match record.get("last_seq") {
        Some(Bson::Int64(seq)) => *seq,
        Some(Bson::Int32(seq)) => i64::from(*seq),
        _ => 0,
    };
    u64::try_from(seq).unwrap_or(0)
}

/// Transactions there were, the newest being the first of the list.
pub(crate) fn transaction_count(record: &Document) -> u64 {
    let newest = record.get_array("transactions").ok().and_then(|recent| recent.first());
    newest.and_then(ordinal).unwrap_or(0)
}

/// The wallet of a document, also of one that the original wrote: then its balances are those found there.
///
/// # Errors
/// `Internal` when it names no owner.
pub fn decode(record: &Document) -> Result<Wallet> {
    let user_id = record.get("user_id").and_then(read_id).ok_or_else(|| broken("it names no owner"))?;
    let kept_id = record.get("_id").unwrap_or(&Bson::Null);
    // An _id of another kind stands for itself: the wallet is found by its owner.
    let id = read_id(kept_id).unwrap_or_else(|| ObjectId::derived(&["wallet", &kept_id.to_string()]));
    let last_seq = last_seq(record);
    let balances = balances(record)?;
    let instant = |name: &str| record.get(name).and_then(read_date);
    let created_at = instant("created_at").unwrap_or_default();
    let recent = record.get_array("transactions").map(Vec::as_slice).unwrap_or_default();
    Ok(Wallet {
        id,
        user_id,
        last_seq,
        head_hash: record.get_str("head_hash").unwrap_or(Row::GENESIS).to_owned(),
        balances,
        transactions: recent.iter().filter_map(|entry| read_transaction(user_id, entry.as_document()?)).collect(),
        last_payout_at: instant("last_payout_at"),
        last_payout_amount: last_payout(record),
        created_at,
        updated_at: instant("updated_at").unwrap_or(created_at),
    })
}

/// Also those of a wallet that the original wrote, until its journal has a first row.
pub(crate) fn balances(record: &Document) -> Result<BTreeMap<Currency, Balances>> {
    match last_seq(record) {
        0 => Ok(old_balances(record.get_document("legacy").unwrap_or(record))),
        _ => read_balances(record),
    }
}

fn with_old_aside(mut record: Document) -> Document {
    if !record.contains_key("last_seq") {
        let old: Document =
            OLD_MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), record.remove(name)?))).collect();
        if !old.is_empty() {
            record.insert("legacy", old);
        }
    }
    record
}

fn put_balances(record: &mut Document, balances: &BTreeMap<Currency, Balances>) -> Result<()> {
    let usd = balances.get(&Currency::Usd).copied().unwrap_or_default();
    let posted = usd.posted().ok_or_else(|| broken("its balance has more than 15 digits"))?;
    let all = bson::serialize_to_bson(balances).map_err(|e| broken(&e.to_string()))?;
    record.extend(doc! {
        "balance": decimal(posted, Currency::Usd)?,
        "currency": Currency::Usd.code(),
        "pending_earnings": decimal(usd.pending, Currency::Usd)?,
        "total_earned": decimal(usd.earned, Currency::Usd)?,
        "total_paid_out": decimal(usd.paid_out, Currency::Usd)?,
        "balances": all,
    });
    Ok(())
}

fn read_balances(record: &Document) -> Result<BTreeMap<Currency, Balances>> {
    let balances = record.get("balances").cloned().ok_or_else(|| broken("it has no balances"))?;
    bson::deserialize_from_bson(balances).map_err(|e| broken(&e.to_string()))
}

/// What the original says of one currency; nothing when it says zero.
fn old_balances(record: &Document) -> BTreeMap<Currency, Balances> {
    let currency = record.get_str("currency").ok().and_then(Currency::parse).unwrap_or_default();
    let amount = |name| record.get(name).and_then(|value| read_amount(value, currency)).unwrap_or_default();
    let (available, earned, paid_out) = (amount("balance"), amount("total_earned"), amount("total_paid_out"));
    let adjusted = available.minus(earned).and_then(|rest| rest.plus(paid_out)).unwrap_or_default();
    let pending = amount("pending_earnings");
    let balances = Balances { available, pending, earned, paid_out, adjusted, ..Balances::default() };
    (balances != Balances::default()).then_some((currency, balances)).into_iter().collect()
}

/// Into its place: newest first, at most [`RECENT_MAX`].
fn put_transaction(recent: &mut Vec<Bson>, transaction: &Transaction) -> Result<()> {
    let at = recent.partition_point(|entry| ordinal(entry).is_some_and(|ordinal| ordinal > transaction.ordinal));
    let entry = Bson::Document(write_transaction(transaction)?);
    match recent.get_mut(at) {
        Some(there) if ordinal(there) == Some(transaction.ordinal) => *there = entry,
        _ if at >= RECENT_MAX => {}
        _ => recent.insert(at, entry),
    }
    recent.truncate(RECENT_MAX);
    Ok(())
}

fn ordinal(entry: &Bson) -> Option<u64> {
    u64::try_from(entry.as_document()?.get_i64("ordinal").ok()?).ok()
}

fn write_transaction(transaction: &Transaction) -> Result<Document> {
    let Transaction { kind, status, currency, ordinal, seq, .. } = transaction;
    let number = |n: u64| i64::try_from(n).map_err(|_| broken("a row number is too large"));
    let mut entry = doc! {
        "transaction_id": id(transaction.id), "transaction_type": kind.as_str(), "type": kind.as_str(),
        "amount": decimal(transaction.amount, *currency)?, "currency": currency.code(), "status": status.as_str(),
        "description": &transaction.description,
    };
    entry.extend(transaction.asset_id.map(|asset| ("asset_id".to_owned(), Bson::ObjectId(id(asset)))));
    let reference = transaction.reference_id.clone();
    entry.extend(reference.map(|reference| ("reference_id".to_owned(), Bson::String(reference))));
    let metadata: Document =
        transaction.metadata.iter().map(|(name, value)| (name.clone(), Bson::String(value.clone()))).collect();
    entry.extend(doc! { "metadata": metadata, "timestamp": date(transaction.created_at) });
    let instants = [("completed_at", transaction.completed_at()), ("processed_at", transaction.processed_at)];
    entry.extend(instants.into_iter().filter_map(|(name, at)| Some((name.to_owned(), Bson::DateTime(date(at?))))));
    entry.extend(doc! { "ordinal": number(*ordinal)?, "seq": number(*seq)? });
    Ok(entry)
}

/// `None` for what the original wrote: no row of a journal stands behind it.
fn read_transaction(wallet_id: ObjectId, entry: &Document) -> Option<Transaction> {
    let currency = Currency::parse(entry.get_str("currency").ok()?)?;
    let text = |name: &str| entry.get_str(name).ok().map(str::to_owned);
    let number = |name: &str| u64::try_from(entry.get_i64(name).ok()?).ok();
    let metadata = entry.get_document("metadata").cloned().unwrap_or_default();
    Some(Transaction {
        id: read_id(entry.get("transaction_id")?)?,
        wallet_id,
        ordinal: number("ordinal")?,
        kind: TransactionType::parse(entry.get_str("type").ok()?)?,
        status: TransactionStatus::parse(entry.get_str("status").ok()?)?,
        currency,
        amount: read_amount(entry.get("amount")?, currency)?,
        description: text("description")?,
        asset_id: entry.get("asset_id").and_then(read_id),
        reference_id: text("reference_id"),
        metadata: metadata.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
        created_at: read_date(entry.get("timestamp")?)?,
        processed_at: entry.get("processed_at").and_then(read_date),
        seq: number("seq")?,
    })
}

fn last_payout(record: &Document) -> Option<(Currency, Amount)> {
    let currency = Currency::parse(record.get_str("last_payout_currency").ok()?)?;
    Some((currency, read_amount(record.get("last_payout_amount")?, currency)?))
}

/// The original kept doubles, which may be finer than a coin.
fn read_amount(value: &Bson, currency: Currency) -> Option<Amount> {
    let number = exact::decimal(&money::read(value)?).ok()?;
    Amount::round_half_up(&number, currency).ok()
}

fn decimal(amount: Amount, currency: Currency) -> Result<Bson> {
    let text = amount.text(currency);
    Decimal128::from_str(&text).map(Bson::Decimal128).map_err(|e| broken(&format!("{text}: {e}")))
}

fn id(id: ObjectId) -> oid::ObjectId {
    oid::ObjectId::from_bytes(*id.as_bytes())
}

fn read_id(value: &Bson) -> Option<ObjectId> {
    match value {
        Bson::ObjectId(id) => id.to_hex().parse().ok(),
        Bson::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.millis())
}

fn read_date(value: &Bson) -> Option<Timestamp> {
    match value {
        Bson::DateTime(at) => Some(Timestamp(at.timestamp_millis())),
        Bson::String(text) => serde_json::from_value(Value::String(legacy::instant(text.clone()))).ok(),
        _ => None,
    }
}

fn broken(why: &str) -> StoreError {
    StoreError::Internal(format!("a record of wallet makes no sense: {why}"))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use metastamp_protocol::ledger::Account;
    use proptest::prelude::*;

    use super::super::{Collection, decode as decode_record, encode as encode_record};
    use super::*;

    const KINDS: [TransactionType; 4] =
        [TransactionType::Earning, TransactionType::Payout, TransactionType::Adjustment, TransactionType::Spend];

    prop_compose! {
        fn any_amount()(minor in -Amount::MINOR_MAX..=Amount::MINOR_MAX) -> Amount { Amount::from_minor(minor).unwrap() }
    }
    prop_compose! {
        fn any_id()(seed in any::<u64>()) -> ObjectId { ObjectId::derived(&[&seed.to_string()]) }
    }
    prop_compose! {
        fn any_balances()(amounts in prop::array::uniform8(any_amount())) -> Balances {
            let [available, held, pending, earned, paid_out, adjusted, deposited, spent] = amounts;
            Balances { available, held, pending, earned, paid_out, adjusted, deposited, spent }
        }
    }

    fn any_texts() -> impl Strategy<Value = BTreeMap<String, String>> {
        // what names of members may be: see `check` of journals
        prop::collection::btree_map("[^\0]{1,12}", any::<String>(), 0..4)
    }

    /// Members that newer software may write. None has the name of one that there is.
    fn any_other() -> impl Strategy<Value = BTreeMap<String, Value>> {
        let whole = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            whole.prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 12, 4, |inner| {
            let items = prop::collection::vec(prop_oneof![3 => inner.clone(), 1 => Just(Value::Null)], 0..4);
            let members = prop::collection::btree_map("[^\0]{1,6}", inner, 0..4);
            prop_oneof![items.prop_map(Value::from), members.prop_map(|all| Value::Object(all.into_iter().collect()))]
        });
        prop::collection::btree_map("x[^\0]{0,6}", value, 0..3)
    }

    prop_compose! {
        fn any_row()(
            (wallet_id, transaction_id, asset, batch) in (any_id(), any_id(), prop::option::of(any_id()), any_id()),
            (seq, ordinal) in (1_u64..1_000_000_000_000, 1_u64..1_000_000_000_000),
            (at, kind, currency) in (0_i64..253_402_300_800_000, 0..KINDS.len(), 0..Currency::ALL.len()),
            (amount, overdraft, ends) in (any_amount(), any_amount(), any::<bool>()),
            (description, key, writer) in any::<(String, String, String)>(),
            (reference_id, metadata) in (prop::option::of(any::<String>()), any_texts()),
            balances in prop::collection::btree_map(0..Currency::ALL.len(), any_balances(), 0..4),
            (version, other) in (1..=Row::VERSION, any_other()),
        ) -> Row {
            Row {
                id: Row::id_of(wallet_id, seq), version, wallet_id, seq, at: Timestamp(at), transaction_id,
                ordinal, transactions: ordinal, kind: KINDS[kind], status: TransactionStatus::Completed, resolves: ends.then_some(transaction_id),
                currency: Currency::ALL[currency], amount, debit: Account::Clearing(batch),
                credit: Account::Available(wallet_id), overdraft, description, asset_id: asset, reference_id, metadata,
                idempotency_key: key, request_hash: "ab".repeat(32), asked_by: batch,
                balances: balances.into_iter().map(|(n, balances)| (Currency::ALL[n], balances)).collect(),
                batch, writer, previous: Row::GENESIS.to_owned(), hash: String::new(), other,
            }.sealed()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_row_is_the_same_after_its_record(row in any_row()) {
            let record = encode_record(Collection::WalletJournal, &row).unwrap();
            let bytes = bson::serialize_to_vec(&record).unwrap();
            let read: Row = decode_record(Collection::WalletJournal, bson::deserialize_from_slice(&bytes).unwrap()).unwrap();
            prop_assert_eq!(read.digest(), row.hash.clone());
            prop_assert_eq!(&read, &row);
            // and the other way to keep it
            prop_assert_eq!(Row::from_json(&row.to_json().unwrap()).unwrap(), row);
        }

        #[test]
        fn a_transaction_is_the_same_after_its_record(row in any_row()) {
            let transaction = Transaction::opened(&row);
            let record = encode_record(Collection::WalletTransactions, &transaction).unwrap();
            prop_assert_eq!(&decode_record::<Transaction>(Collection::WalletTransactions, record).unwrap(), &transaction);
            let entry = write_transaction(&transaction).unwrap();
            prop_assert_eq!(read_transaction(row.wallet_id, &entry), Some(transaction));
        }

        #[test]
        fn a_wallet_is_the_same_after_its_document(row in any_row(), small in any_balances()) {
            let balances = BTreeMap::from([(Currency::Jpy, small)]);
            let row = Row { balances, ..row }.sealed();
            let transaction = Transaction::opened(&row);
            let record = advanced(empty(row.wallet_id, Timestamp(5)).unwrap(), from_ref(&row), from_ref(&transaction)).unwrap();
            let wallet = decode(&record).unwrap();
            prop_assert_eq!((wallet.last_seq, &wallet.head_hash, &wallet.balances), (row.seq, &row.hash, &row.balances));
            prop_assert_eq!(wallet.transactions, [transaction]);
            prop_assert_eq!((wallet.user_id, wallet.created_at, wallet.updated_at), (row.wallet_id, Timestamp(5), row.at));
            let paid = row.kind == TransactionType::Payout;
            prop_assert_eq!(wallet.last_payout_amount, paid.then_some((row.currency, row.amount)));
        }
    }
}
