//! Two nodes on one cache, and a truth that counts how often it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metastamp_chaos::CacheServer;
use serde::{Deserialize, Serialize};

use super::changes::{Changes, Invalidated};
use super::entries::Entries;
use super::keys;
use crate::cache::SharedCache;
use crate::cache::embedded::EmbeddedCache;
use crate::cache::redis::RedisCache;
use crate::{RedisSettings, Result, StoreError};

const LONG: Duration = Duration::from_secs(3_600);
const KEY: &str = "shown:1";

#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    value: u64,
}

#[derive(Default)]
struct Truth {
    value: AtomicU64,
    loads: AtomicU64,
}

#[derive(Clone)]
struct Node {
    entries: Arc<Entries>,
    changes: Changes,
    truth: Arc<Truth>,
}

impl Node {
    async fn start(cache: SharedCache, truth: &Arc<Truth>) -> Self {
        let entries = Arc::new(Entries::new(cache));
        let changes = Changes::new(entries.clone());
        let node = Self { entries, changes, truth: truth.clone() };
        node.trusts_the_cache().await;
        node
    }

    async fn trusts_the_cache(&self) {
        eventually("the cache is trusted", async || self.entries.generation.current().await.is_some()).await;
    }

    /// Reads; loading takes `load_time` after the truth was read.
    async fn read_slowly(&self, load_time: Duration) -> u64 {
        let load = async {
            self.truth.loads.fetch_add(1, Ordering::SeqCst);
            let value = self.truth.value.load(Ordering::SeqCst);
            tokio::time::sleep(load_time).await;
            Ok(Some(Shown { value }))
        };
        self.entries.through(Some("shown"), KEY, |_| LONG, load).await.unwrap().unwrap().value
    }

    async fn read(&self) -> u64 {
        self.read_slowly(Duration::ZERO).await
    }

    async fn write(&self, value: u64) {
        self.write_with(value, Ok(())).await.unwrap();
    }

    async fn write_with(&self, value: u64, answer: Result<()>) -> Result<()> {
        let write = async {
            self.truth.value.store(value, Ordering::SeqCst);
            answer
        };
        self.changes.make(Invalidated::Keys(vec![KEY.to_owned()]), write).await
    }
}

impl Truth {
    fn loads(&self) -> u64 {
        self.loads.swap(0, Ordering::SeqCst)
    }
}

async fn eventually(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !ready().await {
        assert!(started.elapsed() < Duration::from_secs(10), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn nodes(open: impl Fn() -> SharedCache) -> (Node, Node, Arc<Truth>) {
    let truth = Arc::new(Truth::default());
    let one = Node::start(open(), &truth).await;
    let two = Node::start(open(), &truth).await;
    // Two's start began a generation, which one sees soon.
    eventually("both are of one generation", async || {
        one.entries.generation.latest().await == two.entries.generation.latest().await
    })
    .await;
    (one, two, truth)
}

fn redis(server: &CacheServer, database: u32) -> SharedCache {
    let settings = RedisSettings { url: server.url(database), call_within: Duration::from_millis(300) };
    Arc::new(RedisCache::connect(settings).unwrap())
}

/// Runs a test on either cache.
async fn on_both(test: impl AsyncFn(Node, Node, Arc<Truth>, SharedCache)) {
    let dir = tempfile::tempdir().unwrap();
    let open = || -> SharedCache { Arc::new(EmbeddedCache::open(dir.path()).unwrap()) };
    let (one, two, truth) = nodes(open).await;
    test(one, two, truth, open()).await;
    let server = CacheServer::start().unwrap();
    let (one, two, truth) = nodes(|| redis(&server, 1)).await;
    test(one, two, truth, redis(&server, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stampede_makes_one_load() {
    on_both(async |one, two, truth, _| {
        let readers = (0..100).map(|i| {
            let node = if i % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { node.read_slowly(Duration::from_millis(300)).await })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await.unwrap(), 0);
        }
        assert_eq!(truth.loads(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_by_all_at_once() {
    on_both(async |one, two, truth, _| {
        for value in 1..20 {
            one.write(value).await;
            assert_eq!((two.read().await, one.read().await), (value, value));
        }
        truth.loads();
        assert_eq!((one.read().await, two.read().await, truth.loads()), (19, 19, 0), "and read from the cache");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_loaded_before_a_change_is_not_kept() {
    on_both(async |one, two, _, _| {
        let slow = one.clone();
        let loading = tokio::spawn(async move { slow.read_slowly(Duration::from_millis(300)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        two.write(1).await;
        assert_eq!((one.read().await, two.read().await), (1, 1), "while the old one is still on its way");
        loading.await.unwrap();
        assert_eq!((one.read().await, two.read().await), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_entry_is_a_miss() {
    on_both(async |one, two, truth, cache| {
        for (value, corrupt) in [(1, ""), (2, "no json"), (3, "{}"), (4, "{\"cache_generation\":\"old\",\"value\":9}")]
        {
            one.write(value).await;
            cache.set(KEY, corrupt, LONG).await.unwrap();
            truth.loads();
            assert_eq!((one.read().await, two.read().await, truth.loads()), (value, value, 1), "{corrupt}");
        }
        let of_now = one.entries.generation.current().await.unwrap();
        cache.set(KEY, &format!("{{\"cache_generation\":\"{of_now}\",\"value\":\"text\"}}"), LONG).await.unwrap();
        assert_eq!(one.read().await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_of_unknown_outcome_or_that_nobody_waits_for_drops_as_well() {
    on_both(async |one, two, _, _| {
        two.read().await;
        let away = one.write_with(1, Err(StoreError::Unavailable("no answer".to_owned()))).await;
        assert!(away.is_err());
        assert_eq!(two.read().await, 1);
        let (written, gone) = (one.clone(), Duration::from_millis(50));
        let write = async {
            written.truth.value.store(2, Ordering::SeqCst);
            std::future::pending::<Result<()>>().await
        };
        let change = one.changes.make(Invalidated::Keys(vec![KEY.to_owned()]), write);
        assert!(tokio::time::timeout(gone, change).await.is_err());
        eventually("dropped after all", async || two.read().await == 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_knows_what_changed_everything_is_void() {
    on_both(async |one, two, truth, _| {
        assert_eq!((one.read().await, two.read().await), (0, 0));
        let write = async {
            truth.value.store(1, Ordering::SeqCst);
            Ok(())
        };
        one.changes.make(Invalidated::Everything, write).await.unwrap();
        assert_eq!(one.read().await, 1);
        eventually("the other one looks at the generation", async || two.read().await == 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_flushed_is_filled_again() {
    let server = CacheServer::start().unwrap();
    let (one, two, truth) = nodes(|| redis(&server, 1)).await;
    one.read().await;
    server.flush().unwrap();
    assert_eq!((one.read().await, two.read().await), (0, 0));
    eventually("read from the cache again", async || {
        truth.loads();
        (one.read().await, two.read().await, truth.loads()) == (0, 0, 0)
    })
    .await;
}

/// What a failed drop left behind is not shown by the node that knows of it, and soon by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_dropped_is_not_shown_again() {
    let server = CacheServer::start().unwrap();
    let (one, two, truth) = nodes(|| redis(&server, 1)).await;
    assert_eq!((one.read().await, two.read().await), (0, 0));
    // Not killed: it keeps what it has.
    server.pause().unwrap();
    one.write(1).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!((one.read().await, two.read().await), (1, 1), "all is read from the truth");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "and nobody waits: {:?}", began.elapsed());
    server.resume().unwrap();
    let back = Instant::now();
    while back.elapsed() < Duration::from_secs(3) {
        assert_eq!(one.read().await, 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(two.read().await, 1);
    truth.loads();
    assert_eq!((one.read().await, two.read().await, truth.loads()), (1, 1, 0), "the cache is used again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_life_believes_nothing_of_its_former_one() {
    let server = CacheServer::start().unwrap();
    let (one, two, truth) = nodes(|| redis(&server, 1)).await;
    one.read().await;
    // One died between a write and its drop.
    truth.value.store(1, Ordering::SeqCst);
    assert_eq!(two.read().await, 0);
    let again = Node::start(redis(&server, 1), &truth).await;
    assert_eq!(again.read().await, 1);
    eventually("the other one looks at the generation", async || two.read().await == 1).await;
    let stored = redis(&server, 1).get(keys::GENERATION).await.unwrap();
    assert_eq!(stored.as_deref(), again.entries.generation.current().await.as_deref());
}
