//! The cache in Redis, which all nodes of a cluster share.
//!
//! Nothing here is the truth, so nothing here is waited for: a call ends within [`RedisSettings::call_within`], and
//! after a failure calls fail at once until one a second later has found Redis again. Only rate limits go on without
//! it, in the memory of this process.
//!
//! Keys are those the caller names; locks, buckets and loads under way have `lock:`, `bucket:` and `load:` before
//! them. Every call, script or not, touches keys of one hash slot, so that a Redis Cluster takes it. Everything that is
//! written has an end of life, but for the identity of the cache, which is written anew when it is lost. What is meant for a Redis Cluster must have no braces in its names.

mod address;
mod breaker;
mod link;
mod local;
mod scripts;

use std::time::{Duration, Instant};

use ::redis::{Cmd, FromRedisValue, ScriptInvocation, cmd};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::address::Address;
use self::link::Link;
use self::local::LocalBuckets;
use self::scripts::SCRIPTS;
use super::{Admission, Cache, Looked, RateLimit};
use crate::settings::RedisSettings;
use crate::{Result, StoreError, metrics};

/// Entries that are dropped at the same time; they share one connection.
const DROPS_AT_ONCE_MAX: usize = 32;

/// A Redis as cache. Clones share the connection.
#[derive(Clone)]
pub struct RedisCache {
    link: Link,
    buckets: LocalBuckets,
    prefix: String,
}

impl RedisCache {
    /// Reads the URL; nothing is sent before the first call, and no server need be up. Must be called within a tokio
    /// runtime. The forms of the URL:
    ///
    /// * `redis://[[user]:password@]host[:6379][/database]`, and `rediss://` for TLS,
    /// * `redis-cluster://[[user]:password@]host[:port],host[:port],...` (or `rediss-cluster://`): some nodes of a Redis
    ///   Cluster, which name the others,
    /// * `redis-sentinel://[[user]:password@]host[:26379],host[:26379],.../MASTER[/database]` (or `rediss-sentinel://`):
    ///   sentinels, and the name of the master they watch. User and password are those of the master; the sentinels' own
    ///   are given as `?sentinel_username=` and `?sentinel_password=`.
    ///
    /// With TLS the certificate must be one the system trusts; `SSL_CERT_FILE` names other authorities.
    ///
    /// # Errors
    /// `Internal` that names `REDIS_URL` when the URL has none of these forms.
    pub fn connect(settings: RedisSettings) -> Result<Self> {
        let address = Address::parse(&settings.url)?;
        Ok(Self {
            link: Link::new(address, settings.call_within),
            buckets: LocalBuckets::default(),
            prefix: String::new(),
        })
    }

    /// The same Redis with `prefix` before every key, for several installations in one Redis.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }

    fn value_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The load of an entry lies in the hash slot of the entry.
    fn load_key(&self, key: &str) -> String {
        format!("load:{{{}{key}}}", self.prefix)
    }

    fn lock_key(&self, name: &str) -> String {
        format!("{}lock:{name}", self.prefix)
    }

    fn bucket_key(&self, key: &str) -> String {
        format!("{}bucket:{key}", self.prefix)
    }

    async fn run<T: FromRedisValue>(&self, op: &'static str, command: Cmd) -> Result<T> {
        let started = Instant::now();
        let result = self.link.call(async |mut connection| command.query_async(&mut connection).await).await;
        metrics::observe("cache", op, started, &result);
        result
    }

    async fn invoke<T: FromRedisValue>(&self, op: &'static str, script: &ScriptInvocation<'_>) -> Result<T> {
        let started = Instant::now();
        let result = self.link.call(async |mut connection| script.invoke_async(&mut connection).await).await;
        metrics::observe("cache", op, started, &result);
        result
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn ping(&self) -> Result<()> {
        // A script that writes: a replica, which answers PING, is no cache.
        let key = self.lock_key("ping");
        self.invoke("ping", SCRIPTS.unlock.key(key).arg("nobody")).await
    }

    async fn get(&self, key: &str) -> Result<Option<String>> {
        let mut get = cmd("GET");
        get.arg(self.value_key(key));
        self.run("get", get).await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        let mut set = cmd("SET");
        set.arg(self.value_key(key)).arg(value).arg("PX").arg(millis(ttl));
        self.run("set", set).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let mut delete = cmd("DEL");
        delete.arg(self.value_key(key));
        self.run("delete", delete).await
    }

    async fn keep(&self, key: &str, value: &str) -> Result<String> {
        let mut keep = SCRIPTS.keep.prepare_invoke();
        keep.key(self.value_key(key)).arg(value);
        self.invoke("keep", &keep).await
    }

    async fn look(&self, key: &str, within: Duration) -> Result<Looked> {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let mut look = SCRIPTS.look.prepare_invoke();
        look.key(self.value_key(key)).key(self.load_key(key)).arg(&token).arg(millis(within));
        let (found, value): (u8, Option<String>) = self.invoke("look", &look).await?;
        match (found, value) {
            (scripts::HIT, Some(value)) => Ok(Looked::Hit(value)),
            (scripts::LOAD, _) => Ok(Looked::Load(token)),
            (scripts::WAIT, _) => Ok(Looked::Wait),
            (other, _) => Err(StoreError::Internal(format!("redis script answered {other}"))),
        }
    }

    async fn fill(&self, key: &str, token: &str, value: &str, ttl: Duration) -> Result<bool> {
        let mut fill = SCRIPTS.fill.prepare_invoke();
        fill.key(self.value_key(key)).key(self.load_key(key)).arg(token).arg(value).arg(millis(ttl));
        self.invoke("fill", &fill).await
    }

    async fn drop_entries(&self, keys: &[String]) -> Result<()> {
        // One command for each: keys of several hash slots in one would be refused by a Redis Cluster.
        let drops = keys.iter().map(|key| {
            let mut delete = cmd("DEL");
            delete.arg(self.value_key(key)).arg(self.load_key(key));
            self.run::<()>("drop_entries", delete)
        });
        stream::iter(drops.collect::<Vec<_>>()).buffer_unordered(DROPS_AT_ONCE_MAX).try_collect().await
    }

    async fn take_token(&self, key: &str, limit: RateLimit) -> Result<Admission> {
        let mut take = SCRIPTS.take_token.prepare_invoke();
        take.key(self.bucket_key(key)).arg(limit.capacity).arg(millis(limit.refill));
        match self.invoke::<(bool, u64)>("take_token", &take).await {
            Ok((true, _)) => Ok(Admission::Allowed),
            Ok((false, wait_ms)) => Ok(Admission::Refused { retry_after: Duration::from_millis(wait_ms) }),
            // Each node counts for itself until Redis is back: more than the limit, but not everything.
            Err(StoreError::Unavailable(_)) => Ok(self.buckets.take(&self.bucket_key(key), limit)),
            Err(error) => Err(error),
        }
    }

    async fn return_token(&self, key: &str, limit: RateLimit) -> Result<()> {
        let key = self.bucket_key(key);
        let mut put = SCRIPTS.return_token.prepare_invoke();
        put.key(&key).arg(limit.capacity);
        match self.invoke("return_token", &put).await {
            Err(StoreError::Unavailable(_)) => self.buckets.put_back(&key, limit),
            result => return result,
        }
        Ok(())
    }

    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool> {
        let mut lock = SCRIPTS.lock.prepare_invoke();
        lock.key(self.lock_key(name)).arg(holder).arg(millis(ttl));
        self.invoke("lock", &lock).await
    }

    async fn unlock(&self, name: &str, holder: &str) -> Result<()> {
        self.invoke("unlock", SCRIPTS.unlock.key(self.lock_key(name)).arg(holder)).await
    }

    async fn sweep(&self) -> Result<()> {
        // Redis does it by itself.
        Ok(())
    }
}

/// Redis refuses a life of zero.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
