//! From configuration to a backend. None of these waits for a server.

use std::sync::Arc;
use std::time::Duration;

use metastamp_store::cache::SharedCache;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::cache::redis::RedisCache;
use metastamp_store::documents::SharedDocuments;
use metastamp_store::documents::embedded::EmbeddedDocuments;

use crate::config::{CacheStore, Config, DocumentStore};

/// Longest single call to the object store.
pub const OBJECT_OP_WITHIN: Duration = Duration::from_secs(60);

/// # Errors
/// When the store can't be opened, or its URL makes no sense.
pub async fn documents(config: &Config, _cache: SharedCache) -> anyhow::Result<SharedDocuments> {
    Ok(match &config.stores.documents {
        DocumentStore::Embedded => Arc::new(EmbeddedDocuments::open(&config.data_dir)?),
        DocumentStore::Mongo(_) => anyhow::bail!("not built in yet"),
    })
}

/// # Errors
/// When the store can't be opened, or its URL makes no sense.
pub fn cache(config: &Config) -> anyhow::Result<SharedCache> {
    Ok(match &config.stores.cache {
        CacheStore::Embedded => Arc::new(EmbeddedCache::open(&config.data_dir)?),
        CacheStore::Redis(settings) => Arc::new(RedisCache::connect(settings.clone())?),
    })
}
