//! A bounded number of workers for CPU-heavy work, off the threads that serve requests.

use std::sync::Arc;

use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{FINGERPRINT_WORKERS, FINGERPRINT_WORKERS_BUSY};

/// The queue in front of it is the store: a job is claimed only when a worker is free.
#[derive(Clone)]
pub(crate) struct Pool {
    workers: Arc<Semaphore>,
}

/// A worker set aside for one job. Travels into the blocking work, so that it stays taken until that really ends.
pub(crate) struct Worker {
    _permit: OwnedSemaphorePermit,
}

impl Drop for Worker {
    fn drop(&mut self) {
        gauge!(FINGERPRINT_WORKERS_BUSY).decrement(1);
    }
}

impl Pool {
    pub fn new(workers: usize) -> Self {
        gauge!(FINGERPRINT_WORKERS).set(workers as f64);
        gauge!(FINGERPRINT_WORKERS_BUSY).set(0);
        Self { workers: Arc::new(Semaphore::new(workers)) }
    }

    /// A free worker, if there is one now.
    pub fn take(&self) -> Option<Worker> {
        let permit = self.workers.clone().try_acquire_owned().ok()?;
        gauge!(FINGERPRINT_WORKERS_BUSY).increment(1);
        Some(Worker { _permit: permit })
    }
}
