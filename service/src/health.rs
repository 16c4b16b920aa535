//! Whether what we depend on answers.

use std::time::Duration;

use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;

use crate::Deps;

/// Longest wait for one dependency.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// Whether each dependency answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependencies {
    pub documents: bool,
    pub cache: bool,
    pub objects: bool,
}

impl Dependencies {
    /// The cache alone does not decide: the node works without it, slower.
    pub fn suffice(&self) -> bool {
        self.documents && self.objects
    }
}

pub struct Health {
    stores: Stores,
    cache: SharedCache,
    objects: Objects,
}

impl Health {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone(), cache: deps.cache.clone(), objects: deps.objects.clone() }
    }

    /// Asks all in parallel, and waits for none of them longer than the deadline.
    pub async fn ask(&self) -> Dependencies {
        let (documents, cache, objects) = tokio::join!(
            tokio::time::timeout(PING_WITHIN, self.stores.records.ping()),
            tokio::time::timeout(PING_WITHIN, self.cache.ping()),
            tokio::time::timeout(PING_WITHIN, self.objects.ping()),
        );
        let up = |pinged: Result<metastamp_store::Result<()>, _>| matches!(pinged, Ok(Ok(())));
        Dependencies { documents: up(documents), cache: up(cache), objects: up(objects) }
    }
}
