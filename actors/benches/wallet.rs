//! What a wallet can take: committed transactions a second and how long each waited, on one hot wallet and on a thousand,
//! with group commit and without, on the embedded store and on a MongoDB-wire server; what a balance costs to read, and
//! what pages of a long history do.
//!
//! `cargo bench -p metastamp-actors --bench wallet` prints the tables of docs/BENCHMARKS.md. It starts the server itself;
//! `scripts/test.sh --servers` installs it. Actors, server and load share the cores, so ratios within one run are what
//! counts.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_actors::wallet::Wallets;
use metastamp_actors::{Deps, Settings, System};
use metastamp_chaos::DocumentServer;
use metastamp_cluster::Cluster;
use metastamp_protocol::ledger::{LedgerAnswer, Order, OrderKind, TransactionType};
use metastamp_protocol::{Amount, Currency, NodeRef, ObjectId, Timestamp};
use metastamp_store::MongoSettings;
use metastamp_store::Stores;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::documents::mongo::MongoDocuments;
use metastamp_store::objects::{Objects, ObjectsConfig};
use metastamp_store::ports::HistoryQuery;

const CLIENTS: usize = 64;
const RUN: Duration = Duration::from_secs(5);
const WALLETS: usize = 1_000;
/// Orders carried by one write.
const GROUP_MAX: usize = 256;
const READS: usize = 2_000;
/// Transactions of the wallet whose history is paged through; the test server is too slow for as many.
const LONG: usize = 100_000;
const LONG_ON_SERVER: usize = 10_000;
const PAGES: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    println!("| store | wallets | orders in one write | committed a second | p50 ms | p99 ms | x one by one |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut reads = runtime.block_on(async {
        let stores = Stores::of(EmbeddedDocuments::open(&dir.path().join("documents")).unwrap());
        measure("embedded", stores, dir.path(), LONG).await
    });
    let server = DocumentServer::start().unwrap();
    let settings = MongoSettings {
        url: server.url(),
        database: "bench".to_owned(),
        password: None,
        replica_set: None,
        pool_min: 10,
        pool_max: 100,
        call_within: Duration::from_secs(5),
    };
    reads.extend(runtime.block_on(async {
        let stores = Stores::of(MongoDocuments::connect(settings).await.unwrap());
        stores.records.prepare().await.unwrap();
        measure("server", stores, dir.path(), LONG_ON_SERVER).await
    }));
    println!("\n| store | read | p50 ms | p99 ms |\n| --- | --- | --- | --- |");
    reads.iter().for_each(|line| println!("{line}"));
}

async fn measure(store: &str, stores: Stores, dir: &Path, long: usize) -> Vec<String> {
    for wallets in [1, WALLETS] {
        let mut alone = None;
        for group_max in [1, GROUP_MAX] {
            let system = start(stores.clone(), dir, group_max).await;
            let Load { per_second, p50, p99 } = load(&system.wallets, wallets).await;
            let base = *alone.get_or_insert(per_second);
            let ratio = per_second / base;
            println!("| {store} | {wallets} | {group_max} | {per_second:.0} | {p50:.1} | {p99:.1} | {ratio:.1} |");
            system.drain(Duration::from_secs(5)).await;
        }
    }
    let system = start(stores.clone(), dir, GROUP_MAX).await;
    let lines = reads(store, &stores, &system.wallets, long).await;
    system.drain(Duration::from_secs(5)).await;
    lines
}

async fn start(stores: Stores, dir: &Path, wallet_group_max: usize) -> System {
    let objects = Objects::new(ObjectsConfig {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        public_endpoint: None,
        region: "us-east-1".to_owned(),
        access_key: "none".to_owned(),
        secret_key: "none".to_owned(),
        bucket: "none".to_owned(),
        op_timeout: Duration::from_secs(1),
    });
    let cluster = Cluster::alone(NodeRef { node_id: "bench".to_owned(), generation: 1 });
    let settings = Settings { fingerprinting: false, wallet_group_max, ..Settings::new(dir.to_owned()) };
    let cache = Arc::new(EmbeddedCache::open(dir).unwrap());
    System::start(Deps { stores, cache, objects, cluster, settings }).await.unwrap()
}

struct Load {
    per_second: f64,
    p50: f64,
    p99: f64,
}

/// All clients at once, each with one order after the other, in turn over the wallets.
async fn load(wallets: &Wallets, count: usize) -> Load {
    let ids: Arc<Vec<ObjectId>> = Arc::new((0..count).map(|_| ObjectId::generate()).collect());
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (wallets, ids) = (wallets.clone(), ids.clone());
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for n in 0.. {
                if began.elapsed() > RUN {
                    break;
                }
                let wallet_id = ids[(client + n * CLIENTS) % ids.len()];
                let asked = Instant::now();
                order(&wallets, wallet_id, &format!("{client}/{n}")).await;
                waits.push(asked.elapsed());
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        waits.extend(client.await.unwrap());
    }
    let per_second = waits.len() as f64 / began.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(waits);
    Load { per_second, p50, p99 }
}

async fn order(wallets: &Wallets, wallet_id: ObjectId, key: &str) {
    let (amount, currency) = (Amount::from_minor(125).unwrap(), Currency::Usd);
    let kind = OrderKind::Bonus { amount, currency, description: "A bonus of usual length".to_owned() };
    let order = Order { wallet_id, key: format!("bonus/{key}"), asked_by: wallet_id, kind };
    let answer = wallets.order(order).await.unwrap().answer;
    assert!(matches!(answer, LedgerAnswer::Committed { repeat: false, .. }), "{answer:?}");
}

/// Balance, and pages of a long history.
async fn reads(store: &str, stores: &Stores, wallets: &Wallets, long: usize) -> Vec<String> {
    let wallet_id = ObjectId::generate();
    stores.ledger.wallet(wallet_id, Timestamp::now()).await.unwrap();
    let filling = (0..GROUP_MAX).map(|client| {
        let wallets = wallets.clone();
        tokio::spawn(async move {
            for n in (client..long).step_by(GROUP_MAX) {
                order(&wallets, wallet_id, &n.to_string()).await;
            }
        })
    });
    for client in filling.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    stores.ledger.project(wallet_id).await.unwrap();
    let mut lines = Vec::new();
    let mut waits = Vec::new();
    for _ in 0..READS {
        let asked = Instant::now();
        assert!(stores.ledger.head(wallet_id).await.unwrap().is_some());
        waits.push(asked.elapsed());
    }
    lines.push(line(store, "balance", waits));
    let all = HistoryQuery { wallet_id: Some(wallet_id), ..HistoryQuery::default() };
    let bonuses = HistoryQuery { kind: Some(TransactionType::Bonus), ..all.clone() };
    for (name, query) in [("all", &all), ("one type", &bonuses)] {
        for skip in [0, long as u64 - 100] {
            let mut waits = Vec::new();
            for _ in 0..PAGES {
                let asked = Instant::now();
                let page = stores.ledger.history(query, skip, 50).await.unwrap();
                assert_eq!((page.items.len(), page.total), (50, long as u64));
                waits.push(asked.elapsed());
            }
            lines.push(line(store, &format!("50 of {long} transactions, {name}, after {skip}"), waits));
        }
    }
    lines
}

fn line(store: &str, what: &str, waits: Vec<Duration>) -> String {
    let (p50, p99) = percentiles(waits);
    format!("| {store} | {what} | {p50:.2} | {p99:.2} |")
}

/// Median and 99th percentile, in milliseconds.
fn percentiles(mut waits: Vec<Duration>) -> (f64, f64) {
    waits.sort_unstable();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
    (at(0.5), at(0.99))
}
