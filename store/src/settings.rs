//! How to reach the servers behind the stores.

use std::fmt;
use std::time::Duration;

/// A MongoDB, or what speaks its wire protocol with transactions: a replica set (of one member at least) or a sharded
/// cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoSettings {
    /// `mongodb://` or `mongodb+srv://`, possibly with user, password and options.
    pub url: String,
    pub database: String,
    /// Takes the place of the password in the URL.
    pub password: Option<String>,
    pub replica_set: Option<String>,
    pub pool_min: u32,
    pub pool_max: u32,
    /// Longest time of one call, with all its retries.
    pub call_within: Duration,
}

/// A Redis: `redis://`, `rediss://`, several addresses of a cluster, or sentinels.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    pub url: String,
    /// Longest time of one call. A cache that is slower than this is as good as none.
    pub call_within: Duration,
}

// What is printed must not hold passwords.
impl fmt::Debug for MongoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoSettings").field("database", &self.database).finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").finish_non_exhaustive()
    }
}
