//! A proper history of two creators and a partner, written as nodes write it.

use std::collections::BTreeMap;
use std::time::Duration;

use metastamp_actors::wallet::teller::Teller;
use metastamp_protocol::ledger::{LedgerAnswer, Order, OrderKind, Outcome, Row};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Amount, Currency, NodeRef, ObjectId, Timestamp};
use metastamp_store::Stores;
use metastamp_store::records::{Collection, encode};
use tokio::time::Instant;

pub const ACME: &str = "0000000000000000000000a1";
pub const CREATOR: &str = "0000000000000000000000c1";
pub const OTHER: &str = "0000000000000000000000c2";
const ADMIN: &str = "0000000000000000000000d1";

fn id(hex: &str) -> ObjectId {
    hex.parse().unwrap()
}

fn usd(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// Orders of one wallet, carried by one write.
async fn order(stores: &Stores, wallet: &str, orders: Vec<(String, OrderKind)>) -> Vec<Row> {
    let node = NodeRef { node_id: "node-1".to_owned(), generation: 1 };
    let make = |(key, kind)| Order { wallet_id: id(wallet), key, asked_by: id(ADMIN), kind };
    let orders: Vec<Order> = orders.into_iter().map(make).collect();
    let until = Instant::now() + Duration::from_secs(30);
    let answers = Teller::new(stores.ledger.clone(), node).serve(id(wallet), &orders, until).await;
    stores.ledger.project(id(wallet)).await.unwrap();
    let committed = |answer| match answer {
        Ok(LedgerAnswer::Committed { row, repeat: false }) => *row,
        other => panic!("not committed: {other:?}"),
    };
    answers.into_iter().map(committed).collect()
}

fn event(key: &str, creator: &str, earnings: i64, value: i64) -> UsageEvent {
    let now = Timestamp::now();
    UsageEvent {
        id: UsageEvent::id_of(id(ACME), key),
        partner_id: id(ACME),
        idempotency_key: key.to_owned(),
        request_hash: "0".repeat(64),
        reported_by: id(ADMIN),
        model: "acme-large-2".to_owned(),
        period_start: Timestamp(0),
        period_end: Timestamp(1),
        asset_id: id("0000000000000000000000b1"),
        user_id: id(creator),
        currency: Currency::Usd,
        earnings: usd(earnings),
        contribution: 75.0,
        exposure: 80.0,
        value: usd(value),
        status: UsageStatus::Pending,
        reason: None,
        metadata: BTreeMap::new(),
        expires_at: None,
        worker: None,
        working_until: None,
        created_at: now,
        updated_at: now,
        ended_at: None,
    }
}

async fn put(stores: &Stores, event: &UsageEvent) {
    let record = encode(Collection::UsageEvents, event).unwrap();
    stores.records.put_records(Collection::UsageEvents, vec![record]).await.unwrap();
}

fn earn(event: &UsageEvent) -> OrderKind {
    OrderKind::Earn {
        partner_id: event.partner_id,
        amount: event.value,
        currency: event.currency,
        asset_id: event.asset_id,
        reference_id: event.id.to_hex(),
        description: "Usage by acme-large-2".to_owned(),
        metadata: BTreeMap::new(),
    }
}

async fn report(stores: &Stores, event: &UsageEvent) {
    let reserve = OrderKind::Reserve {
        amount: event.value,
        currency: event.currency,
        overdraft: usd(100_000),
        asset_id: event.asset_id,
        reference_id: event.id.to_hex(),
        description: "Usage by acme-large-2".to_owned(),
    };
    order(stores, ACME, vec![(event.order_key(), reserve)]).await;
    order(stores, &event.user_id.to_hex(), vec![(event.order_key(), earn(event))]).await;
    put(stores, event).await;
}

async fn end(stores: &Stores, event: &UsageEvent, outcome: Outcome) {
    for wallet_id in [event.partner_id, event.user_id] {
        let transaction_id = Order::transaction_of(wallet_id, &event.order_key());
        let kind = OrderKind::Resolve { transaction_id, outcome, reason: "ended".to_owned(), reference: None };
        order(stores, &wallet_id.to_hex(), vec![(format!("end/{}", event.id), kind)]).await;
    }
    let status = if outcome == Outcome::Completed { UsageStatus::Settled } else { UsageStatus::Cancelled };
    put(stores, &UsageEvent { status, ..event.clone() }).await;
}

/// The example of docs/LEDGER.md.
pub async fn play_example(stores: &Stores) {
    let currency = Currency::Usd;
    let deposit = OrderKind::Deposit { amount: usd(100_000), currency, description: "Wire transfer".to_owned() };
    order(stores, ACME, vec![("deposit/1".to_owned(), deposit)]).await;
    let event = event("1", CREATOR, 1_000_000, 150_000);
    report(stores, &event).await;
    end(stores, &event, Outcome::Completed).await;
    let (amount, description, metadata) = (usd(50_000), "Payout".to_owned(), BTreeMap::new());
    let payout = OrderKind::Payout { amount, currency, description, metadata };
    let row = order(stores, CREATOR, vec![("payout/1".to_owned(), payout)]).await.remove(0);
    let (transaction_id, outcome) = (row.transaction_id, Outcome::Completed);
    let reference = Some("bank 4711".to_owned());
    let kind = OrderKind::Resolve { transaction_id, outcome, reason: "paid".to_owned(), reference };
    order(stores, CREATOR, vec![("end/1".to_owned(), kind)]).await;
}

/// The example, an event that waits, one that was cancelled, and a write of several rows.
pub async fn play(stores: &Stores) {
    play_example(stores).await;
    report(stores, &event("2", CREATOR, 20_000, 3_000)).await;
    let cancelled = event("3", OTHER, 10_000, 1_500);
    report(stores, &cancelled).await;
    end(stores, &cancelled, Outcome::Cancelled).await;
    let bonus = |n: u32| {
        let (amount, currency) = (usd(i64::from(n)), Currency::Eur);
        (format!("bonus/{n}"), OrderKind::Bonus { amount, currency, description: "Thanks".to_owned() })
    };
    order(stores, CREATOR, (1..=4).map(bonus).collect()).await;
}

/// The value of an event once more, to somebody else.
pub async fn credit_again(stores: &Stores, event: &UsageEvent) {
    order(stores, OTHER, vec![("stolen".to_owned(), earn(event))]).await;
}
