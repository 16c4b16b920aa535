//! How SQLite finds what a history asks for, and how older databases are taken over.

use metastamp_protocol::ledger::{Transaction, TransactionStatus, TransactionType};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use rusqlite::{Connection, params_from_iter};

use super::history::{Statement, WHOLE_PAGE, below_statement, counting_statement, page_statement};
use super::put_transaction;
use crate::documents::embedded::schema::SCHEMA;
use crate::ports::HistoryQuery;
use crate::records::{Collection, bson};

fn database() -> Connection {
    let c = Connection::open_in_memory().unwrap();
    c.execute_batch(SCHEMA).unwrap();
    c
}

fn filled(wallet_id: ObjectId) -> Connection {
    let c = database();
    c.execute_batch("BEGIN").unwrap();
    for ordinal in 1..=2_000 {
        let transaction = Transaction {
            id: ObjectId::generate(),
            wallet_id,
            ordinal,
            kind: if ordinal % 50 == 0 { TransactionType::Payout } else { TransactionType::Earning },
            status: if ordinal % 9 == 0 { TransactionStatus::Pending } else { TransactionStatus::Completed },
            currency: Currency::Usd,
            amount: Amount::from_minor(1).unwrap(),
            description: "x".repeat(200),
            asset_id: None,
            reference_id: None,
            metadata: Default::default(),
            created_at: Timestamp(ordinal as i64),
            processed_at: None,
            seq: ordinal,
        };
        put_transaction(&c, &transaction).unwrap();
    }
    c.execute_batch("COMMIT").unwrap();
    c
}

fn plan(c: &Connection, statement: &Statement) -> String {
    let mut query = c.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let lines = query.query_map(params_from_iter(&statement.values), |row| row.get::<_, String>(3)).unwrap();
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

/// Every combination of filters.
fn queries(wallet_id: Option<ObjectId>) -> impl Iterator<Item = HistoryQuery> {
    (0..32).map(move |bits: u32| {
        let on = |bit: u32| bits & 1 << bit != 0;
        HistoryQuery {
            wallet_id,
            kind: on(0).then_some(TransactionType::Payout),
            status: on(1).then_some(TransactionStatus::Pending),
            currency: on(2).then_some(Currency::Usd),
            from: on(3).then_some(Timestamp(5)),
            to: on(4).then_some(Timestamp(900)),
        }
    })
}

#[test]
fn pages_and_sums_of_a_wallet_are_read_from_indexes() {
    let wallet = ObjectId::generate();
    let c = filled(wallet);
    // before and after the engine has learned how the values lie
    for statistics in ["", "ANALYZE"] {
        c.execute_batch(statistics).unwrap();
        let values = vec![wallet.to_hex().into(), 1_000_i64.into(), 20_i64.into()];
        let whole = plan(&c, &Statement { sql: WHOLE_PAGE.to_owned(), values });
        assert!(whole.contains("(wallet_id=? AND ordinal<?)"), "{whole}");
        for query in queries(Some(wallet)) {
            let count = plan(&c, &counting_statement(&query));
            assert!(count.contains("USING COVERING INDEX wallet_transactions_sums (wallet_id=?"), "{count}");
            let page = plan(&c, &page_statement(&query, 100, 20));
            let below = plan(&c, &below_statement(wallet, &query, 1_000, 20));
            for plan in [&whole, &count, &page, &below] {
                assert!(plan.starts_with("SEARCH") && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
            }
        }
    }
}

#[test]
fn lists_of_all_wallets_are_read_in_the_order_of_an_index() {
    let c = filled(ObjectId::generate());
    for query in queries(None) {
        let page = plan(&c, &page_statement(&query, 100, 20));
        assert!(page.contains("USING INDEX wallet_transactions_all") && !page.contains("TEMP B-TREE"), "{page}");
        let count = plan(&c, &counting_statement(&query));
        assert!(count.contains("USING COVERING INDEX wallet_transactions_all"), "{count}");
    }
}

#[test]
fn what_older_versions_kept_finds_its_place() {
    let c = database();
    let (one, two, owner) = (bson::oid::ObjectId::new(), bson::oid::ObjectId::new(), bson::oid::ObjectId::new());
    for id in [one, two] {
        let wallet = bson::doc! { "_id": id, "user_id": owner, "balance": 1.5, "odd": { "x": [1] } };
        let params = (Collection::Wallet.name(), id.to_hex(), bson::serialize_to_vec(&wallet).unwrap());
        c.execute("INSERT INTO plain_records VALUES (?1,?2,?3)", params).unwrap();
    }
    let calculation = bson::doc! { "_id": one, "user_id": owner, "calculated_value": "1.50" };
    let params = (Collection::Analytics.name(), one.to_hex(), bson::serialize_to_vec(&calculation).unwrap());
    c.execute("INSERT INTO plain_records VALUES (?1,?2,?3)", params).unwrap();
    for _ in 0..2 {
        crate::documents::embedded::records::move_plain(&c).unwrap();
        let count = |sql: &str| c.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM plain_records"), 0);
        assert_eq!(count("SELECT count(*) FROM analytics"), 1);
        assert_eq!(count("SELECT count(*) FROM wallets"), 2);
        assert_eq!(count("SELECT count(*) FROM wallets WHERE user_id IS NOT NULL"), 1);
    }
    let shown = super::views::wallet(&c, owner.to_hex().parse().unwrap()).unwrap().unwrap();
    assert_eq!(shown.in_currency(Currency::Usd).available.minor(), 150);
}
