//! Journals: rows are only added, in one chain, and of two writers one is refused.

use std::collections::BTreeSet;

use metastamp_protocol::ledger::{Row, TransactionStatus};
use metastamp_protocol::{Amount, ObjectId};
use metastamp_store::ports::{COMMIT_ROWS_MAX, PAGE_ROWS_MAX};
use metastamp_store::records::bson::doc;
use metastamp_store::records::{Collection, Document, decode, encode};
use metastamp_store::{StoreError, Stores};
use serde_json::json;

use super::fixtures::{assert_fenced, at};
use super::journal::{Journal, cents, eventful};
use crate::harness::{Case, all_at_once, cases, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    let mut all = cases![
        rows_come_back_as_they_were_sealed,
        a_place_is_taken_once,
        a_key_is_used_once_in_a_wallet,
        nothing_ends_twice,
        rows_made_for_another_chain_are_fenced,
        rows_that_are_no_chain_are_not_written,
        of_a_fenced_commit_at_most_a_prefix_is_there,
        statements_find_their_rows,
        questions_have_bounds,
        records_of_rows_can_be_put_back,
        rows_of_each_version_are_kept_with_all_their_members,
        rows_of_newer_software_are_told_apart_and_left_alone,
    ];
    all.extend(shared_cases![writers_on_two_handles_lose_nothing]);
    all
}

async fn all_rows(store: &Stores, journal: &Journal) -> Vec<Row> {
    store.ledger.rows_after(journal.wallet, 0, PAGE_ROWS_MAX).await.unwrap()
}

async fn rows_come_back_as_they_were_sealed(store: Stores) {
    let journal = eventful();
    let look = store.ledger.look(journal.wallet, &["key 1".to_owned()], &[]).await.unwrap();
    assert!(look.head.is_none() && look.by_key.is_empty());
    journal.write(&store).await;
    Journal::new().write(&store).await;
    let rows = all_rows(&store, &journal).await;
    assert_eq!(rows, journal.rows);
    assert!(rows.iter().all(|row| row.hash == row.digest()));

    let (opening, end) = (&journal.rows[0], &journal.rows[3]);
    assert_eq!(end.resolves, Some(opening.transaction_id));
    let keys = ["key 3".to_owned(), "key 99".to_owned(), "key 1".to_owned()];
    let nobodys = ObjectId::generate();
    let look = store.ledger.look(journal.wallet, &keys, &[nobodys, opening.transaction_id]).await.unwrap();
    assert_eq!(look.head.as_ref(), journal.rows.last());
    assert_eq!(look.by_key, [opening.clone(), journal.rows[2].clone()]);
    assert_eq!(look.of_transactions, [opening.clone(), end.clone()]);
    assert_eq!(store.ledger.head(journal.wallet).await.unwrap(), look.head);
    // of this wallet only
    let other = eventful();
    other.write(&store).await;
    let look = store.ledger.look(other.wallet, &keys, &[opening.transaction_id]).await.unwrap();
    assert_eq!((look.by_key.len(), look.of_transactions.len()), (2, 0));
    assert_eq!(store.ledger.head(nobodys).await.unwrap(), None);
}

async fn a_place_is_taken_once(store: Stores) {
    let mut journal = Journal::new();
    journal.earn(100);
    journal.write(&store).await;
    let mut other = journal.clone();
    journal.earn(200);
    journal.write(&store).await;
    other.earn(300);
    assert_fenced(store.ledger.commit(vec![other.rows[1].clone()]).await);
    // also the very same row: only a look can tell whose it is
    assert_fenced(store.ledger.commit(vec![journal.rows[1].clone()]).await);
    assert_eq!(all_rows(&store, &journal).await, journal.rows);
    store.ledger.commit(Vec::new()).await.unwrap();
}

async fn a_key_is_used_once_in_a_wallet(store: Stores) {
    let mut journal = Journal::new();
    journal.earn(100);
    journal.write(&store).await;
    let mut again = journal.clone();
    let mut row = again.earn(100);
    row.idempotency_key.clone_from(&journal.rows[0].idempotency_key);
    assert_fenced(store.ledger.commit(vec![row.sealed()]).await);
    assert_eq!(all_rows(&store, &journal).await, journal.rows);
    let mut other = Journal::new();
    other.earn(100);
    other.write(&store).await;
}

async fn nothing_ends_twice(store: Stores) {
    let mut journal = Journal::new();
    let opening = journal.earn(100);
    journal.end(&opening, TransactionStatus::Completed);
    journal.write(&store).await;
    let mut again = journal.clone();
    let row = again.end(&opening, TransactionStatus::Cancelled);
    assert_fenced(store.ledger.commit(vec![row]).await);
    assert_eq!(all_rows(&store, &journal).await, journal.rows);
    journal.earn(1);
    journal.write(&store).await;
}

async fn rows_made_for_another_chain_are_fenced(store: Stores) {
    let mut journal = Journal::new();
    journal.earn(100);
    let mut ahead = journal.clone();
    ahead.earn(1);
    assert_fenced(store.ledger.commit(vec![ahead.rows[1].clone()]).await);
    journal.write(&store).await;
    ahead.earn(2);
    assert_fenced(store.ledger.commit(vec![ahead.rows[2].clone()]).await);
    let mut elsewhere = Journal { wallet: journal.wallet, ..Journal::new() };
    elsewhere.earn(101);
    elsewhere.earn(102);
    assert_fenced(store.ledger.commit(vec![elsewhere.rows[1].clone()]).await);
    assert_eq!(all_rows(&store, &journal).await, journal.rows);
}

async fn rows_that_are_no_chain_are_not_written(store: Stores) {
    let mut journal = Journal::new();
    for n in 1..=3 {
        journal.earn(n);
    }
    let change = |change: fn(&mut Row)| {
        let mut rows = journal.rows.clone();
        change(&mut rows[1]);
        rows
    };
    let sealed = |change: fn(&mut Row)| {
        let mut rows = journal.rows[..2].to_vec();
        change(&mut rows[1]);
        rows[1].hash = rows[1].digest();
        rows
    };
    let broken = [
        change(|row| row.amount = cents(9)),
        change(|row| row.hash = Row::GENESIS.to_owned()),
        sealed(|row| row.amount = Amount::ZERO),
        sealed(|row| row.seq = 3),
        sealed(|row| row.id = "x".to_owned()),
        sealed(|row| row.previous = "ff".repeat(32)),
        sealed(|row| row.previous = Row::GENESIS.to_owned()),
        sealed(|row| row.at = at(0)),
        sealed(|row| row.resolves = Some(ObjectId::generate())),
        sealed(|row| row.version = 0),
        sealed(|row| row.version = Row::VERSION + 1),
        sealed(|row| drop(row.metadata.insert("a\0b".to_owned(), String::new()))),
        sealed(|row| {
            row.wallet_id = ObjectId::generate();
            row.id = Row::id_of(row.wallet_id, row.seq);
        }),
        vec![journal.rows[0].clone(), journal.rows[2].clone()],
        vec![journal.rows[1].clone(), journal.rows[0].clone()],
    ];
    for (n, rows) in broken.into_iter().enumerate() {
        let refused = store.ledger.commit(rows).await;
        assert!(matches!(refused, Err(StoreError::Internal(_))), "{n}: {refused:?}");
    }
    assert_eq!(store.ledger.head(journal.wallet).await.unwrap(), None);
    journal.write(&store).await;
}

async fn of_a_fenced_commit_at_most_a_prefix_is_there(store: Stores) {
    let mut journal = Journal::new();
    let opening = journal.earn(100);
    journal.end(&opening, TransactionStatus::Failed);
    journal.write(&store).await;
    let mut late = journal.clone();
    late.earn(1);
    late.earn(2);
    late.end(&opening, TransactionStatus::Completed);
    late.earn(3);
    assert_fenced(store.ledger.commit(late.rows[2..].to_vec()).await);
    let there = all_rows(&store, &journal).await;
    assert!((2..=4).contains(&there.len()), "{}", there.len());
    assert_eq!(there, late.rows[..there.len()]);
    // whoever looks goes on from there
    let mut next = Journal { rows: there, ..journal };
    next.earn(4);
    next.write(&store).await;
    assert_eq!(all_rows(&store, &next).await, next.rows);
    store.ledger.project(next.wallet).await.unwrap();
    assert_eq!(store.ledger.wallet(next.wallet, at(0)).await.unwrap().last_seq, next.rows.len() as u64);
}

/// Everybody adds rows under keys of their own, and asks for some of them twice, through two handles on one store.
async fn writers_on_two_handles_lose_nothing(one: Stores, two: Stores) {
    const WRITERS: usize = 12;
    const ORDERS: usize = 12;
    let wallet = ObjectId::generate();
    let writers = (0..WRITERS).map(|writer| {
        let store = if writer % 2 == 0 { one.clone() } else { two.clone() };
        async move {
            let mut fenced = 0;
            for order in 0..ORDERS {
                // every third key is everybody's
                let who = if order % 3 == 0 { usize::MAX } else { writer };
                while !add(&store, wallet, format!("{who} {order}")).await {
                    fenced += 1;
                }
            }
            fenced
        }
    });
    let fenced: usize = all_at_once(writers).await.into_iter().sum();
    assert!(fenced > 0, "they never met");
    let expected = WRITERS * ORDERS / 3 * 2 + ORDERS / 3;
    let rows = one.ledger.rows_after(wallet, 0, PAGE_ROWS_MAX).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=expected as u64).collect::<Vec<_>>());
    assert!(rows.windows(2).all(|pair| pair[1].previous == pair[0].hash));
    let keys: BTreeSet<_> = rows.iter().map(|row| row.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), expected);
    one.ledger.project(wallet).await.unwrap();
    let shown = two.ledger.wallet(wallet, at(0)).await.unwrap();
    assert_eq!(shown.in_currency(metastamp_protocol::Currency::Usd).pending, cents(expected as i64));
}

/// False when someone else was first: look again.
async fn add(store: &Stores, wallet: ObjectId, key: String) -> bool {
    let look = store.ledger.look(wallet, std::slice::from_ref(&key), &[]).await.unwrap();
    if !look.by_key.is_empty() {
        return true;
    }
    let mut journal = Journal { wallet, rows: look.head.into_iter().collect(), ..Journal::new() };
    let mut row = journal.earn(1);
    row.idempotency_key = key;
    match store.ledger.commit(vec![row.sealed()]).await {
        Ok(()) => true,
        Err(StoreError::Fenced { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn statements_find_their_rows(store: Stores) {
    let journal = eventful();
    journal.write(&store).await;
    let Journal { wallet, ref rows, .. } = journal;
    assert_eq!(store.ledger.rows_after(wallet, 5, 3).await.unwrap(), rows[5..8]);
    assert_eq!(store.ledger.rows_after(wallet, rows.len() as u64, 3).await.unwrap(), []);
    assert_eq!(store.ledger.rows_after(wallet, 0, 0).await.unwrap(), []);
    for n in 0..rows.len() {
        let before = store.ledger.row_before(wallet, rows[n].at).await.unwrap();
        assert_eq!(before.as_ref(), n.checked_sub(1).map(|n| &rows[n]));
    }
    let last = store.ledger.row_before(wallet, at(1_000_000)).await.unwrap();
    assert_eq!(last.as_ref(), rows.last());
    assert_eq!(store.ledger.row_before(ObjectId::generate(), at(1_000_000)).await.unwrap(), None);
    // rows of one instant: the last of them
    let mut quick = Journal::new();
    quick.earn(1);
    let mut second = quick.earn(2);
    second.at = quick.rows[0].at;
    quick.rows[1] = second.sealed();
    quick.write(&store).await;
    let before = store.ledger.row_before(quick.wallet, at(2)).await.unwrap();
    assert_eq!(before.as_ref(), quick.rows.last());
}

async fn questions_have_bounds(store: Stores) {
    let wallet = ObjectId::generate();
    let keys = vec![String::new(); COMMIT_ROWS_MAX + 1];
    let refused = store.ledger.look(wallet, &keys, &[]).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    let most: Vec<_> = (0..COMMIT_ROWS_MAX).map(|n| format!("key {n}")).collect();
    let ids: Vec<_> = most.iter().map(|_| ObjectId::generate()).collect();
    store.ledger.look(wallet, &most, &ids).await.unwrap();
    let refused = store.ledger.rows_after(wallet, 0, PAGE_ROWS_MAX + 1).await;
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    let mut journal = Journal::new();
    for _ in 0..=COMMIT_ROWS_MAX {
        journal.earn(1);
    }
    let refused = store.ledger.commit(journal.rows.clone()).await;
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    store.ledger.commit(journal.rows[..COMMIT_ROWS_MAX].to_vec()).await.unwrap();
}

async fn records_of_rows_can_be_put_back(store: Stores) {
    let journal = eventful();
    journal.write(&store).await;
    let records = store.records.snapshot().await.unwrap().page(Collection::WalletJournal, None, 1_000).await.unwrap();
    let ids: Vec<_> = records.iter().map(|record| record.get_str("_id").unwrap()).collect();
    assert_eq!(ids, journal.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>());
    store.records.clear().await.unwrap();
    assert_eq!(all_rows(&store, &journal).await, []);
    for _ in 0..2 {
        store.records.put_records(Collection::WalletJournal, records.clone()).await.unwrap();
        assert_eq!(all_rows(&store, &journal).await, journal.rows);
    }
    let mut stranger = records[0].clone();
    stranger.insert("_id", "another");
    let refused = store.records.put_records(Collection::WalletJournal, vec![stranger]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
}

/// By commits and by records, which backups and moves carry.
async fn rows_of_each_version_are_kept_with_all_their_members(store: Stores) {
    let mut journal = Journal::new();
    for n in 1..=3 {
        journal.earn(n);
    }
    let mut previous = Row::GENESIS.to_owned();
    for (row, version) in journal.rows.iter_mut().zip([1, Row::VERSION, 1]) {
        (row.version, row.previous) = (version, previous);
        row.other.insert("zone".to_owned(), "EU".into());
        row.other.insert("tax".to_owned(), json!({ "rate": 19, "codes": ["x", null, { "b": true, "a": -1 }] }));
        *row = row.clone().sealed();
        previous = row.hash.clone();
    }
    store.ledger.commit(journal.rows.clone()).await.unwrap();
    assert_eq!(all_rows(&store, &journal).await, journal.rows);
    let records = store.records.snapshot().await.unwrap().page(Collection::WalletJournal, None, 100).await.unwrap();
    let ours = records.into_iter().filter(|record| id_of(record).starts_with(&journal.wallet.to_hex())).collect();
    store.records.put_records(Collection::WalletJournal, ours).await.unwrap();
    let rows = all_rows(&store, &journal).await;
    assert_eq!(rows, journal.rows);
    assert!(rows.iter().all(|row| row.hash == row.digest()));
}

async fn rows_of_newer_software_are_told_apart_and_left_alone(store: Stores) {
    let mut journal = Journal::new();
    journal.bonus(5);
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let before = store.ledger.wallet(journal.wallet, at(9)).await.unwrap();
    let row = journal.bonus(7);
    let mut record = encode(Collection::WalletJournal, &row).unwrap();
    record.extend(doc! { "version": i64::from(Row::VERSION) + 1, "kind": "fee", "rate": 0.5 });
    store.records.put_records(Collection::WalletJournal, vec![record.clone()]).await.unwrap();

    let wallet = journal.wallet;
    let next = journal.bonus(9);
    assert_newer(store.ledger.look(wallet, &[], &[]).await, &row);
    assert_newer(store.ledger.look(wallet, std::slice::from_ref(&row.idempotency_key), &[]).await, &row);
    assert_newer(store.ledger.commit(vec![next]).await, &row);
    assert_newer(store.ledger.head(wallet).await, &row);
    assert_newer(store.ledger.rows_after(wallet, 0, 100).await, &row);
    assert_newer(store.ledger.row_before(wallet, at(1_000_000)).await, &row);
    assert_newer(store.ledger.transaction(row.transaction_id).await, &row);
    assert_newer(store.ledger.project(wallet).await, &row);
    assert_newer(store.ledger.rebuild(wallet).await, &row);
    // what was shown is still shown, and records are as they were put
    assert_eq!(store.ledger.wallet(wallet, at(9)).await.unwrap(), before);
    assert_eq!(store.ledger.rows_after(wallet, 0, 1).await.unwrap(), journal.rows[..1]);
    let page = store.records.snapshot().await.unwrap().page(Collection::WalletJournal, None, 100).await.unwrap();
    let kept: Vec<_> = page.into_iter().filter(|kept| id_of(kept) == row.id).collect();
    assert_eq!(kept, [record.clone()]);
    assert_newer(decode::<Row>(Collection::WalletJournal, record), &row);
}

#[track_caller]
fn assert_newer<T: std::fmt::Debug>(result: metastamp_store::Result<T>, row: &Row) {
    match result {
        Err(StoreError::NewerVersion { what, version }) => {
            assert_eq!((what, version), (format!("row {}", row.id), u64::from(Row::VERSION) + 1));
        }
        other => panic!("no word of a newer version: {other:?}"),
    }
}

fn id_of(record: &Document) -> String {
    record.get_str("_id").unwrap().to_owned()
}
