//! Histories: every filter, every page, the sums, and how deep pages are found.

use metastamp_protocol::ledger::{Transaction, TransactionStatus, TransactionType};
use metastamp_protocol::{Amount, Currency, ObjectId};
use metastamp_store::ports::{HistoryPage, HistoryQuery, PAGE_ROWS_MAX, Sum};
use metastamp_store::records::Collection;
use metastamp_store::{StoreError, Stores};

use super::fixtures::at;
use super::journal::{Journal, eventful};
use crate::harness::{Case, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        every_filter_finds_what_matches,
        all_wallets_are_listed_by_time,
        deep_pages_are_found,
        an_export_walks_down,
        sums_beyond_the_bounds_hide_no_history,
        a_history_brings_its_views_up_to_date,
        pages_have_bounds,
    ]
}

/// All combinations, one more filter after the other.
fn queries(wallet_id: Option<ObjectId>) -> Vec<HistoryQuery> {
    let mut queries = vec![HistoryQuery { wallet_id, ..HistoryQuery::default() }];
    let mut vary = |changes: &[&dyn Fn(&mut HistoryQuery)]| {
        for mut query in queries.clone() {
            for change in changes {
                change(&mut query);
                queries.push(query.clone());
            }
        }
    };
    vary(&[&|query| query.kind = Some(TransactionType::Payout), &|query| query.kind = Some(TransactionType::Earning)]);
    vary(&[&|query| query.status = Some(TransactionStatus::Completed), &|query| {
        query.status = Some(TransactionStatus::Pending)
    }]);
    vary(&[&|query| query.currency = Some(Currency::Eur)]);
    vary(&[&|query| query.from = Some(at(9))]);
    vary(&[&|query| query.to = Some(at(30))]);
    let all = HistoryQuery { wallet_id, ..HistoryQuery::default() };
    queries.extend([
        HistoryQuery { kind: Some(TransactionType::Bonus), ..all.clone() },
        HistoryQuery { kind: Some(TransactionType::Spend), ..all.clone() },
        HistoryQuery { status: Some(TransactionStatus::Cancelled), ..all.clone() },
        HistoryQuery { currency: Some(Currency::Jpy), ..all.clone() },
        HistoryQuery { from: Some(at(400)), ..all },
    ]);
    queries
}

fn matches(query: &HistoryQuery, transaction: &Transaction) -> bool {
    let HistoryQuery { wallet_id, kind, status, currency, from, to } = *query;
    wallet_id.is_none_or(|id| id == transaction.wallet_id)
        && kind.is_none_or(|kind| kind == transaction.kind)
        && status.is_none_or(|status| status == transaction.status)
        && currency.is_none_or(|currency| currency == transaction.currency)
        && from.is_none_or(|from| transaction.created_at >= from)
        && to.is_none_or(|to| transaction.created_at <= to)
}

fn sums(transactions: &[&Transaction]) -> Vec<Sum> {
    let mut sums: Vec<Sum> = Vec::new();
    for transaction in transactions.iter().filter(|transaction| transaction.status == TransactionStatus::Completed) {
        let Transaction { kind, currency, amount, .. } = **transaction;
        match sums.iter_mut().find(|sum| sum.kind == kind && sum.currency == currency) {
            Some(sum) => sum.amount = sum.amount.plus(amount).unwrap(),
            None => sums.push(Sum { kind, currency, amount }),
        }
    }
    sums.retain(|sum| sum.amount != Amount::ZERO);
    sums.sort_by_key(|sum| (sum.kind, sum.currency));
    sums
}

/// `all` is in the order of the listing.
async fn check(store: &Stores, query: &HistoryQuery, all: &[Transaction]) {
    check_pages(store, query, all, &[(0, 100), (2, 5)]).await;
}

/// Pages of (skip, limit).
async fn check_pages(store: &Stores, query: &HistoryQuery, all: &[Transaction], pages: &[(u64, u32)]) {
    let expected: Vec<_> = all.iter().filter(|transaction| matches(query, transaction)).collect();
    for &(skip, limit) in pages {
        let HistoryPage { items, total, sums: found } = store.ledger.history(query, skip, limit).await.unwrap();
        let page: Vec<_> = expected
            .iter()
            .skip(usize::try_from(skip).unwrap())
            .take(limit as usize)
            .map(|item| (*item).clone())
            .collect();
        assert_eq!(items, page, "{query:?}, {skip}, {limit}");
        let sums = if query.wallet_id.is_some() { sums(&expected) } else { Vec::new() };
        assert_eq!((total, found), (expected.len() as u64, sums), "{query:?}");
    }
}

async fn every_filter_finds_what_matches(store: Stores) {
    let (journal, other) = (eventful(), eventful());
    journal.write(&store).await;
    other.write(&store).await;
    let all = journal.transactions();
    let queries = queries(Some(journal.wallet));
    assert!(queries.len() > 70);
    for query in &queries {
        check(&store, query, &all).await;
    }
    let edges = [(0, 3), (4, 1), (1, 0), (all.len() as u64, 5), (all.len() as u64 - 1, 5), (u64::MAX, 5)];
    let typed = HistoryQuery { kind: Some(TransactionType::Earning), ..queries[0].clone() };
    for query in [&queries[0], &typed] {
        check_pages(&store, query, &all, &edges).await;
    }
    let nobody = HistoryQuery { wallet_id: Some(ObjectId::generate()), ..HistoryQuery::default() };
    check(&store, &nobody, &[]).await;
}

async fn all_wallets_are_listed_by_time(store: Stores) {
    let journals = [eventful(), eventful(), eventful()];
    for journal in &journals {
        journal.write(&store).await;
        store.ledger.project(journal.wallet).await.unwrap();
    }
    let mut all: Vec<_> = journals.iter().flat_map(Journal::transactions).collect();
    all.sort_by_key(|transaction| std::cmp::Reverse((transaction.created_at, transaction.id)));
    for query in &queries(None) {
        check(&store, query, &all).await;
    }
}

async fn deep_pages_are_found(store: Stores) {
    let mut journal = eventful();
    for n in 0..1_000 {
        let opening = journal.earn(n + 1);
        if n % 3 > 0 {
            journal.end(&opening, TransactionStatus::Completed);
        }
    }
    journal.write(&store).await;
    let all = journal.transactions();
    let whole = HistoryQuery { wallet_id: Some(journal.wallet), ..HistoryQuery::default() };
    let pending = HistoryQuery { status: Some(TransactionStatus::Pending), ..whole.clone() };
    let earned = HistoryQuery { kind: Some(TransactionType::Earning), ..pending.clone() };
    for query in [whole, pending, earned] {
        let expected: Vec<_> = all.iter().filter(|transaction| matches(&query, transaction)).cloned().collect();
        let borrowed: Vec<_> = expected.iter().collect();
        for skip in [0, 20, expected.len() / 2, expected.len() - 7] {
            let page = store.ledger.history(&query, skip as u64, 20).await.unwrap();
            assert_eq!(page.items, expected[skip..expected.len().min(skip + 20)]);
            assert_eq!((page.total, page.sums), (expected.len() as u64, sums(&borrowed)));
        }
    }
}

async fn an_export_walks_down(store: Stores) {
    let journal = eventful();
    journal.write(&store).await;
    let all = journal.transactions();
    for query in queries(Some(journal.wallet)).into_iter().step_by(5) {
        let mut found: Vec<Transaction> = Vec::new();
        let mut below = u64::MAX;
        loop {
            let page = store.ledger.history_below(&query, below, 7).await.unwrap();
            let Some(last) = page.last() else { break };
            below = last.ordinal;
            found.extend(page);
        }
        let expected: Vec<_> = all.iter().filter(|transaction| matches(&query, transaction)).cloned().collect();
        assert_eq!(found, expected, "{query:?}");
    }
    let refused = store.ledger.history_below(&HistoryQuery::default(), 1, 7).await;
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
}

async fn sums_beyond_the_bounds_hide_no_history(store: Stores) {
    let mut journal = Journal::new();
    for _ in 0..3 {
        journal.bonus(Amount::MINOR_MAX);
        journal.adjust(-Amount::MINOR_MAX);
    }
    journal.write(&store).await;
    let whole = HistoryQuery { wallet_id: Some(journal.wallet), ..HistoryQuery::default() };
    let completed = HistoryQuery { status: Some(TransactionStatus::Completed), ..whole.clone() };
    for query in [whole, completed] {
        let page = store.ledger.history(&query, 0, 2).await.unwrap();
        assert_eq!((page.items.len(), page.total), (2, 6));
        let sums: Vec<_> = page.sums.iter().map(|sum| (sum.kind, sum.amount.minor())).collect();
        let max = Amount::MINOR_MAX;
        assert_eq!(sums, [(TransactionType::Adjustment, -max), (TransactionType::Bonus, max)], "{query:?}");
    }
}

async fn a_history_brings_its_views_up_to_date(store: Stores) {
    let journal = eventful();
    journal.write(&store).await;
    store.ledger.project(journal.wallet).await.unwrap();
    let records = store.records.snapshot().await.unwrap().page(Collection::WalletJournal, None, 1_000).await.unwrap();
    let query = HistoryQuery { wallet_id: Some(journal.wallet), ..HistoryQuery::default() };
    let filtered = HistoryQuery { to: Some(at(1_000_000)), ..query.clone() };
    for query in [&query, &filtered] {
        store.records.clear().await.unwrap();
        store.records.put_records(Collection::WalletJournal, records.clone()).await.unwrap();
        check(&store, query, &journal.transactions()).await;
    }
    store.records.clear().await.unwrap();
    store.records.put_records(Collection::WalletJournal, records).await.unwrap();
    let newest = store.ledger.history_below(&query, u64::MAX, 1).await.unwrap();
    assert_eq!(newest, journal.transactions()[..1]);
}

async fn pages_have_bounds(store: Stores) {
    let query = HistoryQuery { wallet_id: Some(ObjectId::generate()), ..HistoryQuery::default() };
    let refused = store.ledger.history(&query, 0, PAGE_ROWS_MAX + 1).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    let refused = store.ledger.history_below(&query, 0, PAGE_ROWS_MAX + 1).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    store.ledger.history(&query, 0, PAGE_ROWS_MAX).await.unwrap();
}
