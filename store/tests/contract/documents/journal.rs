//! Journals as the ledger would write them, for tests of what keeps them.

use std::collections::BTreeMap;

use metastamp_protocol::ledger::{Account, Balances, Row, Transaction, TransactionStatus, TransactionType};
use metastamp_protocol::{Amount, Currency, ObjectId};
use metastamp_store::Stores;

use super::fixtures::at;

pub fn cents(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// One wallet and all its rows so far, one a second.
#[derive(Clone)]
pub struct Journal {
    pub wallet: ObjectId,
    pub rows: Vec<Row>,
    pub currency: Currency,
}

impl Journal {
    pub fn new() -> Self {
        Self { wallet: ObjectId::generate(), rows: Vec::new(), currency: Currency::Usd }
    }

    /// A pending earning.
    pub fn earn(&mut self, minor: i64) -> Row {
        let (debit, credit) = (Account::Clearing(ObjectId::derived(&["partner"])), Account::Pending(self.wallet));
        self.open(TransactionType::Earning, TransactionStatus::Pending, minor, debit, credit)
    }

    /// A pending payout.
    pub fn payout(&mut self, minor: i64) -> Row {
        let (debit, credit) = (Account::Available(self.wallet), Account::Held(self.wallet));
        self.open(TransactionType::Payout, TransactionStatus::Pending, minor, debit, credit)
    }

    pub fn bonus(&mut self, minor: i64) -> Row {
        let credit = Account::Available(self.wallet);
        self.open(TransactionType::Bonus, TransactionStatus::Completed, minor, Account::Bonuses, credit)
    }

    pub fn refund(&mut self, minor: i64) -> Row {
        let credit = Account::Available(self.wallet);
        self.open(TransactionType::Refund, TransactionStatus::Completed, minor, Account::Refunds, credit)
    }

    /// Up or down.
    pub fn adjust(&mut self, minor: i64) -> Row {
        let (own, other) = (Account::Available(self.wallet), Account::Adjustments);
        let (debit, credit) = if minor < 0 { (own, other) } else { (other, own) };
        self.open(TransactionType::Adjustment, TransactionStatus::Completed, minor.abs(), debit, credit)
    }

    /// Ends a pending earning or payout.
    pub fn end(&mut self, opening: &Row, status: TransactionStatus) -> Row {
        let completed = status == TransactionStatus::Completed;
        let (debit, credit) = match (opening.kind, completed) {
            (TransactionType::Earning, true) => (opening.credit, Account::Available(self.wallet)),
            (TransactionType::Payout, true) => (opening.credit, Account::Payouts),
            _ => (opening.credit, opening.debit),
        };
        let row = Row {
            status,
            debit,
            credit,
            resolves: Some(opening.transaction_id),
            description: format!("{} it", status.as_str()),
            reference_id: None,
            metadata: BTreeMap::from([("ended".to_owned(), status.as_str().to_owned())]),
            ..opening.clone()
        };
        self.add(row)
    }

    fn open(
        &mut self,
        kind: TransactionType,
        status: TransactionStatus,
        minor: i64,
        debit: Account,
        credit: Account,
    ) -> Row {
        let number = self.rows.iter().rfind(|row| row.is_opening()).map_or(0, |row| row.ordinal) + 1;
        let row = Row {
            id: String::new(),
            version: Row::VERSION,
            wallet_id: self.wallet,
            seq: 0,
            at: at(0),
            transaction_id: ObjectId::derived(&["t", &self.wallet.to_hex(), &number.to_string()]),
            ordinal: number,
            transactions: number,
            kind,
            status,
            resolves: None,
            currency: self.currency,
            amount: cents(minor),
            debit,
            credit,
            overdraft: Amount::ZERO,
            description: format!("{} \"{number}\" \u{1f600}", kind.as_str()),
            asset_id: (number % 2 == 0).then(ObjectId::generate),
            reference_id: Some(format!("event {number}")),
            metadata: BTreeMap::from([("période".to_owned(), "2026-11".to_owned())]),
            idempotency_key: String::new(),
            request_hash: "00".repeat(32),
            asked_by: ObjectId::derived(&["someone"]),
            balances: BTreeMap::new(),
            batch: ObjectId::generate(),
            writer: "n/1".to_owned(),
            previous: String::new(),
            hash: String::new(),
            other: BTreeMap::new(),
        };
        self.add(row)
    }

    /// Puts the row at the end of the chain.
    fn add(&mut self, row: Row) -> Row {
        let last = self.rows.last();
        let seq = last.map_or(0, |last| last.seq) + 1;
        let mut balances = last.map(|last| last.balances.clone()).unwrap_or_default();
        balances.insert(row.currency, moved(balances.get(&row.currency).copied().unwrap_or_default(), &row));
        let transactions = last.map_or(0, |last| last.transactions).max(row.ordinal);
        let row = Row {
            id: Row::id_of(self.wallet, seq),
            seq,
            transactions,
            at: at(i64::try_from(seq).unwrap()),
            idempotency_key: format!("key {seq}"),
            balances,
            previous: last.map_or(Row::GENESIS.to_owned(), |last| last.hash.clone()),
            ..row
        }
        .sealed();
        self.rows.push(row.clone());
        row
    }

    /// Rows that were not written before are written, in commits of a hundred.
    pub async fn write(&self, store: &Stores) {
        let there = store.ledger.head(self.wallet).await.unwrap().map_or(0, |head| head.seq);
        for rows in self.rows[usize::try_from(there).unwrap()..].chunks(100) {
            store.ledger.commit(rows.to_vec()).await.unwrap();
        }
    }

    /// What they add up to, newest first.
    pub fn transactions(&self) -> Vec<Transaction> {
        let mut transactions: Vec<Transaction> = Vec::new();
        for row in &self.rows {
            match row.is_opening() {
                true => transactions.push(Transaction::opened(row)),
                false => transactions.iter_mut().for_each(|transaction| transaction.apply(row)),
            }
        }
        transactions.reverse();
        transactions
    }
}

/// Balances after a row.
fn moved(before: Balances, row: &Row) -> Balances {
    let mut after = before;
    let amount = row.amount;
    let add = |to: &mut Amount, amount: Amount| *to = to.plus(amount).unwrap();
    for (account, amount) in [(row.debit, amount.negated()), (row.credit, amount)] {
        match account {
            Account::Available(_) => add(&mut after.available, amount),
            Account::Held(_) => add(&mut after.held, amount),
            Account::Pending(_) => add(&mut after.pending, amount),
            _ => {}
        }
    }
    if row.status == TransactionStatus::Completed {
        match row.kind {
            TransactionType::Earning => add(&mut after.earned, amount),
            TransactionType::Payout => add(&mut after.paid_out, amount),
            TransactionType::Adjustment if matches!(row.debit, Account::Available(_)) => {
                add(&mut after.adjusted, amount.negated());
            }
            _ => add(&mut after.adjusted, amount),
        }
    }
    after
}

/// A wallet in which something of everything happened: every type and status, in two currencies.
pub fn eventful() -> Journal {
    let mut journal = Journal::new();
    for round in 1..=4 {
        journal.currency = if round % 2 == 0 { Currency::Eur } else { Currency::Usd };
        let first = journal.earn(10_000 * round);
        let second = journal.earn(700 + round);
        journal.earn(30);
        journal.end(&first, TransactionStatus::Completed);
        let payout = journal.payout(2_500);
        journal.bonus(100 + round);
        journal.end(&second, TransactionStatus::Cancelled);
        journal.end(&payout, if round < 3 { TransactionStatus::Completed } else { TransactionStatus::Failed });
        journal.adjust(-55 * round);
        journal.refund(7);
        journal.adjust(3);
        journal.payout(1_000);
    }
    journal
}
