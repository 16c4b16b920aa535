//! Removal of objects whose rows are gone.

use std::time::Duration;

use metastamp_store::Stores;
use metastamp_store::objects::Objects;

use crate::Deps;

/// Longest wait for the removal of an object; the sweeper has more patience.
const REMOVED_WITHIN: Duration = Duration::from_secs(4);

pub struct Removal {
    stores: Stores,
    objects: Objects,
}

impl Removal {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone(), objects: deps.objects.clone() }
    }

    /// Removes an object and tells whether it is gone; on failure its garbage row stays and the sweeper tries again.
    pub async fn object(&self, s3_key: &str) -> bool {
        match tokio::time::timeout(REMOVED_WITHIN, self.objects.delete(s3_key)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "object not removed yet");
                return false;
            }
            Err(_) => {
                tracing::warn!("object not removed yet: no answer within {REMOVED_WITHIN:?}");
                return false;
            }
        }
        if let Err(error) = self.stores.uploads.forget_garbage(s3_key).await {
            tracing::warn!(%error, "garbage row stays");
        }
        true
    }
}
