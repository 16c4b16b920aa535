//! Two owners of one wallet at once, on a store that loses answers: whatever they do, the journal is one true history.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use metastamp_protocol::Amount;
use metastamp_protocol::ledger::{Outcome, Transaction, TransactionStatus, Wallet};
use metastamp_store::Result as StoreResult;
use metastamp_store::ports::{HistoryPage, HistoryQuery};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

/// A journal in memory with the unique indexes of the real ones. Rows of one commit go in one by one, others may come
/// between; answers get lost before, within and after.
struct Shaky {
    rows: Mutex<Vec<Row>>,
    random: Mutex<StdRng>,
    faults: bool,
    /// Off to prove that this test can fail.
    fenced: bool,
    /// What an earlier system kept in the wallet.
    kept: Option<(Currency, Balances)>,
}

impl Shaky {
    fn new(seed: u64, faults: bool, fenced: bool) -> Arc<Self> {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Arc::new(Self { rows: Mutex::default(), random, faults, fenced, kept: None })
    }

    async fn dawdle(&self) {
        let turns = self.random.lock().random_range(0..4);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    fn fault(&self) -> StoreResult<()> {
        let hit = self.faults && self.random.lock().random_range(0..12) == 0;
        if hit { Err(StoreError::Unavailable("injected".to_owned())) } else { Ok(()) }
    }

    fn chosen(&self, choose: impl Fn(&Row) -> bool) -> Vec<Row> {
        self.rows.lock().iter().filter(|row| choose(row)).cloned().collect()
    }

    fn insert(&self, row: Row) -> StoreResult<()> {
        let mut rows = self.rows.lock();
        let taken = rows.iter().any(|other| {
            other.seq == row.seq
                || other.idempotency_key == row.idempotency_key
                || (row.resolves.is_some() && other.resolves == row.resolves)
        });
        if taken && self.fenced {
            return Err(StoreError::Fenced { what: "wallet" });
        }
        rows.push(row);
        Ok(())
    }
}

fn unused<T>() -> StoreResult<T> {
    Err(StoreError::Internal("tellers do not ask for this".to_owned()))
}

#[async_trait]
impl Ledger for Shaky {
    async fn look(&self, _: ObjectId, keys: &[String], transactions: &[ObjectId]) -> StoreResult<Look> {
        self.dawdle().await;
        self.fault()?;
        // One read after the other, as servers do: rows may come between.
        let head = self.rows.lock().iter().max_by_key(|row| row.seq).cloned();
        self.dawdle().await;
        let of_transactions = self.chosen(|row| transactions.contains(&row.transaction_id));
        self.dawdle().await;
        let by_key = self.chosen(|row| keys.contains(&row.idempotency_key));
        let look = Look { head, by_key, of_transactions };
        self.dawdle().await;
        Ok(look)
    }

    async fn commit(&self, rows: Vec<Row>) -> StoreResult<()> {
        self.fault()?;
        for row in rows {
            self.dawdle().await;
            self.insert(row)?;
            self.fault()?;
        }
        self.fault()
    }

    async fn head(&self, _: ObjectId) -> StoreResult<Option<Row>> {
        unused()
    }
    async fn rows_after(&self, _: ObjectId, _: u64, _: u32) -> StoreResult<Vec<Row>> {
        unused()
    }
    async fn row_before(&self, _: ObjectId, _: Timestamp) -> StoreResult<Option<Row>> {
        unused()
    }
    async fn wallet(&self, user_id: ObjectId, now: Timestamp) -> StoreResult<Wallet> {
        let balances = self.kept.iter().copied().collect();
        Ok(Wallet { balances, ..Wallet::empty(user_id, now) })
    }
    async fn project(&self, _: ObjectId) -> StoreResult<()> {
        unused()
    }
    async fn rebuild(&self, _: ObjectId) -> StoreResult<u64> {
        unused()
    }
    async fn transaction(&self, _: ObjectId) -> StoreResult<Option<Transaction>> {
        unused()
    }
    async fn history(&self, _: &HistoryQuery, _: u64, _: u32) -> StoreResult<HistoryPage> {
        unused()
    }
    async fn history_below(&self, _: &HistoryQuery, _: u64, _: u32) -> StoreResult<Vec<Transaction>> {
        unused()
    }
}

fn wallet_id() -> ObjectId {
    format!("{:024x}", 1).parse().unwrap()
}

fn teller(ledger: &Arc<Shaky>, name: &str) -> Teller {
    let teller = Teller::new(ledger.clone(), NodeRef { node_id: name.to_owned(), generation: 1 });
    Teller { pause_max: Duration::ZERO, ..teller }
}

fn order(key: String, kind: OrderKind) -> Order {
    Order { wallet_id: wallet_id(), key, asked_by: wallet_id(), kind }
}

fn bonus(n: usize) -> Order {
    let (amount, currency) = (Amount::from_minor(100 + n as i64).unwrap(), Currency::Usd);
    order(format!("b{n}"), OrderKind::Bonus { amount, currency, description: "A bonus".to_owned() })
}

fn payout(n: usize) -> Order {
    let (amount, currency) = (Amount::from_minor(150).unwrap(), Currency::Usd);
    let description = "Out".to_owned();
    order(format!("p{n}"), OrderKind::Payout { amount, currency, description, metadata: BTreeMap::new() })
}

/// Both clients of one payout: one completes it, one takes it back. Only one of them may get through.
fn ends(n: usize) -> [Order; 2] {
    [Outcome::Completed, Outcome::Cancelled].map(|outcome| {
        let transaction_id = payout(n).transaction_id();
        let kind = OrderKind::Resolve { transaction_id, outcome, reason: "so".to_owned(), reference: None };
        order(format!("e{n}/{outcome:?}"), kind)
    })
}

/// Asks until there is an answer, as clients do.
async fn ask(teller: Teller, orders: Vec<Order>) -> Vec<LedgerAnswer> {
    let mut answers = vec![None; orders.len()];
    for _ in 0..1_000 {
        let open: Vec<usize> = (0..orders.len()).filter(|i| answers[*i].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let asked: Vec<Order> = open.iter().map(|i| orders[*i].clone()).collect();
        let until = Instant::now() + Duration::from_secs(60);
        for (i, answer) in open.into_iter().zip(teller.serve(wallet_id(), &asked, until).await) {
            answers[i] = answer.ok();
        }
    }
    answers.into_iter().map(|answer| answer.expect("an answer after a thousand attempts")).collect()
}

/// Runs two owners against each other; answers every order with what it was answered, and the journal.
async fn race(seed: u64, fenced: bool) -> (Vec<(Order, LedgerAnswer)>, Vec<Row>) {
    let ledger = Shaky::new(seed, true, fenced);
    let mut random = StdRng::seed_from_u64(seed ^ 0xa5);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..6 {
        let mut orders = Vec::new();
        for _ in 0..random.random_range(1..6) {
            let n = random.random_range(0..8);
            orders.push(if random.random() { bonus(n) } else { payout(n) });
            if random.random() {
                orders.push(ends(n)[client % 2].clone());
            }
        }
        // one group never holds a key twice: the actor sees to it
        let mut keys = HashSet::new();
        orders.retain(|order| keys.insert(order.key.clone()));
        let teller = teller(&ledger, if client < 3 { "a" } else { "b" });
        clients.spawn(async move {
            let answers = ask(teller, orders.clone()).await;
            orders.into_iter().zip(answers).collect::<Vec<_>>()
        });
    }
    let answered = clients.join_all().await.into_iter().flatten().collect();
    let mut rows = ledger.rows.lock().clone();
    rows.sort_by_key(|row| row.seq);
    (answered, rows)
}

/// What is wrong with the history that two owners made.
fn judge(answered: &[(Order, LedgerAnswer)], rows: &[Row]) -> std::result::Result<(), String> {
    let mut book = Book::new(wallet_id());
    for (i, row) in rows.iter().enumerate() {
        let subject = Subject::of(rows[..i].iter().filter(|other| other.transaction_id == row.transaction_id));
        book.apply(row, subject).map_err(|violation| violation.to_string())?;
    }
    let by_key: HashMap<_, _> = rows.iter().map(|row| (&row.idempotency_key, row)).collect();
    let mut fresh = HashMap::new();
    let mut asked: HashMap<&String, usize> = HashMap::new();
    for (order, _) in answered {
        *asked.entry(&order.key).or_default() += 1;
    }
    for (order, answer) in answered {
        match (answer, by_key.get(&order.key)) {
            (LedgerAnswer::Committed { row, repeat }, Some(stored)) if &**row == *stored => {
                if !repeat && fresh.insert(order.key.clone(), ()).is_some() {
                    return Err(format!("{} was made twice", order.key));
                }
            }
            (LedgerAnswer::Committed { .. }, _) => return Err(format!("{} was acknowledged and is lost", order.key)),
            (LedgerAnswer::Refused(Refusal::Ended(status)), None) if *status != TransactionStatus::Pending => {}
            // What only this client asked for, and what was refused to it, is not there.
            (LedgerAnswer::Refused(_), Some(_)) if asked[&order.key] == 1 => {
                return Err(format!("{} was refused and is there", order.key));
            }
            (LedgerAnswer::Refused(Refusal::Insufficient { .. } | Refusal::UnknownTransaction), _) => {}
            (LedgerAnswer::Refused(refusal), _) => return Err(format!("{}: {refusal}", order.key)),
        }
    }
    Ok(())
}

#[tokio::test]
async fn two_owners_on_a_shaky_store_make_one_true_history() {
    for seed in 0..300 {
        let (answered, rows) = race(seed, true).await;
        judge(&answered, &rows).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[tokio::test]
async fn without_the_unique_indexes_the_history_is_found_to_be_broken() {
    let mut broken = 0;
    for seed in 0..40 {
        let (answered, rows) = race(seed, false).await;
        broken += u32::from(judge(&answered, &rows).is_err());
    }
    assert!(broken > 20, "only {broken} of 40");
}

#[tokio::test]
async fn one_group_is_one_write_and_repeats_are_told() {
    let ledger = Shaky::new(1, false, true);
    let teller = teller(&ledger, "a");
    let orders: Vec<_> = (0..50).map(bonus).collect();
    let until = Instant::now() + Duration::from_secs(60);
    let first = teller.serve(wallet_id(), &orders, until).await;
    assert!(first.iter().all(|answer| matches!(answer, Ok(LedgerAnswer::Committed { repeat: false, .. }))));
    let batches: HashSet<_> = ledger.rows.lock().iter().map(|row| row.batch).collect();
    assert_eq!((ledger.rows.lock().len(), batches.len()), (50, 1));
    let second = teller.serve(wallet_id(), &orders, until).await;
    assert!(second.iter().all(|answer| matches!(answer, Ok(LedgerAnswer::Committed { repeat: true, .. }))));
    assert_eq!(ledger.rows.lock().len(), 50);
    let reused = Order { key: "b0".to_owned(), ..bonus(1) };
    let answers = teller.serve(wallet_id(), &[reused], until).await;
    assert!(matches!(answers[0], Ok(LedgerAnswer::Refused(Refusal::KeyReused))), "{answers:?}");
}

#[tokio::test]
async fn what_an_earlier_system_kept_is_brought_in_once() {
    let available = Amount::from_minor(12_050).unwrap();
    let kept = Some((Currency::Usd, Balances { available, ..Balances::default() }));
    let ledger = Arc::new(Shaky { kept, ..Arc::into_inner(Shaky::new(1, false, true)).unwrap() });
    let teller = teller(&ledger, "a");
    let until = Instant::now() + Duration::from_secs(60);
    for n in 0..2 {
        let answers = teller.serve(wallet_id(), &[payout(n)], until).await;
        assert!(matches!(answers[0], Ok(LedgerAnswer::Committed { .. })), "{answers:?}");
    }
    let rows = ledger.rows.lock().clone();
    assert_eq!((rows.len(), rows[0].amount, rows[0].description.as_str()), (3, available, BROUGHT_FORWARD));
}

#[tokio::test]
async fn rows_are_of_the_version_that_all_members_read() {
    let ledger = Shaky::new(1, false, true);
    let (members, watch) = watch::channel(Arc::new(View::alone(NodeRef { node_id: "a".to_owned(), generation: 1 })));
    let teller = teller(&ledger, "a").with_members(watch);
    let mut written = Vec::new();
    for (n, oldest) in [(1, 4), (2, 3), (3, 4)] {
        members.send_modify(|view| Arc::make_mut(view).members[0].protocol_max = oldest);
        let answer = teller.serve(wallet_id(), &[bonus(n)], Instant::now() + Duration::from_secs(5)).await.remove(0);
        let Ok(LedgerAnswer::Committed { row, .. }) = answer else { panic!("{answer:?}") };
        written.push(row.version);
    }
    assert_eq!(written, [2, 1, 2]);
}
