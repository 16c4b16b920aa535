//! A clean history gives no finding, whatever it is; each corruption is found under the name of what it breaks.

mod world;

use metastamp_protocol::invariants::{
    AMOUNTS_ARE_EXACT, BALANCE_IS_THE_REPLAY, CHAIN_HOLDS, DEBITS_EQUAL_CREDITS, ENDS_ONCE, JOURNAL_IS_INSERT_ONLY,
    KEY_KEEPS_ITS_REQUEST, NEVER_NEGATIVE, NEWER_VERSION, ONE_CREDIT_PER_USAGE, ONE_KEY_ONE_TRANSACTION, SEQ_IS_DENSE,
    SUM_IS_ZERO, WRITES_DO_NOT_INTERLEAVE,
};
use metastamp_protocol::ledger::{Account, OrderKind, Outcome, TransactionStatus};
use metastamp_protocol::partner::UsageStatus;
use metastamp_protocol::{Currency, ObjectId};
use proptest::prelude::*;

use self::world::{CREATOR, PARTNER, World, bonus, id, ops, payout, usd};
use super::*;

/// A partner that paid in, a creator with two settled earnings, one that waits, one that was cancelled, and a payout.
fn history() -> World {
    let mut world = World::default();
    world.deposit(PARTNER, 10_000);
    for (key, minor) in [("a", 1_500), ("b", 700), ("c", 300), ("d", 200)] {
        world.report(PARTNER, CREATOR, key, minor);
    }
    world.settle("a", 2);
    world.settle("b", 2);
    world.cancel("d", 2);
    let out = world.order(CREATOR, "p", payout(1_000)).unwrap();
    let end = OrderKind::Resolve {
        transaction_id: out.transaction_id,
        outcome: Outcome::Completed,
        reason: "ok".into(),
        reference: None,
    };
    world.order(CREATOR, "pe", end).unwrap();
    world.order(CREATOR, "x", bonus(50)).unwrap();
    world.show();
    world
}

#[track_caller]
fn assert_found(world: &World, invariant: &str) {
    let findings = world.audit().findings;
    assert!(findings.listed.iter().any(|found| found.invariant == invariant), "{invariant}: {:?}", findings.listed);
}

/// Makes row `seq` of the creator into another one; `reseal` gives it a hash that fits.
#[track_caller]
fn assert_forged(invariant: &str, seq: u64, reseal: bool, change: impl FnOnce(&mut Row)) {
    let mut world = history();
    let row = world.rows.get_mut(&Row::id_of(id(CREATOR), seq)).unwrap();
    change(row);
    if reseal {
        *row = row.clone().sealed();
    }
    assert_found(&world, invariant);
}

#[test]
fn a_history_of_every_kind_is_clean() {
    let report = history().audit();
    assert_eq!((report.findings.total, report.findings.notes.len()), (0, 0), "{:?}", report.findings);
    assert_eq!((report.totals.wallets, report.totals.rows, report.totals.transactions), (2, 18, 11));
    let accounts = &report.totals.accounts[&Currency::Usd];
    assert_eq!((accounts["deposits"], accounts["payouts"], accounts["clearing"]), (-10_000, 1_000, -300));
    assert_eq!(report.totals.in_wallets[&Currency::Usd], 9_350);
}

#[test]
fn rows_that_were_changed_are_found() {
    assert_forged(JOURNAL_IS_INSERT_ONLY, 2, false, |row| row.amount = usd(1));
    assert_forged(BALANCE_IS_THE_REPLAY, 2, false, |row| row.amount = usd(1));
    assert_forged(JOURNAL_IS_INSERT_ONLY, 2, false, |row| row.description.push('!'));
    assert_forged(BALANCE_IS_THE_REPLAY, 3, true, |row| {
        row.balances.entry(Currency::Usd).or_default().available = usd(999_999);
    });
    assert_forged(CHAIN_HOLDS, 3, true, |row| row.writer = "b/9".to_owned());
    assert_forged(CHAIN_HOLDS, 3, true, |row| row.at = Timestamp(1));
    assert_forged(DEBITS_EQUAL_CREDITS, 3, true, |row| row.debit = Account::Bonuses);
    assert_forged(AMOUNTS_ARE_EXACT, 3, true, |row| row.amount = usd(999_999_999_999_999));
    assert_forged(JOURNAL_IS_INSERT_ONLY, 3, true, |row| row.version = 0);
    assert_forged(JOURNAL_IS_INSERT_ONLY, 3, false, |row| row.version = 1);
    assert_forged(JOURNAL_IS_INSERT_ONLY, 3, false, |row| drop(row.other.insert("fee".to_owned(), 7.into())));
    assert_forged(SEQ_IS_DENSE, 3, true, |row| row.ordinal = 7);
}

#[test]
fn rows_of_newer_software_are_not_called_forged() {
    let mut world = history();
    let third = Row::id_of(id(CREATOR), 3);
    for row in world.rows.values_mut().filter(|row| row.id >= third && row.wallet_id == id(CREATOR)) {
        row.version = Row::VERSION + 1;
        // as anything else in it may mean something else
        row.hash = "0".repeat(64);
    }
    let findings = world.audit().findings;
    let found: Vec<_> = findings.listed.iter().map(|found| (found.invariant, found.row.as_str())).collect();
    assert_eq!(found, [(NEWER_VERSION, third.as_str())], "one for each wallet, and nothing of what hangs on it");
    assert_eq!(findings.notes, std::collections::BTreeMap::from([(NOT_COMPARED, 1)]));
    // what stands before is judged all the same
    let first = Row::id_of(id(CREATOR), 1);
    world.rows.get_mut(&first).unwrap().description.push('!');
    assert_found(&world, JOURNAL_IS_INSERT_ONLY);
    assert_found(&world, NEWER_VERSION);
}

#[test]
fn money_that_was_not_there_is_found() {
    let mut world = history();
    let row = world.forge(CREATOR, "forged", payout(500_000));
    assert!(row.balances[&Currency::Usd].available.is_negative());
    assert_found(&world, NEVER_NEGATIVE);
}

#[test]
fn rows_that_are_gone_or_elsewhere_are_found() {
    let mut world = history();
    world.rows.remove(&Row::id_of(id(CREATOR), 3)).unwrap();
    assert_found(&world, SEQ_IS_DENSE);
    // the last row: only the documents know of it
    let mut world = history();
    world.rows.pop_last().unwrap();
    assert_found(&world, JOURNAL_IS_INSERT_ONLY);
    let mut world = history();
    let (two, five) = (Row::id_of(id(CREATOR), 2), Row::id_of(id(CREATOR), 5));
    let (mut second, mut fifth) = (world.rows[&two].clone(), world.rows[&five].clone());
    std::mem::swap(&mut second.id, &mut fifth.id);
    std::mem::swap(&mut second.seq, &mut fifth.seq);
    world.rows.extend([(two, fifth.sealed()), (five, second.sealed())]);
    assert_found(&world, CHAIN_HOLDS);
    // a row of another place: its id does not say where it stands
    let mut world = history();
    let row = world.rows.pop_last().unwrap().1;
    world.rows.insert(format!("{}x", row.id), Row { id: format!("{}x", row.id), ..row });
    assert_found(&world, JOURNAL_IS_INSERT_ONLY);
}

#[test]
fn forks_are_found() {
    let mut world = history();
    let last = world.rows.values().next_back().unwrap().clone();
    let stale = Row { id: Row::id_of(last.wallet_id, last.seq + 1), seq: last.seq + 1, batch: id(77), ..last };
    world.rows.insert(stale.id.clone(), stale.sealed());
    let findings = world.audit().findings.listed;
    let same = findings.iter().find(|found| found.what.starts_with("follows the same row as number"));
    assert_eq!(same.map(|found| found.invariant), Some(CHAIN_HOLDS), "{findings:?}");
}

#[test]
fn keys_mean_one_thing_for_ever() {
    let mut world = history();
    world.forge(CREATOR, "x", bonus(50));
    assert_found(&world, ONE_KEY_ONE_TRANSACTION);
    let mut world = history();
    world.forge(CREATOR, "x", bonus(51));
    assert_found(&world, KEY_KEEPS_ITS_REQUEST);
    assert_forged(ONE_KEY_ONE_TRANSACTION, 1, true, |row| row.transaction_id = id(66));
}

#[test]
fn nothing_ends_twice() {
    let mut world = history();
    let end = world.rows.values().find(|row| !row.is_opening() && row.wallet_id == id(CREATOR)).unwrap().clone();
    let other = Outcome::Cancelled;
    let kind = OrderKind::Resolve {
        transaction_id: end.transaction_id,
        outcome: other,
        reason: "again".into(),
        reference: None,
    };
    world.forge(CREATOR, "again", kind);
    let findings = world.audit().findings.listed;
    let ends: Vec<_> = findings.iter().filter(|found| found.invariant == ENDS_ONCE).collect();
    assert_eq!((ends.len(), ends[0].what.as_str()), (1, "ends what has ended"), "{findings:?}");
}

#[test]
fn writes_that_interleave_are_found() {
    for (what, change) in [
        ("between", (|rows: &mut [&mut Row]| rows[2].batch = rows[0].batch) as fn(&mut [&mut Row])),
        ("two writers", |rows| rows[1].batch = rows[0].batch),
    ] {
        let mut world = history();
        let mut rows: Vec<&mut Row> = world.rows.values_mut().filter(|row| row.wallet_id == id(CREATOR)).collect();
        rows[1].writer = "b/2".to_owned();
        rows[1].batch = id(78);
        change(&mut rows);
        world.seal(CREATOR);
        world.show();
        let findings = world.audit().findings;
        assert_eq!(findings.total, 1, "{what}: {:?}", findings.listed);
        assert_eq!(findings.listed[0].invariant, WRITES_DO_NOT_INTERLEAVE);
    }
}

#[test]
fn one_event_is_credited_once_over_all_wallets() {
    let mut world = history();
    let event = world.events.values().next().unwrap().clone();
    world.forge(3, "stolen", world::earn(&event));
    assert_found(&world, ONE_CREDIT_PER_USAGE);
    let mut world = history();
    let mut invented = event.clone();
    invented.id = id(55);
    world.order(CREATOR, "invented", world::earn(&invented)).unwrap();
    assert_found(&world, ONE_CREDIT_PER_USAGE);
    invented.id = event.id;
    world
        .order(
            3,
            "no-event",
            OrderKind::Earn {
                partner_id: id(PARTNER),
                amount: usd(5),
                currency: Currency::Usd,
                asset_id: id(9),
                reference_id: "a letter".to_owned(),
                description: "x".to_owned(),
                metadata: Default::default(),
            },
        )
        .unwrap();
    assert_found(&world, ONE_CREDIT_PER_USAGE);
}

#[test]
fn events_and_money_say_the_same() {
    for (from, to) in [
        (UsageStatus::Settled, UsageStatus::Pending),
        (UsageStatus::Settled, UsageStatus::Cancelled),
        (UsageStatus::Pending, UsageStatus::Settled),
        (UsageStatus::Pending, UsageStatus::Rejected),
        (UsageStatus::Cancelled, UsageStatus::Settled),
    ] {
        let mut world = history();
        world.events.values_mut().find(|event| event.status == from).unwrap().status = to;
        assert_found(&world, SUM_IS_ZERO);
    }
    let mut world = history();
    world.events.values_mut().next().unwrap().value = usd(1);
    assert_found(&world, SUM_IS_ZERO);
    let mut world = history();
    world.events.values_mut().next().unwrap().user_id = id(5);
    assert_found(&world, SUM_IS_ZERO);
    // settled, but nobody was ever credited
    let mut world = history();
    let mut alone = world.events.values().next().unwrap().clone();
    (alone.id, alone.status) = (id(44), UsageStatus::Settled);
    world.events.insert(alone.id, alone);
    assert_found(&world, SUM_IS_ZERO);
}

#[test]
fn events_half_way_are_only_noted() {
    for steps in 0..2 {
        let mut world = history();
        world.settle("c", steps);
        world.show();
        let findings = world.audit().findings;
        assert_eq!((findings.total, findings.notes["usage events on their way"]), (0, 1), "{:?}", findings.listed);
    }
}

#[test]
fn an_event_whose_credit_was_refused_gives_its_hold_back() {
    let mut world = history();
    let mut event = world.events.values().next().unwrap().clone();
    event.id = id(56);
    let hold = world.order(PARTNER, "hold", world::reserve(&event)).unwrap();
    let mut audited = |world: &mut World, status| {
        event.status = status;
        world.events.insert(event.id, event.clone());
        world.show();
        world.audit().findings.total
    };
    assert_eq!(audited(&mut world, UsageStatus::Cancelling), 0);
    assert_eq!(audited(&mut world, UsageStatus::Cancelled), 1, "the hold is still there");
    let (transaction_id, outcome) = (hold.transaction_id, Outcome::Cancelled);
    let kind = OrderKind::Resolve { transaction_id, outcome, reason: "refused".into(), reference: None };
    world.order(PARTNER, "back", kind).unwrap();
    assert_eq!(audited(&mut world, UsageStatus::Cancelled), 0);
}

#[test]
fn documents_show_what_the_journal_says() {
    let wallet = |change: &dyn Fn(&mut Wallet)| {
        let mut world = history();
        change(world.wallets.get_mut(&id(CREATOR)).unwrap());
        world
    };
    for changed in [
        wallet(&|wallet| wallet.balances.entry(Currency::Usd).or_default().available = usd(1)),
        wallet(&|wallet| wallet.head_hash = "0".repeat(64)),
        wallet(&|wallet| drop(wallet.transactions.pop())),
        wallet(&|wallet| wallet.last_payout_at = None),
        // what is behind must have been true
        wallet(&|wallet| wallet.last_seq -= 1),
    ] {
        assert_found(&changed, BALANCE_IS_THE_REPLAY);
    }
    assert_found(&wallet(&|wallet| wallet.last_seq += 1), JOURNAL_IS_INSERT_ONLY);
    let mut world = history();
    world.transactions.values_mut().next().unwrap().status = TransactionStatus::Failed;
    assert_found(&world, BALANCE_IS_THE_REPLAY);
    let mut world = history();
    world.transactions.pop_last();
    assert_found(&world, BALANCE_IS_THE_REPLAY);
    let mut world = history();
    let stray = Transaction { id: id(40), ..world.transactions.values().next().unwrap().clone() };
    world.transactions.insert(stray.id, stray);
    assert_found(&world, BALANCE_IS_THE_REPLAY);
}

#[test]
fn documents_behind_their_journal_are_only_noted() {
    let mut world = history();
    world.order(CREATOR, "late", bonus(10)).unwrap();
    let findings = world.audit().findings;
    assert_eq!(findings.total, 0, "{:?}", findings.listed);
    assert_eq!(findings.notes["wallet documents behind their journal"], 1);
    assert_eq!(findings.notes["transactions behind their journal"], 1);
    world.wallets.clear();
    world.transactions.clear();
    assert_eq!(world.audit().findings.total, 0, "no document at all is as far behind as can be");
}

#[test]
fn what_came_while_it_was_looked_at_is_no_finding() {
    let mut world = history();
    let before = world.rows.clone();
    world.settle("c", 2);
    world.show();
    world.rows = before;
    assert!(world.audit().findings.total > 0, "of one instant, this is wrong");
    let since = world.rows.values().map(|row| row.at).max().unwrap();
    for event in world.events.values_mut() {
        event.updated_at = since;
    }
    assert_eq!(world.audit_since(Some(since)).findings.total, 0);
}

#[test]
fn rounds_together_find_what_one_finds() {
    let mut world = history();
    world.transactions.values_mut().for_each(|transaction| transaction.description.push('!'));
    world.events.values_mut().for_each(|event| event.status = UsageStatus::Rejected);
    let whole = world.audit().findings;
    let mut parts = Findings::default();
    for index in 0..3 {
        parts.append(world.round(Part { index, of: 3 }, None).findings);
    }
    let sorted = |findings: &Findings| {
        let mut lines: Vec<_> = findings.listed.iter().map(|found| format!("{found:?}")).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&whole), sorted(&parts));
    assert_eq!(whole.total, 15);
}

#[test]
fn findings_are_counted_beyond_those_that_are_listed() {
    let mut findings = Findings::default();
    for n in 0..1_500 {
        findings.add(SUM_IS_ZERO, n, "x");
    }
    assert_eq!((findings.listed.len(), findings.total), (FINDINGS_MAX, 1_500));
}

#[test]
fn a_journal_is_cut_into_as_many_rounds_as_it_needs() {
    assert_eq!(Part::of(0).count(), 1);
    assert_eq!(Part::of(ROWS_PER_ROUND).count(), 1);
    assert_eq!(Part::of(ROWS_PER_ROUND + 1).count(), 2);
    let id = ObjectId::generate();
    assert_eq!(Part::of(5 * ROWS_PER_ROUND).filter(|part| part.holds(id)).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_are_clean(ops in ops()) {
        let mut world = World::default();
        world.play(&ops);
        world.show();
        let findings = world.audit().findings;
        prop_assert_eq!(findings.total, 0, "{:?}", findings.listed);
    }

    #[test]
    fn a_changed_row_is_found_in_any_history(ops in ops(), at in any::<prop::sample::Index>(), what in 0..5_u8) {
        let mut world = World::default();
        world.play(&ops);
        world.show();
        prop_assume!(!world.rows.is_empty());
        let key = world.rows.keys().nth(at.index(world.rows.len())).unwrap().clone();
        let row = world.rows.get_mut(&key).unwrap();
        match what {
            0 => row.amount = usd(row.amount.minor() % 1_000 + 1_001),
            1 => row.balances.entry(Currency::Chf).or_default().adjusted = usd(1),
            2 => row.asked_by = id(99),
            3 => drop(world.rows.remove(&key)),
            // sealed again, as one would who knows how
            _ => { row.writer = "c/3".to_owned(); *row = row.clone().sealed(); },
        }
        prop_assert!(world.audit().findings.total > 0);
    }
}
