//! Changing documents: what a write touches is dropped before the write is acknowledged, whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::LATE_WRITE;
use super::entries::Entries;
use crate::{Result, StoreError};

/// Writes of unknown outcome that are remembered for [`LATE_WRITE`]; beyond, the cache is not read for that long.
const LATE_WRITES_MAX: usize = 1_000;

/// What a write changes of what is shown.
#[derive(Debug, Clone)]
pub(super) enum Invalidated {
    Nothing,
    Keys(Vec<String>),
    /// Nobody knows.
    Everything,
}

#[derive(Clone)]
pub(super) struct Changes {
    entries: Arc<Entries>,
    late: Arc<Semaphore>,
}

impl Changes {
    pub(super) fn new(entries: Arc<Entries>) -> Self {
        Self { entries, late: Arc::new(Semaphore::new(LATE_WRITES_MAX)) }
    }

    /// Writes, then drops what is invalidated.
    pub(super) async fn make<T>(&self, invalidated: Invalidated, write: impl Future<Output = Result<T>>) -> Result<T> {
        let after = invalidated.clone();
        self.make_and_see(invalidated, write, |_| after).await
    }

    /// The same for a write whose answer tells what it invalidated; `perhaps` is what it may have invalidated when it fails.
    pub(super) async fn make_and_see<T>(
        &self,
        perhaps: Invalidated,
        write: impl Future<Output = Result<T>>,
        invalidated: impl FnOnce(&T) -> Invalidated,
    ) -> Result<T> {
        // Dropped half-way by a caller who went away, the write may happen all the same.
        let mut unsettled = Unsettled { changes: self, perhaps: Some(perhaps) };
        let result = write.await;
        match &result {
            Ok(value) => self.invalidate(&invalidated(value)).await,
            Err(
                StoreError::Conflict { .. }
                | StoreError::Fenced { .. }
                | StoreError::NotFound { .. }
                | StoreError::Limit(_),
            ) => {}
            Err(_) => {
                if let Some(perhaps) = unsettled.perhaps.clone() {
                    self.invalidate(&perhaps).await;
                    self.invalidate_again_later(perhaps);
                }
            }
        }
        unsettled.perhaps = None;
        result
    }

    async fn invalidate(&self, invalidated: &Invalidated) {
        match invalidated {
            Invalidated::Nothing => {}
            Invalidated::Keys(keys) => self.entries.drop_keys(keys).await,
            Invalidated::Everything => self.entries.generation.renew().await,
        }
    }

    fn invalidate_again_later(&self, invalidated: Invalidated) {
        if matches!(invalidated, Invalidated::Nothing) {
            return;
        }
        let Ok(place) = self.late.clone().try_acquire_owned() else {
            return self.entries.generation.owe(Instant::now() + LATE_WRITE);
        };
        let changes = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(LATE_WRITE).await;
            changes.invalidate(&invalidated).await;
            drop(place);
        });
    }
}

struct Unsettled<'a> {
    changes: &'a Changes,
    perhaps: Option<Invalidated>,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        let Some(invalidated) = self.perhaps.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let changes = self.changes.clone();
            runtime.spawn(async move {
                changes.invalidate(&invalidated).await;
                changes.invalidate_again_later(invalidated);
            });
        }
    }
}
