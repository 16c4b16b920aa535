//! What is shown of a journal follows from it, whenever and by whomever it is brought up to date.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use metastamp_protocol::ledger::{RECENT_MAX, Row, Transaction, TransactionStatus, Wallet};
use metastamp_protocol::{Currency, ObjectId};
use metastamp_store::Stores;
use metastamp_store::records::bson::{DateTime, Decimal128, doc, oid};
use metastamp_store::records::{Bson, Collection, Document, decode};

use super::fixtures::at;
use super::journal::{Journal, cents, eventful};
use crate::harness::{Case, all_at_once, cases, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    let mut all = cases![
        a_wallet_shows_what_its_journal_says,
        a_document_has_the_shape_of_the_guide,
        wallets_of_the_original_are_read_and_kept,
        views_follow_a_journal_that_was_restored,
        a_rebuild_is_the_same_as_a_projection,
        a_transaction_is_known_at_once,
        what_lies_in_a_view_does_not_stop_the_journal,
    ];
    all.extend(shared_cases![a_wallet_is_made_once, several_may_project_at_once]);
    all
}

async fn records(store: &Stores, collection: Collection) -> Vec<Document> {
    store.records.snapshot().await.unwrap().page(collection, None, 10_000).await.unwrap()
}

async fn transactions(store: &Stores) -> Vec<Transaction> {
    let records = records(store, Collection::WalletTransactions).await;
    let mut all: Vec<Transaction> =
        records.into_iter().map(|record| decode(Collection::WalletTransactions, record).unwrap()).collect();
    all.sort_by_key(|transaction| std::cmp::Reverse(transaction.ordinal));
    all
}

async fn forget_views(store: &Stores) {
    for collection in [Collection::Wallet, Collection::WalletTransactions] {
        let ids = records(store, collection).await.iter().map(|record| record.get("_id").unwrap().clone()).collect();
        store.records.remove_records(collection, ids).await.unwrap();
    }
}

/// The same wallet, whenever it was made.
fn ageless(wallet: Wallet) -> Wallet {
    Wallet { id: wallet.user_id, created_at: at(0), ..wallet }
}

async fn a_wallet_shows_what_its_journal_says(store: Stores) {
    let mut journal = eventful();
    let empty = store.ledger.wallet(journal.wallet, at(7)).await.unwrap();
    assert_eq!(empty, Wallet { id: empty.id, ..Wallet::empty(journal.wallet, at(7)) });
    for _ in 0..10 {
        journal.bonus(1);
    }
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let wallet = store.ledger.wallet(journal.wallet, at(8)).await.unwrap();
    let last = journal.rows.last().unwrap();
    let transactions = journal.transactions();
    assert_eq!((wallet.id, wallet.created_at, wallet.updated_at), (empty.id, at(7), last.at));
    assert_eq!((wallet.last_seq, &wallet.head_hash, &wallet.balances), (last.seq, &last.hash, &last.balances));
    assert!(transactions.len() > RECENT_MAX - 10, "{}", transactions.len());
    assert_eq!(wallet.transactions, transactions[..RECENT_MAX.min(transactions.len())]);
    let paid = |row: &&Row| row.kind.as_str() == "payout" && row.status == TransactionStatus::Completed;
    let payout = journal.rows.iter().rfind(paid).unwrap();
    assert_eq!(wallet.last_payout_at, Some(payout.at));
    assert_eq!(wallet.last_payout_amount, Some((Currency::Eur, cents(2_500))));
    // an old transaction that ends is in its place, and one that fell out of the list stays out
    for _ in 0..RECENT_MAX - 4 {
        journal.bonus(1);
    }
    let open: Vec<_> =
        transactions.iter().filter(|transaction| transaction.status == TransactionStatus::Pending).collect();
    for transaction in [open.first().unwrap(), open.last().unwrap()] {
        let opening = journal.rows.iter().find(|row| row.transaction_id == transaction.id).unwrap().clone();
        journal.end(&opening, TransactionStatus::Cancelled);
    }
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let wallet = store.ledger.wallet(journal.wallet, at(8)).await.unwrap();
    assert_eq!(wallet.transactions, journal.transactions()[..RECENT_MAX]);
}

async fn a_document_has_the_shape_of_the_guide(store: Stores) {
    let journal = eventful();
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let found = records(&store, Collection::Wallet).await;
    let [record] = &found[..] else { panic!("{found:?}") };
    let usd = journal.rows.last().unwrap().balances[&Currency::Usd];
    let money = |amount: metastamp_protocol::Amount| {
        Bson::Decimal128(Decimal128::from_str(&amount.text(Currency::Usd)).unwrap())
    };
    assert_eq!(record.get_object_id("user_id").unwrap().to_hex(), journal.wallet.to_hex());
    assert_eq!(record.get("balance"), Some(&money(usd.posted().unwrap())));
    assert_eq!(record.get("pending_earnings"), Some(&money(usd.pending)));
    assert_eq!(record.get("total_earned"), Some(&money(usd.earned)));
    assert_eq!(record.get("total_paid_out"), Some(&money(usd.paid_out)));
    assert_eq!(record.get_str("currency").unwrap(), "USD");
    assert!(record.get_datetime("created_at").is_ok() && record.get_datetime("last_payout_at").is_ok());
    let entries = record.get_array("transactions").unwrap();
    let newest = entries[0].as_document().unwrap();
    assert_eq!(newest.get_str("type").unwrap(), "payout");
    assert_eq!(newest.get_str("transaction_type").unwrap(), "payout");
    assert_eq!(newest.get_str("status").unwrap(), "pending");
    assert_eq!(newest.get("amount"), Some(&Bson::Decimal128(Decimal128::from_str("-10.00").unwrap())));
    assert!(newest.get_datetime("timestamp").is_ok() && !newest.contains_key("completed_at"));
    assert!(entries[1].as_document().unwrap().get_datetime("completed_at").is_ok());
}

async fn wallets_of_the_original_are_read_and_kept(store: Stores) {
    let mut journal = Journal::new();
    let owner = oid::ObjectId::from_bytes(*journal.wallet.as_bytes());
    let old_entry = doc! { "transaction_id": "t1", "amount": 5.5, "type": "pull", "timestamp": "2025-11-26" };
    let old = doc! {
        "_id": oid::ObjectId::new(), "user_id": owner, "balance": 0.1 + 0.2, "pending_earnings": "12.50",
        "total_earned": Decimal128::from_str("10.30").unwrap(), "total_paid_out": 10_i32, "currency": "EUR",
        "transactions": [old_entry.clone()], "created_at": "2025-11-26T14:30:00", "note": "kept",
    };
    let text = ObjectId::generate();
    let as_text = doc! { "_id": "by name", "user_id": text.to_hex(), "balance": "NaN", "transactions": Bson::Null };
    store.records.put_records(Collection::Wallet, vec![old.clone(), as_text]).await.unwrap();

    let wallet = store.ledger.wallet(journal.wallet, at(0)).await.unwrap();
    let euros = wallet.in_currency(Currency::Eur);
    assert_eq!((euros.available, euros.pending), (cents(30), cents(1_250)));
    assert_eq!((euros.earned, euros.paid_out, euros.adjusted), (cents(1_030), cents(1_000), cents(0)));
    assert_eq!((wallet.last_seq, wallet.transactions.len()), (0, 0));
    assert_eq!(wallet.created_at.to_string(), "2025-11-26T14:30:00.000Z");
    assert_eq!(wallet.id.to_hex(), old.get_object_id("_id").unwrap().to_hex());
    let other = store.ledger.wallet(text, at(0)).await.unwrap();
    assert!(other.balances.is_empty());
    assert_eq!(store.ledger.wallet(text, at(1)).await.unwrap(), other, "found by its owner, though that is text");
    assert_eq!(records(&store, Collection::Wallet).await.len(), 2);

    journal.bonus(500);
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let wallet = store.ledger.wallet(journal.wallet, at(0)).await.unwrap();
    assert_eq!(wallet.in_currency(Currency::Usd).available, cents(500));
    assert_eq!((wallet.last_seq, wallet.transactions.len()), (1, 1));
    assert_eq!(wallet.created_at.to_string(), "2025-11-26T14:30:00.000Z");
    let records = records(&store, Collection::Wallet).await;
    let record = records.iter().find(|record| record.get("_id") == old.get("_id")).unwrap();
    assert_eq!(record.get_str("note").unwrap(), "kept");
    let kept = record.get_document("legacy").unwrap();
    assert_eq!(kept.get("balance"), old.get("balance"));
    assert_eq!(kept.get_array("transactions").unwrap(), &[Bson::Document(old_entry)]);
}

async fn views_follow_a_journal_that_was_restored(store: Stores) {
    let mut journal = eventful();
    for _ in 0..600 {
        journal.bonus(1);
    }
    let live = journal.clone();
    let half = journal.rows.split_off(journal.rows.len() / 2);
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    live.write(&store).await;
    store.ledger.project(live.wallet).await.unwrap();
    assert!(half.len() > 100);
    let expected = (ageless(store.ledger.wallet(live.wallet, at(0)).await.unwrap()), transactions(&store).await);
    assert_eq!(expected.1, live.transactions());

    forget_views(&store).await;
    assert_eq!(transactions(&store).await, []);
    for _ in 0..2 {
        store.ledger.project(live.wallet).await.unwrap();
        let found = (ageless(store.ledger.wallet(live.wallet, at(0)).await.unwrap()), transactions(&store).await);
        assert_eq!(found, expected);
    }
    // Rows that are written while the views are behind show with the others.
    forget_views(&store).await;
    let mut further = live;
    further.earn(5);
    further.write(&store).await;
    store.ledger.project(further.wallet).await.unwrap();
    assert_eq!(transactions(&store).await, further.transactions());
    store.ledger.project(ObjectId::generate()).await.unwrap();
    assert_eq!(records(&store, Collection::Wallet).await.len(), 1);
}

async fn a_rebuild_is_the_same_as_a_projection(store: Stores) {
    let journal = eventful();
    let made = store.ledger.wallet(journal.wallet, at(3)).await.unwrap();
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let mut other = Journal::new();
    other.bonus(1);
    other.write(&store).await;
    store.ledger.project(other.wallet).await.unwrap();
    let expected = (store.ledger.wallet(journal.wallet, at(0)).await.unwrap(), transactions(&store).await);

    // Somebody was at the views by hand.
    let mut shown = records(&store, Collection::WalletTransactions).await;
    let of_wallet =
        |record: &&mut Document| record.get_object_id("wallet_id").unwrap().to_hex() == journal.wallet.to_hex();
    let changed: Vec<_> = shown.iter_mut().filter(of_wallet).take(2).collect();
    let [one, two] = &changed[..] else { panic!() };
    let mut one = (*one).clone();
    let two = two.get("_id").unwrap().clone();
    one.extend(doc! { "amount": 1_i64, "seq": 1_000_i64 });
    store.records.put_records(Collection::WalletTransactions, vec![one]).await.unwrap();
    store.records.remove_records(Collection::WalletTransactions, vec![two]).await.unwrap();
    let mut wallets = records(&store, Collection::Wallet).await;
    let wallet =
        wallets.iter_mut().find(|wallet| wallet.get_object_id("user_id").unwrap().to_hex() == journal.wallet.to_hex());
    let wallet = wallet.unwrap();
    wallet.extend(doc! { "balance": Decimal128::from_str("1000000").unwrap(), "head_hash": "x", "transactions": [] });
    store.records.put_records(Collection::Wallet, vec![wallet.clone()]).await.unwrap();
    assert_ne!(transactions(&store).await, expected.1);

    assert_eq!(store.ledger.rebuild(journal.wallet).await.unwrap(), journal.rows.len() as u64);
    assert_eq!((store.ledger.wallet(journal.wallet, at(0)).await.unwrap(), transactions(&store).await), expected);
    assert_eq!((expected.0.id, expected.0.created_at), (made.id, at(3)));
    assert_eq!(store.ledger.rebuild(ObjectId::generate()).await.unwrap(), 0);
}

async fn a_transaction_is_known_at_once(store: Stores) {
    let mut journal = Journal::new();
    let opening = journal.payout(500);
    journal.write(&store).await;
    let id = opening.transaction_id;
    let pending = store.ledger.transaction(id).await.unwrap().unwrap();
    assert_eq!(pending, Transaction::opened(&opening));
    assert_eq!(pending.amount, cents(-500));
    journal.end(&opening, TransactionStatus::Completed);
    journal.write(&store).await;
    let completed = store.ledger.transaction(id).await.unwrap();
    assert_eq!(completed.as_ref(), journal.transactions().first());
    assert_eq!(completed.unwrap().completed_at(), Some(at(2)));
    assert_eq!(store.ledger.transaction(ObjectId::generate()).await.unwrap(), None);
}

async fn what_lies_in_a_view_does_not_stop_the_journal(store: Stores) {
    let mut journal = Journal::new();
    let opening = journal.earn(5);
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let mut squatter = records(&store, Collection::WalletTransactions).await.remove(0);
    squatter.insert("_id", oid::ObjectId::new());
    squatter.insert("ordinal", 2_i64);
    store.records.put_records(Collection::WalletTransactions, vec![squatter]).await.unwrap();
    journal.earn(6);
    journal.end(&opening, TransactionStatus::Completed);
    journal.write(&store).await;
    assert_eq!(store.ledger.head(journal.wallet).await.unwrap().as_ref(), journal.rows.last());
    store.ledger.rebuild(journal.wallet).await.unwrap();
    assert_eq!(transactions(&store).await, journal.transactions());
}

async fn a_wallet_is_made_once(one: Stores, two: Stores) {
    let owner = ObjectId::generate();
    let makers = (0..16).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        async move { store.ledger.wallet(owner, at(n)).await.unwrap().id }
    });
    let ids: BTreeSet<_> = all_at_once(makers).await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    let found = records(&one, Collection::Wallet).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].get_datetime("created_at").unwrap() >= &DateTime::from_millis(at(0).millis()));
}

/// While rows come in, several bring the views up to date, and look on: what is shown never goes back.
async fn several_may_project_at_once(one: Stores, two: Stores) {
    let mut journal = eventful();
    for round in 0..40 {
        let opening = journal.earn(round + 1);
        journal.end(&opening, TransactionStatus::Completed);
    }
    let (wallet, last) = (journal.wallet, journal.rows.len() as u64);
    let writer = {
        let (store, journal) = (one.clone(), journal.clone());
        async move {
            for rows in journal.rows.chunks(3) {
                store.ledger.commit(rows.to_vec()).await.unwrap();
            }
        }
    };
    let projectors = (0..4).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        async move {
            let mut seen = 0;
            while seen < last {
                store.ledger.project(wallet).await.unwrap();
                let shown = store.ledger.wallet(wallet, at(0)).await.unwrap().last_seq;
                assert!(shown >= seen);
                seen = shown;
                tokio::task::yield_now().await;
            }
        }
    });
    let writer = tokio::spawn(writer);
    all_at_once(projectors).await;
    writer.await.unwrap();
    assert_eq!(transactions(&one).await, journal.transactions());
    let shown = one.ledger.wallet(wallet, at(0)).await.unwrap();
    assert_eq!(shown.balances, journal.rows.last().unwrap().balances);
    assert_eq!(shown.transactions, journal.transactions()[..RECENT_MAX]);
}
