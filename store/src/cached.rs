//! Documents behind a cache that all nodes share.
//!
//! Only what is shown to people is read from the cache: assets, lists, fingerprints. What decides (accounts, logins,
//! revocations, claims, commits) is read from the documents behind, which are the truth. Keys and lives:
//!
//! | key | value | life |
//! | --- | --- | --- |
//! | `asset:{asset_id}` | asset | [`CacheTtls::entries`]; [`MOVING_TTL`] while it is processed |
//! | `fingerprint:{asset_id}` | fingerprint | [`CacheTtls::fingerprints`]; [`MOVING_TTL`] while it is made |
//! | `user_assets:{user_id}:version` | what the keys of this user's lists hold | an hour |
//! | `user_assets:{user_id}:{version}:...` | one page of a list | [`CacheTtls::lists`]; [`MOVING_TTL`] with moving assets |
//! | `revoked:sid:{sid}` | 1 | until the last token of the session ends |
//! | `cache_generation` | what all values must be stamped with | a day |
//!
//! **Fresh.** A change is written, then what it changes is dropped, then it is acknowledged. Whoever was loading an
//! entry meanwhile can't fill it any more ([`Cache::fill`](crate::Cache::fill)). If the outcome of a write is unknown, or
//! nobody waited for it, its entries are dropped at once and again after [`LATE_WRITE`].
//!
//! **A cache that fails.** Then everything is read from the documents. A node that could not drop an entry begins a new
//! generation, which makes all values void, before it reads from the cache again. It also does so when it starts, since
//! its former life may have died between a write and its drop. Others look at the generation once a second.
//!
//! **What remains.** When the cache comes back, another node may show what a failed drop left behind, until the node that
//! owes the drop has begun a generation (it tries every [`RENEW_PAUSE`]) and the other has seen it
//! ([`GENERATION_SEEN_FOR`]): about two seconds. If that node is cut off from the cache alone, or dies and does not
//! come back, it lasts as long as the entry does. So does a drop that a failover of Redis itself forgets, as it may what
//! it has not yet replicated.

mod analytics;
mod changes;
mod entries;
mod generation;
mod jobs;
mod keys;
mod logins;
mod owners;
mod records;
#[cfg(test)]
mod tests;
mod usage;
mod values;
mod works;

use std::sync::Arc;
use std::time::Duration;

use self::changes::Changes;
use self::entries::Entries;
use self::owners::Owners;
use crate::cache::SharedCache;
use crate::ports::Stores;

/// Life of an entry that shows work under way: short, because it will change, and whoever changes it may die half-way.
pub const MOVING_TTL: Duration = Duration::from_secs(5);
/// By then a write whose outcome was unknown has happened or never will.
pub const LATE_WRITE: Duration = Duration::from_secs(15);
/// How long a node believes the generation it has read.
pub const GENERATION_SEEN_FOR: Duration = Duration::from_secs(1);
/// Pause between attempts to begin a generation.
pub const RENEW_PAUSE: Duration = Duration::from_millis(500);

/// Longest lives of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTtls {
    /// Assets.
    pub entries: Duration,
    pub fingerprints: Duration,
    /// Pages of lists.
    pub lists: Duration,
}

impl Default for CacheTtls {
    fn default() -> Self {
        Self {
            entries: Duration::from_secs(300),
            fingerprints: Duration::from_secs(3_600),
            lists: Duration::from_secs(120),
        }
    }
}

/// The ports that show from the cache, or change what it shows. The others stay as they are.
struct Cached {
    truth: Stores,
    cache: SharedCache,
    entries: Arc<Entries>,
    changes: Changes,
    owners: Owners,
    ttls: CacheTtls,
}

impl Stores {
    /// The same stores, shown from `cache` where that is safe. Neither need be up. Must be called within a tokio runtime.
    #[must_use]
    pub fn cached(self, cache: SharedCache, ttls: CacheTtls) -> Self {
        let entries = Arc::new(Entries::new(cache.clone()));
        let changes = Changes::new(entries.clone());
        let cached = Cached { truth: self.clone(), cache, entries, changes, owners: Owners::default(), ttls };
        let cached = Arc::new(cached);
        Self {
            logins: cached.clone(),
            works: cached.clone(),
            jobs: cached.clone(),
            usage: cached.clone(),
            analytics: cached.clone(),
            records: cached,
            ..self
        }
    }
}
