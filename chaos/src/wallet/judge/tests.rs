//! Doctored statements: each broken promise is found under its name.

use serde_json::json;

use super::*;

const WALLET: &str = "507f1f77bcf86cd799439011";

fn id(key: &str) -> String {
    Order::transaction_of(WALLET.parse().unwrap(), key).to_hex()
}

fn number(cents: i64) -> Number {
    Number::from_f64(cents as f64 / 100.0).unwrap()
}

/// Rows by transaction, status, change of the balance, what moved, available, held.
fn entries(rows: &[(&str, &str, i64, i64, i64, i64)]) -> Vec<Entry> {
    let hash = |seq: u64| if seq == 0 { Row::GENESIS.to_owned() } else { format!("{seq:064x}") };
    let entry = |(row, seq): (&(&str, &str, i64, i64, i64, i64), u64)| Entry {
        seq,
        transaction_id: id(row.0),
        status: row.1.to_owned(),
        amount: number(row.2),
        moved: number(row.3),
        balances: json!({ "available": number(row.4), "held": number(row.5) }),
        previous: hash(seq - 1),
        hash: hash(seq),
    };
    rows.iter().zip(1..).map(entry).collect()
}

fn sound() -> (Vec<Acknowledged>, Vec<Entry>) {
    let opened = |key: &str, cents| Acknowledged::Opened { key: key.to_owned(), cents, id: id(key) };
    let said = vec![
        opened("bonus/a", 2_050),
        opened("payout/b", 1_000),
        Acknowledged::Ended { id: id("payout/b"), end: End::Completed },
        Acknowledged::Refused { key: "payout/c".to_owned() },
    ];
    let rows = [
        ("bonus/a", "completed", 2_050, 2_050, 2_050, 0),
        ("payout/b", "pending", 0, 1_000, 1_050, 1_000),
        ("payout/b", "completed", -1_000, 1_000, 1_050, 0),
    ];
    (said, entries(&rows))
}

fn found(said: &[Acknowledged], entries: &[Entry]) -> Vec<&'static str> {
    judge(WALLET, said, entries).violations.into_iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_sound_run_holds() {
    let (said, entries) = sound();
    let verdict = judge(WALLET, &said, &entries);
    assert!(verdict.holds(), "{verdict}");
    assert_eq!((verdict.acknowledged, verdict.refused, verdict.rows), (3, 1, 3));
}

#[test]
fn each_broken_promise_is_named() {
    let (said, rows) = sound();
    let doctored = |change: &dyn Fn(&mut Vec<Acknowledged>, &mut Vec<Entry>)| {
        let (mut said, mut rows) = (said.clone(), rows.clone());
        change(&mut said, &mut rows);
        found(&said, &rows)
    };
    assert!(doctored(&|_, rows| rows.truncate(2)).contains(&ACKNOWLEDGED_IS_WRITTEN), "the end is lost");
    assert!(doctored(&|_, rows| drop(rows.remove(0))).contains(&SEQ_IS_DENSE));
    assert!(doctored(&|_, rows| rows[1].previous = "x".to_owned()).contains(&CHAIN_HOLDS));
    assert!(doctored(&|_, rows| rows[2].amount = number(-999)).contains(&BALANCE_IS_THE_REPLAY));
    assert!(doctored(&|_, rows| rows[1].balances["available"] = json!(-1)).contains(&NEVER_NEGATIVE));
    assert!(doctored(&|said, _| drop(said.remove(0))).contains(&ONE_KEY_ONE_TRANSACTION), "nobody asked for it");
    let refused = |said: &mut Vec<Acknowledged>, _: &mut Vec<Entry>| {
        said.push(Acknowledged::Refused { key: "bonus/a".to_owned() })
    };
    assert!(doctored(&refused).contains(&ONE_KEY_ONE_TRANSACTION));
    let twice = |_: &mut Vec<Acknowledged>, rows: &mut Vec<Entry>| {
        let mut again = rows[2].clone();
        (again.seq, again.status, again.amount) = (4, "cancelled".to_owned(), number(0));
        again.previous.clone_from(&rows[2].hash);
        rows.push(again);
    };
    assert!(doctored(&twice).contains(&ENDS_ONCE));
    let other = |said: &mut Vec<Acknowledged>, _: &mut Vec<Entry>| {
        said[2] = Acknowledged::Ended { id: id("payout/b"), end: End::Failed }
    };
    assert!(doctored(&other).contains(&ACKNOWLEDGED_IS_WRITTEN));
    let mut verdict = judge(WALLET, &said, &rows);
    verdict.balance_at("node-1", &json!({ "available": 10.51, "held": 0 }), &rows);
    assert_eq!(verdict.violations[0].invariant, BALANCE_IS_THE_REPLAY);
    verdict.audited((false, "w4".to_owned()));
    assert_eq!(verdict.violations[1].invariant, CHAIN_HOLDS);
}
