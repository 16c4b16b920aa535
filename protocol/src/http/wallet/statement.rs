//! Statements: what a journal says of a period, row by row, with the hashes that prove it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Number, Value, json};

use super::balances_view;
use crate::http::object;
use crate::ledger::{Account, Row, TransactionStatus};
use crate::{Amount, Currency, ObjectId, Timestamp};

/// A place in a journal: its last row then, or nothing.
#[derive(Debug, Clone)]
pub struct Mark<'a> {
    pub at: Timestamp,
    pub row: Option<&'a Row>,
}

/// What one row did to the wallet it is of.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a>(pub &'a Row);

#[derive(Debug, Serialize)]
pub struct EntryView<'a> {
    seq: u64,
    at: Timestamp,
    transaction_id: ObjectId,
    #[serde(rename = "type")]
    kind: &'static str,
    status: TransactionStatus,
    currency: Currency,
    amount: Number,
    pending: Number,
    debit: Account,
    credit: Account,
    moved: Number,
    description: &'a str,
    balances: Value,
    previous: &'a str,
    hash: &'a str,
}

/// One page of a statement.
#[derive(Debug)]
pub struct Statement<'a> {
    pub wallet_id: ObjectId,
    /// `None`: of all currencies.
    pub currency: Option<Currency>,
    /// Before the first instant of the period.
    pub opening: Mark<'a>,
    /// At the last instant of the period.
    pub closing: Mark<'a>,
    /// The last row of the journal, whenever it was written.
    pub head: Option<&'a Row>,
    pub entries: Vec<Entry<'a>>,
    pub limit: u32,
    /// The row after which the next page begins.
    pub next: Option<u64>,
}

impl<'a> Entry<'a> {
    /// By how much `balance` changes, with sign: what is available or held.
    pub fn booked(&self) -> Amount {
        self.change(|account, wallet| match account {
            Account::Available(id) | Account::Held(id) => id == wallet,
            _ => false,
        })
    }

    /// By how much pending earnings change, with sign.
    pub fn pending(&self) -> Amount {
        self.change(|account, wallet| account == Account::Pending(wallet))
    }

    fn change(&self, counts: impl Fn(Account, ObjectId) -> bool) -> Amount {
        let Entry(row) = *self;
        match (counts(row.debit, row.wallet_id), counts(row.credit, row.wallet_id)) {
            (false, true) => row.amount,
            (true, false) => row.amount.negated(),
            _ => Amount::ZERO,
        }
    }

    pub fn view(&self) -> EntryView<'a> {
        let Entry(row) = *self;
        let own = row.balances.get(&row.currency).copied().unwrap_or_default();
        EntryView {
            seq: row.seq,
            at: row.at,
            transaction_id: row.transaction_id,
            kind: super::shown_type(row.kind),
            status: row.status,
            currency: row.currency,
            amount: self.booked().number(row.currency),
            pending: self.pending().number(row.currency),
            debit: row.debit,
            credit: row.credit,
            moved: row.amount.number(row.currency),
            description: &row.description,
            balances: balances_view(&own, row.currency),
            previous: &row.previous,
            hash: &row.hash,
        }
    }
}

impl Mark<'_> {
    fn view(&self, only: Option<Currency>) -> Value {
        let held = self.row.map(|row| &row.balances).into_iter().flatten();
        let mut balances: BTreeMap<&str, Value> = held
            .filter(|(currency, _)| only.is_none_or(|only| only == **currency))
            .map(|(currency, own)| (currency.code(), balances_view(own, *currency)))
            .collect();
        if let Some(only) = only {
            balances.entry(only.code()).or_insert_with(|| balances_view(&Default::default(), only));
        }
        let mut view = place(self.row);
        view["at"] = json!(self.at);
        view["balances"] = json!(balances);
        view
    }
}

/// Number and hash of a row; zeros where there is none.
fn place(row: Option<&Row>) -> Value {
    let (seq, hash) = row.map_or((0, Row::GENESIS), |row| (row.seq, row.hash.as_str()));
    json!({ "seq": seq, "hash": hash })
}

impl Statement<'_> {
    /// Flat and under `data`.
    pub fn body(&self) -> Value {
        let entries: Vec<Value> = self.entries.iter().map(|entry| Value::Object(object(&entry.view()))).collect();
        let flat = json!({
            "wallet_id": self.wallet_id,
            "from": self.opening.at,
            "to": self.closing.at,
            "currency": self.currency.map(Currency::code),
            "opening": self.opening.view(self.currency),
            "entries": entries,
            "closing": self.closing.view(self.currency),
            "head": place(self.head),
            "limit": self.limit,
            "next": self.next,
        });
        let mut body = flat.clone();
        body["data"] = flat;
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Balances, TransactionType};

    fn row(wallet: ObjectId, debit: Account, credit: Account) -> Row {
        let amount = Amount::from_minor(1_234).unwrap();
        let own = Balances { available: amount, ..Balances::default() };
        Row {
            id: Row::id_of(wallet, 7),
            version: Row::VERSION,
            wallet_id: wallet,
            seq: 7,
            at: Timestamp(7_000),
            transaction_id: ObjectId::generate(),
            ordinal: 3,
            transactions: 3,
            kind: TransactionType::Payout,
            status: TransactionStatus::Pending,
            resolves: None,
            currency: Currency::Usd,
            amount,
            debit,
            credit,
            overdraft: Amount::ZERO,
            description: "to the bank".to_owned(),
            asset_id: None,
            reference_id: None,
            metadata: BTreeMap::new(),
            idempotency_key: "k".to_owned(),
            request_hash: String::new(),
            asked_by: wallet,
            balances: BTreeMap::from([(Currency::Usd, own)]),
            batch: wallet,
            writer: "a/1".to_owned(),
            previous: Row::GENESIS.to_owned(),
            hash: String::new(),
            other: BTreeMap::new(),
        }
        .sealed()
    }

    #[test]
    fn rows_change_what_is_booked_what_is_pending_or_neither() {
        let (own, other) = (ObjectId::generate(), ObjectId::generate());
        let change = |debit, credit| {
            let row = row(own, debit, credit);
            let entry = Entry(&row);
            (entry.booked().minor(), entry.pending().minor())
        };
        assert_eq!(change(Account::Clearing(other), Account::Pending(own)), (0, 1_234));
        assert_eq!(change(Account::Pending(own), Account::Available(own)), (1_234, -1_234));
        assert_eq!(change(Account::Available(own), Account::Held(own)), (0, 0));
        assert_eq!(change(Account::Held(own), Account::Payouts), (-1_234, 0));
        assert_eq!(change(Account::Held(own), Account::Available(own)), (0, 0));
        assert_eq!(change(Account::Available(other), Account::Available(own)), (1_234, 0));
    }

    #[test]
    fn a_statement_names_both_ends_and_the_head() {
        let own = ObjectId::generate();
        let row = row(own, Account::Held(own), Account::Payouts);
        let statement = Statement {
            wallet_id: own,
            currency: Some(Currency::Eur),
            opening: Mark { at: Timestamp(0), row: None },
            closing: Mark { at: Timestamp(9_000), row: Some(&row) },
            head: Some(&row),
            entries: vec![Entry(&row)],
            limit: 1,
            next: Some(7),
        };
        let body = statement.body();
        assert_eq!(body["opening"]["hash"], Row::GENESIS);
        assert_eq!((&body["head"]["seq"], &body["head"]["hash"]), (&json!(7), &json!(row.hash)));
        assert_eq!(body["entries"][0]["amount"].to_string(), "-12.34");
        assert_eq!(body["closing"]["balances"]["EUR"]["balance"].to_string(), "0.0");
        assert_eq!(body["closing"]["balances"].as_object().unwrap().len(), 1);
        assert_eq!(body["data"]["next"], 7);
        let all = Statement { currency: None, ..statement }.body();
        assert_eq!(all["closing"]["balances"]["USD"]["balance"].to_string(), "12.34");
    }
}
