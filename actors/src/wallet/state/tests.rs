//! Random histories of one wallet: what is decided may always be written, and what was tampered with is found.

use proptest::prelude::*;

use super::*;

fn id(n: u8) -> ObjectId {
    format!("{n:024x}").parse().unwrap()
}

fn usd(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn stamp(ms: i64) -> Stamp {
    Stamp { now: Timestamp(ms), batch: id(99), writer: "a/1".to_owned(), version: Row::VERSION }
}

/// A journal that grows as a wallet's does.
struct Journal {
    book: Book,
    rows: Vec<Row>,
}

impl Journal {
    fn new() -> Self {
        Self { book: Book::new(id(1)), rows: Vec::new() }
    }

    fn order(&mut self, key: &str, kind: OrderKind) -> Result<Row, Refusal> {
        let order = Order { wallet_id: id(1), key: key.to_owned(), asked_by: id(2), kind };
        let subject = Subject::of(self.rows.iter().filter(|row| row.transaction_id == order.subject()));
        let row = self.book.decide(&order, subject, &stamp(1_000 + self.rows.len() as i64))?;
        self.book.apply(&row, subject).unwrap_or_else(|violation| panic!("{violation}"));
        self.rows.push(row.clone());
        Ok(row)
    }

    /// From the first row on, believing nothing.
    fn replay(rows: &[Row]) -> Result<Book, Violation> {
        let mut book = Book::new(id(1));
        for (i, row) in rows.iter().enumerate() {
            book.apply(
                row,
                Subject::of(rows[..i].iter().filter(|earlier| earlier.transaction_id == row.transaction_id)),
            )?;
        }
        Ok(book)
    }
}

fn earn(minor: i64, currency: Currency) -> OrderKind {
    OrderKind::Earn {
        partner_id: id(7),
        amount: usd(minor),
        currency,
        asset_id: id(8),
        reference_id: "usage".to_owned(),
        description: "Usage".to_owned(),
        metadata: BTreeMap::new(),
    }
}

fn payout(minor: i64, currency: Currency) -> OrderKind {
    OrderKind::Payout { amount: usd(minor), currency, description: "Payout".to_owned(), metadata: BTreeMap::new() }
}

fn reserve(minor: i64, credit: i64) -> OrderKind {
    OrderKind::Reserve {
        amount: usd(minor),
        currency: Currency::Usd,
        overdraft: usd(credit),
        asset_id: id(8),
        reference_id: "usage".to_owned(),
        description: "Usage".to_owned(),
    }
}

fn resolve(opening: &Row, outcome: Outcome) -> OrderKind {
    OrderKind::Resolve {
        transaction_id: opening.transaction_id,
        outcome,
        reason: "because".to_owned(),
        reference: None,
    }
}

fn described(make: fn(Amount, Currency, String) -> OrderKind, minor: i64, currency: Currency) -> OrderKind {
    make(usd(minor), currency, "A reason".to_owned())
}

fn adjust(minor: i64, currency: Currency) -> OrderKind {
    described(|amount, currency, description| OrderKind::Adjust { amount, currency, description }, minor, currency)
}

fn bonus(minor: i64, currency: Currency) -> OrderKind {
    described(|amount, currency, description| OrderKind::Bonus { amount, currency, description }, minor, currency)
}

#[test]
fn an_earning_waits_until_it_is_settled_and_a_payout_holds_its_sum() {
    let mut journal = Journal::new();
    let earning = journal.order("e", earn(5_000, Currency::Usd)).unwrap();
    let balances = journal.book.balances(Currency::Usd);
    assert_eq!((balances.pending, balances.available), (usd(5_000), usd(0)));
    assert_eq!(
        journal.order("p0", payout(1_000, Currency::Usd)),
        Err(Refusal::Insufficient { available: usd(0) }),
        "pending money can't be spent"
    );
    journal.order("s", resolve(&earning, Outcome::Completed)).unwrap();
    let out = journal.order("p", payout(2_000, Currency::Usd)).unwrap();
    let balances = journal.book.balances(Currency::Usd);
    assert_eq!((balances.available, balances.held, balances.earned), (usd(3_000), usd(2_000), usd(5_000)));
    assert_eq!(balances.posted(), Some(usd(5_000)));
    journal.order("f", resolve(&out, Outcome::Failed)).unwrap();
    assert_eq!(journal.book.balances(Currency::Usd).available, usd(5_000));
    assert_eq!(
        journal.order("c", resolve(&out, Outcome::Completed)),
        Err(Refusal::Ended(TransactionStatus::Failed)),
        "a hold ends once"
    );
    let again = journal.order("p2", payout(5_000, Currency::Usd)).unwrap();
    journal.order("c2", resolve(&again, Outcome::Completed)).unwrap();
    let balances = journal.book.balances(Currency::Usd);
    assert_eq!((balances.available, balances.held, balances.paid_out), (usd(0), usd(0), usd(5_000)));
}

#[test]
fn partners_spend_to_their_limit_and_may_always_pay_in() {
    let mut journal = Journal::new();
    journal
        .order("d", OrderKind::Deposit { amount: usd(100), currency: Currency::Usd, description: "In".into() })
        .unwrap();
    assert_eq!(journal.order("r0", reserve(151, 50)), Err(Refusal::Insufficient { available: usd(150) }));
    let held = journal.order("r", reserve(150, 50)).unwrap();
    assert_eq!(journal.book.balances(Currency::Usd).available, usd(-50));
    // the limit is gone, the debt is not: what is held may be settled, and money may come in
    assert_eq!(journal.order("r1", reserve(1, 0)), Err(Refusal::Insufficient { available: usd(-50) }));
    journal.order("s", resolve(&held, Outcome::Completed)).unwrap();
    journal
        .order("d2", OrderKind::Deposit { amount: usd(20), currency: Currency::Usd, description: "In".into() })
        .unwrap();
    let balances = journal.book.balances(Currency::Usd);
    assert_eq!((balances.available, balances.spent, balances.deposited), (usd(-30), usd(150), usd(120)));
}

#[test]
fn currencies_are_never_mixed() {
    let mut journal = Journal::new();
    journal.order("b", bonus(1_000, Currency::Eur)).unwrap();
    assert_eq!(journal.order("p", payout(1_000, Currency::Usd)), Err(Refusal::Insufficient { available: usd(0) }));
    journal.order("q", payout(1_000, Currency::Eur)).unwrap();
    assert_eq!(journal.book.balances(Currency::Usd), Balances::default());
}

#[test]
fn nonsense_is_refused() {
    let mut journal = Journal::new();
    let big = Amount::MINOR_MAX;
    for kind in [payout(0, Currency::Usd), payout(-1, Currency::Usd), adjust(0, Currency::Usd)] {
        assert!(matches!(journal.order("k", kind), Err(Refusal::Invalid(_))));
    }
    let unknown =
        OrderKind::Resolve { transaction_id: id(5), outcome: Outcome::Completed, reason: "x".into(), reference: None };
    assert_eq!(journal.order("k", unknown), Err(Refusal::UnknownTransaction));
    assert!(matches!(journal.order(&"k".repeat(301), bonus(1, Currency::Usd)), Err(Refusal::Invalid(_))));
    journal.order("most", bonus(big, Currency::Usd)).unwrap();
    assert_eq!(journal.order("more", bonus(1, Currency::Usd)), Err(Refusal::TooLarge));
    assert_eq!(journal.order("pending", earn(1, Currency::Usd)), Err(Refusal::TooLarge));
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Earn(i64, Currency),
    Payout(i64, Currency),
    Adjust(i64, Currency),
    Bonus(i64, Currency),
    Deposit(i64),
    Reserve(i64, i64),
    /// The transaction with this number (modulo those there are), and how it ends.
    Resolve(usize, Outcome),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let minor = prop_oneof![1..5_000_i64, Just(Amount::MINOR_MAX / 2)];
    let currency = prop_oneof![Just(Currency::Usd), Just(Currency::Eur), Just(Currency::Jpy)];
    let outcome = prop_oneof![Just(Outcome::Completed), Just(Outcome::Failed), Just(Outcome::Cancelled)];
    let step = prop_oneof![
        3 => (minor.clone(), currency.clone()).prop_map(|(m, c)| Step::Earn(m, c)),
        3 => (minor.clone(), currency.clone()).prop_map(|(m, c)| Step::Payout(m, c)),
        1 => ((-3_000..3_000_i64), currency.clone()).prop_map(|(m, c)| Step::Adjust(m, c)),
        1 => (minor.clone(), currency).prop_map(|(m, c)| Step::Bonus(m, c)),
        1 => minor.clone().prop_map(Step::Deposit),
        2 => (minor, 0..2_000_i64).prop_map(|(m, credit)| Step::Reserve(m, credit)),
        5 => (any::<usize>(), outcome).prop_map(|(n, o)| Step::Resolve(n, o)),
    ];
    prop::collection::vec(step, 1..60)
}

/// The journal of a random history, and what was refused on the way.
fn play(steps: &[Step]) -> Journal {
    let mut journal = Journal::new();
    for (i, step) in steps.iter().enumerate() {
        let kind = match step {
            Step::Earn(minor, currency) => earn(*minor, *currency),
            Step::Payout(minor, currency) => payout(*minor, *currency),
            Step::Adjust(minor, currency) => adjust(*minor, *currency),
            Step::Bonus(minor, currency) => bonus(*minor, *currency),
            Step::Deposit(minor) => {
                OrderKind::Deposit { amount: usd(*minor), currency: Currency::Usd, description: "In".to_owned() }
            }
            Step::Reserve(minor, credit) => reserve(*minor, *credit),
            Step::Resolve(n, outcome) => match journal.rows.get(n % journal.rows.len().max(1)) {
                Some(row) => resolve(row, *outcome),
                None => continue,
            },
        };
        let before = journal.book.clone();
        if journal.order(&format!("k{i}"), kind).is_err() {
            assert_eq!(journal.book, before, "a refusal changes nothing");
        }
    }
    journal
}

/// All accounts over all rows, by currency: what every wallet and the world outside have.
fn accounts(rows: &[Row]) -> BTreeMap<(Currency, Account), i128> {
    let mut accounts = BTreeMap::new();
    for row in rows {
        *accounts.entry((row.currency, row.debit)).or_default() -= i128::from(row.amount.minor());
        *accounts.entry((row.currency, row.credit)).or_default() += i128::from(row.amount.minor());
    }
    accounts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_history_adds_up(steps in steps()) {
        let journal = play(&steps);
        let replayed = Journal::replay(&journal.rows).unwrap();
        prop_assert_eq!(&replayed, &journal.book);
        let accounts = accounts(&journal.rows);
        for currency in Currency::ALL {
            let of = |account| accounts.get(&(currency, account)).copied().unwrap_or_default();
            let balances = journal.book.balances(currency);
            // W12 from the legs alone, W2, W9, and what the totals say
            prop_assert_eq!(of(Account::Available(id(1))), i128::from(balances.available.minor()));
            prop_assert_eq!(of(Account::Held(id(1))), i128::from(balances.held.minor()));
            prop_assert_eq!(of(Account::Pending(id(1))), i128::from(balances.pending.minor()));
            let sum: i128 = accounts.iter().filter(|((c, _), _)| *c == currency).map(|(_, n)| n).sum();
            prop_assert_eq!(sum, 0);
            let minor = |amount: Amount| i128::from(amount.minor());
            let posted = minor(balances.earned) + minor(balances.adjusted) + minor(balances.deposited)
                - minor(balances.paid_out) - minor(balances.spent);
            prop_assert_eq!(minor(balances.available) + minor(balances.held), posted);
            prop_assert!(!balances.held.is_negative() && !balances.pending.is_negative());
        }
        // W5, W10: numbered without a gap, and nothing ends twice
        for (i, row) in journal.rows.iter().enumerate() {
            prop_assert_eq!(row.seq, i as u64 + 1);
            let ends = journal.rows.iter().filter(|other| other.resolves == Some(row.transaction_id)).count();
            prop_assert!(ends <= 1);
        }
        let openings = journal.rows.iter().filter(|row| row.is_opening()).count() as u64;
        prop_assert_eq!(journal.book.transactions, openings);
    }

    #[test]
    fn whatever_is_tampered_with_is_found(steps in steps(), at in any::<prop::sample::Index>(), what in 0..12_u8, reseal in any::<bool>()) {
        let mut rows = play(&steps).rows;
        prop_assume!(rows.len() > 2);
        let n = at.index(rows.len() - 1);
        let last = rows.len() - 1;
        match what {
            0 => rows[n].amount = rows[n].amount.plus(usd(1)).unwrap_or(usd(1)),
            1 => rows[n].currency = if rows[n].currency == Currency::Chf { Currency::Gbp } else { Currency::Chf },
            2 => { let row = &mut rows[n]; (row.debit, row.credit) = (row.credit, row.debit) },
            3 => rows[n].description.push('!'),
            4 => rows[n].at = Timestamp(0),
            5 => { let currency = rows[n].currency; rows[n].balances.entry(currency).and_modify(|b| b.earned = usd(7_777_777)); },
            6 => rows[n].idempotency_key.push('x'),
            7 => rows[n].writer = "b/2".to_owned(),
            8 => drop(rows.remove(n)),
            9 => rows.swap(n, last),
            10 => { let row = rows[n].clone(); rows.insert(n, row) },
            _ => rows[n].asked_by = id(66),
        }
        // even whoever seals the row again breaks the chain behind it
        if reseal && what < 8 {
            rows[n] = rows[n].clone().sealed();
        }
        prop_assert!(Journal::replay(&rows).is_err());
    }
}
