//! A small world of partners and creators, in memory: journals, events, and the documents that show them.

use std::collections::BTreeMap;

use metastamp_protocol::ledger::{
    Order, OrderKind, Outcome, RECENT_MAX, Refusal, Row, Transaction, TransactionStatus, TransactionType, Wallet,
};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use proptest::prelude::*;

use super::super::{Audit, Part, Report};
use crate::wallet::state::{Book, Stamp, Subject};

pub const PARTNER: u8 = 1;
pub const CREATOR: u8 = 2;

pub fn id(n: u8) -> ObjectId {
    format!("{n:024x}").parse().unwrap()
}

pub fn usd(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

pub fn bonus(minor: i64) -> OrderKind {
    OrderKind::Bonus { amount: usd(minor), currency: Currency::Usd, description: "Thanks".to_owned() }
}

pub fn payout(minor: i64) -> OrderKind {
    OrderKind::Payout {
        amount: usd(minor),
        currency: Currency::Usd,
        description: "Payout".to_owned(),
        metadata: BTreeMap::new(),
    }
}

pub fn earn(event: &UsageEvent) -> OrderKind {
    OrderKind::Earn {
        partner_id: event.partner_id,
        amount: event.value,
        currency: event.currency,
        asset_id: event.asset_id,
        reference_id: event.id.to_hex(),
        description: "Usage".to_owned(),
        metadata: BTreeMap::new(),
    }
}

pub fn reserve(event: &UsageEvent) -> OrderKind {
    OrderKind::Reserve {
        amount: event.value,
        currency: event.currency,
        overdraft: usd(500),
        asset_id: event.asset_id,
        reference_id: event.id.to_hex(),
        description: "Usage".to_owned(),
    }
}

#[derive(Default)]
pub struct World {
    /// By id, as a store has them.
    pub rows: BTreeMap<String, Row>,
    pub events: BTreeMap<ObjectId, UsageEvent>,
    pub wallets: BTreeMap<ObjectId, Wallet>,
    pub transactions: BTreeMap<ObjectId, Transaction>,
}

impl World {
    fn of(&self, wallet_id: ObjectId) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values().filter(move |row| row.wallet_id == wallet_id)
    }

    fn decide(&self, book: &Book, order: &Order, forged: bool) -> Result<Row, Refusal> {
        let rows = self.of(order.wallet_id).filter(|row| row.transaction_id == order.subject());
        let mut subject = Subject::of(rows);
        if forged {
            subject.end = None;
        }
        let n = self.rows.len();
        // two rows to a write
        let batch = ObjectId::derived(&["batch", &order.wallet_id.to_hex(), &(book.seq / 2).to_string()]);
        let stamp = Stamp { now: Timestamp(1_000 + n as i64), batch, writer: "a/1".to_owned(), version: Row::VERSION };
        book.decide(order, subject, &stamp)
    }

    /// An order as the wallet does it.
    pub fn order(&mut self, wallet: u8, key: &str, kind: OrderKind) -> Result<Row, Refusal> {
        let order = Order { wallet_id: id(wallet), key: key.to_owned(), asked_by: id(8), kind };
        let book = Book::at(id(wallet), self.of(id(wallet)).next_back());
        let row = self.decide(&book, &order, false)?;
        self.rows.insert(row.id.clone(), row.clone());
        Ok(row)
    }

    /// An order that the rules would refuse, written all the same, in a chain that fits.
    pub fn forge(&mut self, wallet: u8, key: &str, kind: OrderKind) -> Row {
        let order = Order { wallet_id: id(wallet), key: key.to_owned(), asked_by: id(8), kind };
        let mut book = Book::at(id(wallet), self.of(id(wallet)).next_back());
        let rich = usd(1_000_000);
        let before = book.balances(Currency::Usd);
        let balances = book.balances.entry(Currency::Usd).or_default();
        for amount in [&mut balances.available, &mut balances.held, &mut balances.pending] {
            *amount = amount.plus(rich).unwrap();
        }
        let mut row = self.decide(&book, &order, true).unwrap();
        let balances = row.balances.get_mut(&Currency::Usd).unwrap();
        for amount in [&mut balances.available, &mut balances.held, &mut balances.pending] {
            *amount = amount.minus(rich).unwrap();
        }
        assert_ne!(*balances, before);
        row.batch = ObjectId::generate();
        let row = row.sealed();
        self.rows.insert(row.id.clone(), row.clone());
        row
    }

    /// Chains a wallet anew, as one would who can write to the store.
    pub fn seal(&mut self, wallet: u8) {
        let mut previous = Row::GENESIS.to_owned();
        for row in self.rows.values_mut().filter(|row| row.wallet_id == id(wallet)) {
            row.previous = previous;
            *row = row.clone().sealed();
            previous = row.hash.clone();
        }
    }

    pub fn deposit(&mut self, partner: u8, minor: i64) {
        let key = format!("deposit-{}", self.rows.len());
        let kind = OrderKind::Deposit { amount: usd(minor), currency: Currency::Usd, description: "In".to_owned() };
        // more than a wallet can hold is refused
        let _ = self.order(partner, &key, kind);
    }

    /// The whole way to a pending event, or to a rejected one.
    pub fn report(&mut self, partner: u8, creator: u8, key: &str, minor: i64) {
        let mut event = UsageEvent {
            id: UsageEvent::id_of(id(PARTNER), key),
            partner_id: id(partner),
            idempotency_key: key.to_owned(),
            request_hash: String::new(),
            reported_by: id(8),
            model: "m".to_owned(),
            period_start: Timestamp(0),
            period_end: Timestamp(1),
            asset_id: id(9),
            user_id: id(creator),
            currency: Currency::Usd,
            earnings: usd(minor),
            contribution: 1.0,
            exposure: 1.0,
            value: usd(minor),
            status: UsageStatus::Received,
            reason: None,
            metadata: BTreeMap::new(),
            expires_at: None,
            worker: None,
            working_until: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            ended_at: None,
        };
        event.status = UsageStatus::Pending;
        if !event.value.is_zero() {
            match self.order(partner, &event.order_key(), reserve(&event)) {
                Ok(_) => drop(self.order(creator, &event.order_key(), earn(&event)).unwrap()),
                Err(_) => event.status = UsageStatus::Rejected,
            }
        }
        self.events.insert(event.id, event);
    }

    /// Takes so many of the two steps; the event has ended after both.
    pub fn settle(&mut self, key: &str, steps: usize) {
        let wallets = |event: &UsageEvent| [event.partner_id, event.user_id];
        self.end(key, steps, Outcome::Completed, wallets, [UsageStatus::Settling, UsageStatus::Settled]);
    }

    pub fn cancel(&mut self, key: &str, steps: usize) {
        let wallets = |event: &UsageEvent| [event.user_id, event.partner_id];
        self.end(key, steps, Outcome::Cancelled, wallets, [UsageStatus::Cancelling, UsageStatus::Cancelled]);
    }

    fn end(
        &mut self,
        key: &str,
        steps: usize,
        outcome: Outcome,
        wallets: fn(&UsageEvent) -> [ObjectId; 2],
        [under_way, over]: [UsageStatus; 2],
    ) {
        let Some(event) = self.events.get_mut(&UsageEvent::id_of(id(PARTNER), key)) else { return };
        if event.status != UsageStatus::Pending {
            return;
        }
        event.status = if steps == 2 { over } else { under_way };
        let event = event.clone();
        for wallet_id in wallets(&event).into_iter().take(if event.value.is_zero() { 0 } else { steps }) {
            let transaction_id = Order::transaction_of(wallet_id, &event.order_key());
            let kind = OrderKind::Resolve { transaction_id, outcome, reason: "over".to_owned(), reference: None };
            let [.., n] = *wallet_id.as_bytes();
            self.order(n, &format!("end/{}", event.id), kind).unwrap();
        }
    }

    /// Brings the documents up to the journals.
    pub fn show(&mut self) {
        self.transactions.clear();
        self.wallets.clear();
        for row in self.rows.values() {
            let shown = self.transactions.entry(row.transaction_id).or_insert_with(|| Transaction::opened(row));
            shown.apply(row);
            let wallet =
                self.wallets.entry(row.wallet_id).or_insert_with(|| Wallet::empty(row.wallet_id, Timestamp(0)));
            (wallet.last_seq, wallet.head_hash) = (row.seq, row.hash.clone());
            wallet.balances.clone_from(&row.balances);
            wallet.updated_at = row.at;
            if row.kind == TransactionType::Payout && row.status == TransactionStatus::Completed {
                wallet.last_payout_at = Some(row.at);
                wallet.last_payout_amount = Some((row.currency, row.amount));
            }
        }
        for wallet in self.wallets.values_mut() {
            let mut all: Vec<_> =
                self.transactions.values().filter(|t| t.wallet_id == wallet.user_id).cloned().collect();
            all.sort_by_key(|transaction| std::cmp::Reverse(transaction.ordinal));
            all.truncate(RECENT_MAX);
            wallet.transactions = all;
        }
    }

    pub fn audit(&self) -> Report {
        self.audit_since(None)
    }

    pub fn audit_since(&self, moving_since: Option<Timestamp>) -> Report {
        let mut parts = Part::of(self.rows.len() as u64);
        let (Some(part), None) = (parts.next(), parts.next()) else { panic!("a small world takes one round") };
        self.round(part, moving_since)
    }

    pub fn round(&self, part: Part, moving_since: Option<Timestamp>) -> Report {
        let mut audit = Audit::new(part, moving_since);
        self.rows.values().for_each(|row| audit.row(row));
        audit.end_of_journals();
        for wallet in self.wallets.values() {
            if let Some(seq) = audit.wallet(wallet) {
                audit.behind(wallet, self.rows.get(&Row::id_of(wallet.user_id, seq)));
            }
        }
        self.transactions.values().for_each(|transaction| audit.transaction(transaction));
        self.events.values().for_each(|event| audit.event(event));
        audit.end(true)
    }
}

/// One step of a random history.
#[derive(Debug, Clone)]
pub enum Op {
    Deposit(u8, i64),
    Report(u8, u8, i64),
    /// The event of this number, modulo those there are; steps taken.
    Settle(usize, usize),
    Cancel(usize, usize),
    Bonus(u8, i64),
    Payout(u8, i64),
    /// Ends the row of this number, if that can be ended.
    EndPayout(usize, Outcome),
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let minor = 1..5_000_i64;
    let (partner, creator) = (Just(PARTNER), 2..6_u8);
    let outcome = prop_oneof![Just(Outcome::Completed), Just(Outcome::Failed), Just(Outcome::Cancelled)];
    let op = prop_oneof![
        1 => (partner, minor.clone()).prop_map(|(p, m)| Op::Deposit(p, m)),
        5 => (partner, creator.clone(), 0..5_000_i64).prop_map(|(p, c, m)| Op::Report(p, c, m)),
        4 => (any::<usize>(), 0..3_usize).prop_map(|(n, steps)| Op::Settle(n, steps)),
        1 => (any::<usize>(), 0..3_usize).prop_map(|(n, steps)| Op::Cancel(n, steps)),
        1 => (creator.clone(), minor.clone()).prop_map(|(c, m)| Op::Bonus(c, m)),
        2 => (creator, minor).prop_map(|(c, m)| Op::Payout(c, m)),
        2 => (any::<usize>(), outcome).prop_map(|(n, outcome)| Op::EndPayout(n, outcome)),
    ];
    prop::collection::vec(op, 1..50)
}

impl World {
    pub fn play(&mut self, ops: &[Op]) {
        for (i, op) in ops.iter().enumerate() {
            let key = format!("op{i}");
            let event = |n: usize, world: &Self| {
                world.events.values().nth(n % world.events.len().max(1)).map(|event| event.idempotency_key.clone())
            };
            match op {
                Op::Deposit(partner, minor) => self.deposit(*partner, *minor),
                Op::Report(partner, creator, minor) => self.report(*partner, *creator, &key, *minor),
                Op::Settle(n, steps) => event(*n, self).into_iter().for_each(|key| self.settle(&key, *steps)),
                Op::Cancel(n, steps) => event(*n, self).into_iter().for_each(|key| self.cancel(&key, *steps)),
                Op::Bonus(creator, minor) => drop(self.order(*creator, &key, bonus(*minor))),
                // refused when there is not enough
                Op::Payout(creator, minor) => drop(self.order(*creator, &key, payout(*minor))),
                Op::EndPayout(n, outcome) => {
                    let Some(row) = self.rows.values().nth(n % self.rows.len().max(1)) else { continue };
                    if row.kind != TransactionType::Payout {
                        continue;
                    }
                    let [.., wallet] = *row.wallet_id.as_bytes();
                    let kind = OrderKind::Resolve {
                        transaction_id: row.transaction_id,
                        outcome: *outcome,
                        reason: "over".to_owned(),
                        reference: None,
                    };
                    let _ = self.order(wallet, &key, kind);
                }
            }
        }
    }
}
