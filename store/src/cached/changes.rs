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
pub(super) enum Touched {
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

    /// Writes, then drops what is touched.
    pub(super) async fn make<T>(&self, touched: Touched, write: impl Future<Output = Result<T>>) -> Result<T> {
        let after = touched.clone();
        self.make_and_see(touched, write, |_| after).await
    }

    /// The same for a write whose answer tells what it touched; `perhaps` is what it may have touched when it fails.
    pub(super) async fn make_and_see<T>(
        &self,
        perhaps: Touched,
        write: impl Future<Output = Result<T>>,
        touched: impl FnOnce(&T) -> Touched,
    ) -> Result<T> {
        // Dropped half-way by a caller who went away, the write may happen all the same.
        let mut unsettled = Unsettled { changes: self, perhaps: Some(perhaps) };
        let result = write.await;
        match &result {
            Ok(value) => self.drop_touched(&touched(value)).await,
            Err(
                StoreError::Conflict { .. }
                | StoreError::Fenced { .. }
                | StoreError::NotFound { .. }
                | StoreError::Limit(_),
            ) => {}
            Err(_) => {
                if let Some(perhaps) = unsettled.perhaps.clone() {
                    self.drop_touched(&perhaps).await;
                    self.drop_again_later(perhaps);
                }
            }
        }
        unsettled.perhaps = None;
        result
    }

    async fn drop_touched(&self, touched: &Touched) {
        match touched {
            Touched::Nothing => {}
            Touched::Keys(keys) => self.entries.drop_keys(keys).await,
            Touched::Everything => self.entries.generation.renew().await,
        }
    }

    fn drop_again_later(&self, touched: Touched) {
        if matches!(touched, Touched::Nothing) {
            return;
        }
        let Ok(place) = self.late.clone().try_acquire_owned() else {
            return self.entries.generation.owe(Instant::now() + LATE_WRITE);
        };
        let changes = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(LATE_WRITE).await;
            changes.drop_touched(&touched).await;
            drop(place);
        });
    }
}

struct Unsettled<'a> {
    changes: &'a Changes,
    perhaps: Option<Touched>,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        let Some(touched) = self.perhaps.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let changes = self.changes.clone();
            runtime.spawn(async move {
                changes.drop_touched(&touched).await;
                changes.drop_again_later(touched);
            });
        }
    }
}
