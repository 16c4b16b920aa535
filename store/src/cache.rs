//! What may be lost at any time: rate limits, progress of running jobs, login records. Never the truth.

mod bucket;
pub mod embedded;
pub mod redis;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

pub type SharedCache = Arc<dyn Cache>;

/// A bucket of tokens that refills evenly.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    /// Tokens in a full bucket.
    pub capacity: u32,
    /// How long an empty bucket takes to fill.
    pub refill: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Allowed,
    /// Empty; the next token comes after this time.
    Refused {
        retry_after: Duration,
    },
}

/// What [`Cache::look`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    Hit(String),
    /// Nothing is there, and the caller is the one to load it: with this token it may [`Cache::fill`] the entry.
    Load(String),
    /// Nothing is there yet; somebody else is loading it.
    Wait,
}

#[async_trait]
pub trait Cache: Send + Sync + 'static {
    async fn ping(&self) -> Result<()>;
    async fn get(&self, key: &str) -> Result<Option<String>>;
    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()>;
    async fn delete(&self, key: &str) -> Result<()>;
    /// Puts the value under the key for good, unless there is one; answers the one that is there.
    async fn keep(&self, key: &str, value: &str) -> Result<String>;
    /// Like [`Cache::get`]; of those who miss, one is asked to load, for at most `within`, then the next one.
    async fn look(&self, key: &str, within: Duration) -> Result<Looked>;
    /// Stores what was loaded, unless the entry was dropped since the token was given: then the value may be old, and
    /// false is answered.
    async fn fill(&self, key: &str, token: &str, value: &str, ttl: Duration) -> Result<bool>;
    /// Drops entries; whoever is loading one of them can't fill it any more.
    async fn drop_entries(&self, keys: &[String]) -> Result<()>;
    /// Takes one token from the bucket under `key`.
    async fn take_token(&self, key: &str, limit: RateLimit) -> Result<Admission>;
    /// Puts a token back that was taken for nothing. A full bucket stays as it is.
    async fn return_token(&self, key: &str, limit: RateLimit) -> Result<()>;
    /// Takes or renews the lock `name` for `holder`; false when someone else has it.
    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool>;
    /// Gives the lock back if `holder` has it.
    async fn unlock(&self, name: &str, holder: &str) -> Result<()>;
    /// Drops what has run out; backends that do it by themselves do nothing.
    async fn sweep(&self) -> Result<()>;
}
