//! The cache in Redis: the contract, and what is left of it when Redis is away.

mod topologies;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_chaos::CacheServer;
use metastamp_chaos::servers::fresh_database;
use metastamp_store::cache::redis::RedisCache;
use metastamp_store::cache::{Admission, RateLimit};
use metastamp_store::{Cache, RedisSettings, StoreError};
use parking_lot::Mutex;

use crate::cache;
use crate::harness::eventually;

const CALL_WITHIN: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(3_600);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(500);

pub async fn start() -> CacheServer {
    tokio::task::spawn_blocking(|| CacheServer::start().unwrap()).await.unwrap()
}

pub fn connect(url: &str, call_within: Duration) -> RedisCache {
    RedisCache::connect(RedisSettings { url: url.to_owned(), call_within }).unwrap()
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: metastamp_store::Result<T>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_contract() {
    let server = start().await;
    let databases = Mutex::new(HashMap::new());
    let open = async |name: &str| {
        let database = *databases.lock().entry(name.to_owned()).or_insert_with(fresh_database);
        let handle: Arc<dyn Cache> = Arc::new(connect(&server.url(database), Duration::from_secs(5)));
        handle
    };
    cache::contract(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_installations_apart() {
    let server = start().await;
    let url = server.url(fresh_database());
    let open = async |name: &str| {
        let handle: Arc<dyn Cache> = Arc::new(connect(&url, Duration::from_secs(5)).with_prefix(&format!("{name}:")));
        handle
    };
    cache::contract(open).await;
}

/// The same on another Redis, when the environment names one: behind TLS, of another make, far away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_redis_keeps_the_contract() {
    let Ok(url) = std::env::var("METASTAMP_TEST_REDIS_URL") else { return };
    let run = uuid::Uuid::new_v4().simple().to_string();
    let open = async |name: &str| {
        let cache = connect(&url, Duration::from_secs(5)).with_prefix(&format!("{run}:{name}:"));
        let handle: Arc<dyn Cache> = Arc::new(cache);
        handle
    };
    cache::contract(open).await;
}

/// After the first failure nobody waits; once Redis is back it is found within five seconds.
async fn is_missed_and_found(cache: &RedisCache, back: impl AsyncFnOnce()) {
    let first = Instant::now();
    assert_unavailable(cache.set("k", "v", LONG).await);
    assert!(first.elapsed() < CALL_WITHIN + SLACK, "{:?}", first.elapsed());
    let all = Instant::now();
    let mut slow = 0;
    while all.elapsed() < Duration::from_secs(3) {
        let one = Instant::now();
        assert_unavailable(cache.get("k").await);
        slow += u32::from(one.elapsed() > CALL_WITHIN / 2);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(slow <= 4, "{slow} calls waited");
    // Limits hold without Redis, by the count of this process alone.
    let limit = RateLimit { capacity: 10, refill: LONG };
    let mut allowed = 0;
    for _ in 0..20 {
        allowed += u32::from(cache.take_token("limited", limit).await.unwrap() == Admission::Allowed);
    }
    assert_eq!(allowed, 10);
    back().await;
    let returned = Instant::now();
    eventually("redis is found again", async || cache.ping().await.is_ok()).await;
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());
    cache.set("k", "w", LONG).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some("w"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_missed_and_found() {
    let mut server = start().await;
    let cache = connect(&server.url(0), CALL_WITHIN);
    cache.set("k", "u", LONG).await.unwrap();
    server.kill();
    is_missed_and_found(&cache, async || tokio::task::block_in_place(|| server.restart().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_redis_is_missed_and_found() {
    let server = start().await;
    let cache = connect(&server.url(0), CALL_WITHIN);
    cache.set("k", "u", LONG).await.unwrap();
    server.pause().unwrap();
    is_missed_and_found(&cache, async || server.resume().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_never_there_is_found_when_it_comes() {
    let mut server = start().await;
    server.kill();
    let cache = connect(&server.url(0), CALL_WITHIN);
    is_missed_and_found(&cache, async || tokio::task::block_in_place(|| server.restart().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_sent_again_to_a_redis_that_forgot_them() {
    let mut server = start().await;
    let cache = connect(&server.url(0), CALL_WITHIN);
    assert!(cache.lock("l", "ada", LONG).await.unwrap());
    server.kill();
    tokio::task::block_in_place(|| server.restart().unwrap());
    eventually("the lock is free again", async || cache.lock("l", "bob", LONG).await.is_ok_and(|taken| taken)).await;
}

#[tokio::test]
async fn wrong_urls_are_refused_without_telling_them() {
    for url in [
        "",
        "localhost:6379",
        "http://:secret@localhost",
        "redis://:secret@a,b",
        "redis://:secret@localhost/secret",
        "redis://:secret@localhost:port",
        "redis-cluster://:secret@a:1,b:2/3",
        "redis-sentinel://:secret@a:1,b:2",
        "redis-sentinel://:secret@a:1,b:2/main/secret",
        "redis-moon://:secret@a",
    ] {
        let settings = RedisSettings { url: url.to_owned(), call_within: CALL_WITHIN };
        let error = RedisCache::connect(settings).err().unwrap_or_else(|| panic!("accepted: {url}")).to_string();
        assert!(error.contains("REDIS_URL") && !error.contains("secret"), "{url}: {error}");
    }
    for url in [
        "redis://localhost",
        "redis://user:p%40ss@localhost:1/7",
        "rediss://:pass@[::1]:6380",
        "redis-cluster://:pass@a:1,[::1]:2,c",
        "rediss-cluster://a:1,b:2/0",
        "redis-sentinel://user:pass@a,b:1,[::1]/main",
        "rediss-sentinel://a/main/3?sentinel_username=u&sentinel_password=p",
    ] {
        connect(url, CALL_WITHIN);
    }
}

/// A process with two TLS providers has no default one.
#[tokio::test]
async fn tls_against_a_server_without_it_is_a_failure_and_no_panic() {
    let server = start().await;
    for scheme in ["rediss", "rediss-cluster"] {
        let cache = connect(&format!("{scheme}://127.0.0.1:{}", server.port()), Duration::from_secs(3));
        let error = cache.ping().await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if !why.contains("panic")), "{error}");
    }
}
