//! `metastamp audit` finds what was planted in the stores, under the name of what it breaks, and `metastamp wallet
//! rebuild` mends what is only shown.

mod history;

use std::path::{Path, PathBuf};

use metastamp_protocol::invariants::{
    BALANCE_IS_THE_REPLAY, CHAIN_HOLDS, ENDS_ONCE, JOURNAL_IS_INSERT_ONLY, ONE_CREDIT_PER_USAGE,
    ONE_KEY_ONE_TRANSACTION, SEQ_IS_DENSE, SUM_IS_ZERO, WRITES_DO_NOT_INTERLEAVE,
};
use metastamp_protocol::ledger::{Row, Transaction, TransactionStatus};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Amount, Currency, ObjectId};
use metastamp_store::Stores;
use metastamp_store::records::{Bson, Collection, Document, decode, encode};
use metastamp_tests::kept::Kept;
use metastamp_tests::{NodeOptions, NodeProcess, start};
use serde_json::Value;
use std::time::Duration;

use self::history::{ACME, CREATOR, play, play_example};
use crate::backup::metastamp;

const COLLECTIONS: [Collection; 4] =
    [Collection::WalletJournal, Collection::WalletTransactions, Collection::Wallet, Collection::UsageEvents];

/// Stores with a proper history, and what they held before anything was planted.
struct Planted {
    kept: Kept,
    before: Vec<(Collection, Vec<Document>)>,
    home: tempfile::TempDir,
    data: PathBuf,
    _node: NodeProcess,
}

async fn all(stores: &Stores, collection: Collection) -> Vec<Document> {
    stores.records.snapshot().await.unwrap().page(collection, None, 1_000).await.unwrap()
}

impl Planted {
    async fn new() -> Self {
        let mut node = start(NodeOptions::new());
        let data = node.data_dir();
        let kept = Kept::of(&data).await;
        play(&kept.stores).await;
        let home = tempfile::tempdir().unwrap();
        let (code, text) = metastamp(home.path(), &data, &["audit"]);
        assert_eq!(code, 0, "beside a running node: {text}");
        node.terminate(Duration::from_secs(30)).unwrap();
        let mut before = Vec::new();
        for collection in COLLECTIONS {
            before.push((collection, all(&kept.stores, collection).await));
        }
        Self { kept, before, home, data, _node: node }
    }

    fn stores(&self) -> &Stores {
        &self.kept.stores
    }

    async fn put(&self, collection: Collection, record: Document) -> metastamp_store::Result<()> {
        self.stores().records.put_records(collection, vec![record]).await
    }

    async fn put_row(&self, row: &Row) {
        self.put(Collection::WalletJournal, encode(Collection::WalletJournal, row).unwrap()).await.unwrap();
    }

    async fn remove(&self, collection: Collection, id: Bson) {
        assert_eq!(self.stores().records.remove_records(collection, vec![id]).await.unwrap(), 1);
    }

    /// Row `seq` of the creator.
    async fn row(&self, seq: u64) -> Row {
        self.rows().await.into_iter().find(|row| row.seq == seq).unwrap()
    }

    async fn rows(&self) -> Vec<Row> {
        self.stores().ledger.rows_after(CREATOR.parse().unwrap(), 0, 100).await.unwrap()
    }

    async fn wallet(&self) -> Document {
        let owner: Bson = Bson::ObjectId(CREATOR.parse().unwrap());
        let wallets = all(self.stores(), Collection::Wallet).await;
        wallets.into_iter().find(|wallet| wallet.get("user_id") == Some(&owner)).unwrap()
    }

    async fn transactions(&self) -> Vec<Transaction> {
        let records = all(self.stores(), Collection::WalletTransactions).await;
        records.into_iter().map(|record| decode(Collection::WalletTransactions, record).unwrap()).collect()
    }

    async fn put_transaction(&self, transaction: &Transaction) {
        let collection = Collection::WalletTransactions;
        self.put(collection, encode(collection, transaction).unwrap()).await.unwrap();
    }

    async fn event(&self, status: UsageStatus) -> UsageEvent {
        let records = all(self.stores(), Collection::UsageEvents).await;
        let mut events =
            records.into_iter().map(|record| decode::<UsageEvent>(Collection::UsageEvents, record).unwrap());
        events.find(|event| event.status == status).unwrap()
    }

    async fn put_event(&self, event: &UsageEvent) {
        self.put(Collection::UsageEvents, encode(Collection::UsageEvents, event).unwrap()).await.unwrap();
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        metastamp(self.home.path(), &self.data, args)
    }

    fn audit(&self) -> (i32, Value, String) {
        let (code, text) = self.run(&["audit", "--json"]);
        let end = text.rfind('}').unwrap_or_else(|| panic!("no report: {text}"));
        (code, serde_json::from_str(&text[..=end]).unwrap_or_else(|error| panic!("{error}: {text}")), text)
    }

    #[track_caller]
    fn assert_clean(&self, when: &str) {
        let (code, report, text) = self.audit();
        assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{when}: {text}");
    }

    /// Something of this name is found; then all is put back as it was.
    async fn expect(&self, what: &str, invariant: &str) {
        let (code, report, text) = self.audit();
        let found = report["findings"].as_array().unwrap();
        assert_eq!((code, &report["clean"]), (1, &Value::Bool(false)), "{what}: {text}");
        assert!(found.iter().any(|finding| finding["invariant"] == invariant), "{what}, {invariant}: {text}");
        let (code, text) = self.run(&["audit", "--quiet"]);
        assert_eq!(code, 1);
        assert!(text.lines().any(|line| line.starts_with(&format!("{invariant}  "))), "{what}: {text}");
        self.put_back().await;
    }

    async fn put_back(&self) {
        for (collection, records) in &self.before {
            let there = all(self.stores(), *collection).await;
            let ids = there.iter().filter_map(|record| record.get("_id").cloned()).collect();
            self.stores().records.remove_records(*collection, ids).await.unwrap();
            self.stores().records.put_records(*collection, records.clone()).await.unwrap();
        }
    }
}

fn usd(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_are_found() {
    let planted = Planted::new().await;
    let mut row = planted.row(2).await;
    row.amount = usd(row.amount.minor() + 1);
    planted.put_row(&row).await;
    planted.expect("a changed amount", JOURNAL_IS_INSERT_ONLY).await;

    let mut row = planted.row(3).await;
    row.balances.entry(Currency::Usd).or_default().available = usd(99_999_999);
    planted.put_row(&row).await;
    planted.expect("a changed balance", BALANCE_IS_THE_REPLAY).await;

    let mut row = planted.row(2).await;
    row.amount = usd(row.amount.minor() + 1);
    planted.put_row(&row.sealed()).await;
    planted.expect("a forged row with a hash of its own", CHAIN_HOLDS).await;

    let (mut two, mut three) = (planted.row(2).await, planted.row(3).await);
    std::mem::swap(&mut two.id, &mut three.id);
    std::mem::swap(&mut two.seq, &mut three.seq);
    for row in [&two, &three] {
        planted.remove(Collection::WalletJournal, Bson::String(row.id.clone())).await;
    }
    planted.put_row(&two).await;
    planted.put_row(&three).await;
    planted.expect("swapped rows", JOURNAL_IS_INSERT_ONLY).await;

    planted.remove(Collection::WalletJournal, Bson::String(Row::id_of(CREATOR.parse().unwrap(), 3))).await;
    planted.expect("a row removed from the middle", SEQ_IS_DENSE).await;

    let last = planted.rows().await.pop().unwrap();
    planted.remove(Collection::WalletJournal, Bson::String(last.id)).await;
    planted.expect("the last row removed", JOURNAL_IS_INSERT_ONLY).await;
    planted.assert_clean("all was put back");
}

/// The stores refuse what would break a unique index; what they let through, the audit finds.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_added_are_found() {
    let planted = Planted::new().await;
    let forge = async |make: &dyn Fn(&[Row], &mut Row)| {
        let rows = planted.rows().await;
        let last = rows.last().unwrap();
        let mut row = Row {
            id: Row::id_of(last.wallet_id, last.seq + 1),
            seq: last.seq + 1,
            previous: last.hash.clone(),
            batch: ObjectId::generate(),
            ..last.clone()
        };
        make(&rows, &mut row);
        let record = encode(Collection::WalletJournal, &row.sealed()).unwrap();
        planted.put(Collection::WalletJournal, record).await
    };
    let ended = |rows: &[Row]| rows.iter().find(|row| !row.is_opening()).unwrap().clone();
    for (what, invariant, planting) in [
        (
            "a key that was used",
            ONE_KEY_ONE_TRANSACTION,
            forge(&|rows, row| {
                row.idempotency_key = rows[0].idempotency_key.clone();
                row.request_hash = rows[0].request_hash.clone();
            })
            .await,
        ),
        (
            "an end of what has ended",
            ENDS_ONCE,
            forge(&|rows, row| {
                let end = ended(rows);
                (row.transaction_id, row.resolves) = (end.transaction_id, end.resolves);
                row.idempotency_key = "again".to_owned();
            })
            .await,
        ),
    ] {
        match planting {
            Ok(()) => planted.expect(what, invariant).await,
            Err(_) => planted.put_back().await,
        }
    }
    // the middle row of a write gets another write's name, in a chain that is sealed anew
    let rows = planted.rows().await;
    let batch = rows.windows(3).find(|rows| rows.iter().all(|row| row.batch == rows[0].batch)).unwrap()[1].seq;
    let mut previous = String::new();
    for mut row in rows {
        if row.seq == batch {
            (row.batch, row.writer) = (ObjectId::generate(), "stale/1".to_owned());
        }
        if row.seq > batch {
            row.previous = previous;
        }
        let row = row.sealed();
        previous = row.hash.clone();
        planted.put_row(&row).await;
    }
    planted.expect("two owners within one write", WRITES_DO_NOT_INTERLEAVE).await;
    planted.assert_clean("all was put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_their_money_are_found() {
    let planted = Planted::new().await;
    let mut event = planted.event(UsageStatus::Pending).await;
    event.status = UsageStatus::Settled;
    planted.put_event(&event).await;
    planted.expect("settled without a credit", SUM_IS_ZERO).await;

    let event = planted.event(UsageStatus::Settled).await;
    planted.remove(Collection::UsageEvents, Bson::ObjectId(event.id.to_hex().parse().unwrap())).await;
    planted.expect("a credit without an event", ONE_CREDIT_PER_USAGE).await;

    let event = planted.event(UsageStatus::Settled).await;
    history::credit_again(&planted.kept.stores, &event).await;
    planted.expect("a second credit for one event", ONE_CREDIT_PER_USAGE).await;
    planted.assert_clean("all was put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_held_against_the_journal_and_made_anew_from_it() {
    let planted = Planted::new().await;
    let mut wallet = planted.wallet().await;
    wallet.insert("balance", 5.0);
    planted.put(Collection::Wallet, wallet).await.unwrap();
    planted.expect("another balance in the document", BALANCE_IS_THE_REPLAY).await;

    let mut shown = planted.transactions().await.remove(0);
    shown.status = TransactionStatus::Failed;
    planted.put_transaction(&shown).await;
    planted.expect("another status in a transaction", BALANCE_IS_THE_REPLAY).await;

    // what rebuilding mends
    let mut wallet = planted.wallet().await;
    wallet.insert("balance", 5.0);
    wallet.insert("head_hash", "0".repeat(64));
    planted.put(Collection::Wallet, wallet).await.unwrap();
    let of_creator: Vec<Transaction> =
        planted.transactions().await.into_iter().filter(|shown| shown.wallet_id.to_hex() == CREATOR).collect();
    planted.put_transaction(&Transaction { amount: usd(1), ..of_creator[0].clone() }).await;
    let gone = Bson::ObjectId(of_creator[1].id.to_hex().parse().unwrap());
    planted.remove(Collection::WalletTransactions, gone).await;
    let (code, text) = planted.run(&["audit"]);
    assert_eq!(code, 1, "{text}");
    for args in [["wallet", "rebuild", CREATOR], ["wallet", "rebuild", "--all"], ["wallet", "rebuild", "--all"]] {
        let (code, text) = planted.run(&args);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("rebuilt"), "{text}");
        planted.assert_clean("rebuilt");
    }
    let (code, text) = planted.run(&["audit", "--wallet", CREATOR]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("1 wallets, "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_does_not_hold_is_not_built_upon() {
    let planted = Planted::new().await;
    let last = planted.rows().await.pop().unwrap();
    planted.remove(Collection::WalletJournal, Bson::String(last.id)).await;
    let (code, text) = planted.run(&["wallet", "rebuild", CREATOR]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("left as it is: its document ends in row number"), "{text}");
    planted.expect("still as it was", JOURNAL_IS_INSERT_ONLY).await;

    let mut wallet = planted.wallet().await;
    let seq = wallet.get_i64("last_seq").unwrap();
    wallet.insert("last_seq", seq + 5);
    planted.put(Collection::Wallet, wallet).await.unwrap();
    let (code, text) = planted.run(&["wallet", "rebuild", "--all"]);
    assert_eq!(code, 1, "{text}");
    // somebody looked, and knows that no row is missing
    let (code, text) = planted.run(&["wallet", "rebuild", "--force", CREATOR]);
    assert_eq!(code, 0, "{text}");
    planted.assert_clean("forced");
    let (code, text) = planted.run(&["wallet", "rebuild", "nobody@example.test"]);
    assert_ne!(code, 0, "{text}");
}

/// The tables of docs/LEDGER.md.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_documentation_is_true() {
    let data = tempfile::tempdir().unwrap();
    let stores = stores_in(data.path());
    play_example(&stores).await;
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LEDGER.md")).unwrap();
    let money = |amount: Amount| {
        let text = amount.text(Currency::Usd);
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let (whole, cents) = digits.split_once('.').unwrap();
        let split = whole.len().saturating_sub(3);
        let comma = if split > 0 { "," } else { "" };
        format!("{sign}{}{comma}{}.{cents}", &whole[..split], &whole[split..])
    };
    let mut lines = 0;
    for (wallet, letter) in [(ACME, "A"), (CREATOR, "C")] {
        for row in stores.ledger.rows_after(wallet.parse().unwrap(), 0, 10).await.unwrap() {
            let name = |account: metastamp_protocol::ledger::Account| {
                account.to_string().replace(ACME, "A").replace(CREATOR, "C")
            };
            let b = row.balances[&Currency::Usd];
            let sums = if letter == "A" {
                vec![b.available, b.held, b.deposited, b.spent]
            } else {
                vec![b.available, b.held, b.pending, b.earned, b.paid_out]
            };
            let sums: Vec<String> = sums.into_iter().map(money).collect();
            let line = format!(
                "| {} | {} | {} | {} | `{}` → `{}` | {} |",
                row.seq,
                row.kind.as_str(),
                row.status.as_str(),
                money(row.amount),
                name(row.debit),
                name(row.credit),
                sums.join(" | ")
            );
            assert!(text.contains(&line), "not in docs/LEDGER.md: {line}");
            lines += 1;
        }
    }
    assert_eq!(lines, 7);
}

fn stores_in(data: &Path) -> metastamp_store::Stores {
    Stores::of(metastamp_store::documents::embedded::EmbeddedDocuments::open(data).unwrap())
}
