//! From configuration to a backend. None of these waits for a server.

use std::sync::Arc;
use std::time::Duration;

use metastamp_store::Result;
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::cache::redis::RedisCache;
use metastamp_store::cached::CacheTtls;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::documents::mongo::MongoDocuments;

use crate::config::{CacheStore, Config, DocumentStore};

/// Longest small call to the object store, and longest silence of it during a large one: within it an upload is told
/// to try again.
pub const OBJECT_OP_WITHIN: Duration = Duration::from_secs(8);

/// Documents, shown from the cache where that saves a way to a server.
///
/// # Errors
/// When the store can't be opened, or its URL makes no sense.
pub async fn documents(config: &Config, cache: SharedCache) -> Result<Stores> {
    let stores = match &config.stores.documents {
        DocumentStore::Embedded => Stores::of(EmbeddedDocuments::open(&config.data_dir)?),
        DocumentStore::Mongo(settings) => Stores::of(MongoDocuments::connect(settings.clone()).await?),
    };
    Ok(match config.stores.cache {
        // two files of one directory: nothing to gain
        CacheStore::Embedded => stores,
        CacheStore::Redis(_) => stores.cached(cache, ttls(config)),
    })
}

fn ttls(config: &Config) -> CacheTtls {
    let entries = config.stores.cache_ttl;
    let lists = CacheTtls::default().lists.min(entries);
    CacheTtls { entries, fingerprints: config.stores.fingerprint_cache_ttl, lists }
}

/// # Errors
/// When the store can't be opened, or its URL makes no sense.
pub fn cache(config: &Config) -> Result<SharedCache> {
    Ok(match &config.stores.cache {
        CacheStore::Embedded => Arc::new(EmbeddedCache::open(&config.data_dir)?),
        CacheStore::Redis(settings) => Arc::new(RedisCache::connect(settings.clone())?),
    })
}
