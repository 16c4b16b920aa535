//! A bounded number of workers for CPU-heavy work, off the threads that serve requests.
//!
//! Long jobs (see [`FileKind::is_long`]) never have all of them: one worker is always left for the others. A node with
//! a single worker has a standby besides, which takes a short job while the worker is at a long one; so a long video
//! never blocks images behind it, and two short jobs still never run at once there.

use std::sync::Arc;

use metastamp_protocol::FileKind;
use metrics::gauge;
use parking_lot::Mutex;

use crate::metrics::{FINGERPRINT_WORKERS, FINGERPRINT_WORKERS_BUSY};

/// The queue in front of it is the store: a job is claimed only when a worker is free for it.
#[derive(Clone)]
pub(crate) struct Pool {
    workers: usize,
    running: Arc<Mutex<Running>>,
}

/// Jobs that workers are at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Running {
    short: usize,
    long: usize,
}

/// How many more jobs may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Whatever their kinds.
    pub any: usize,
    /// If none of them is long.
    pub short: usize,
}

impl Running {
    fn count(&mut self, kind: FileKind) -> &mut usize {
        if kind.is_long() { &mut self.long } else { &mut self.short }
    }

    fn room(self, workers: usize) -> Room {
        let Running { short, long } = self;
        if workers == 1 {
            return Room { any: usize::from(short + long == 0), short: usize::from(short == 0) };
        }
        let free = workers.saturating_sub(short + long);
        Room { any: free.min(workers.saturating_sub(1 + long)), short: free }
    }
}

/// A worker set aside for one job. Travels into the blocking work, so that it stays taken until that really ends.
pub(crate) struct Worker {
    pool: Pool,
    kind: FileKind,
    freed: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        {
            let mut running = self.pool.running.lock();
            let count = running.count(self.kind);
            *count = count.saturating_sub(1);
        }
        gauge!(FINGERPRINT_WORKERS_BUSY).decrement(1);
        if let Some(freed) = self.freed.take() {
            freed();
        }
    }
}

impl Pool {
    pub fn new(workers: usize) -> Self {
        gauge!(FINGERPRINT_WORKERS).set(workers as f64);
        gauge!(FINGERPRINT_WORKERS_BUSY).set(0);
        Self { workers, running: Arc::default() }
    }

    /// The standby is not counted.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// More than [`Pool::workers`] when the standby works too.
    pub fn busy(&self) -> usize {
        let running = *self.running.lock();
        running.short + running.long
    }

    pub fn room(&self) -> Room {
        self.running.lock().room(self.workers)
    }

    /// A free worker for a job of this kind, if there is one now. `freed` is called when it is free again.
    pub fn take(&self, kind: FileKind, freed: impl FnOnce() + Send + 'static) -> Option<Worker> {
        let mut running = self.running.lock();
        let room = running.room(self.workers);
        let fits = if kind.is_long() { room.any } else { room.short };
        if fits == 0 {
            return None;
        }
        *running.count(kind) += 1;
        drop(running);
        gauge!(FINGERPRINT_WORKERS_BUSY).increment(1);
        Some(Worker { pool: self.clone(), kind, freed: Some(Box::new(freed)) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use FileKind::{Audio, Image, Text, Video};

    fn take(pool: &Pool, kind: FileKind) -> Option<Worker> {
        pool.take(kind, || {})
    }

    #[test]
    fn long_jobs_leave_a_worker_to_the_others() {
        let pool = Pool::new(3);
        assert_eq!(pool.room(), Room { any: 2, short: 3 });
        let long = [take(&pool, Video).unwrap(), take(&pool, Audio).unwrap()];
        assert_eq!(pool.room(), Room { any: 0, short: 1 });
        assert!(take(&pool, Video).is_none());
        let short = take(&pool, Image).unwrap();
        assert!(take(&pool, Text).is_none());
        assert_eq!(pool.busy(), 3);
        drop(long);
        assert_eq!(pool.room(), Room { any: 2, short: 2 });
        drop(short);
        assert_eq!((pool.busy(), pool.room()), (0, Room { any: 2, short: 3 }));
    }

    #[test]
    fn short_jobs_may_have_all_workers() {
        let pool = Pool::new(2);
        let short = [take(&pool, Image).unwrap(), take(&pool, Text).unwrap()];
        assert_eq!(pool.room(), Room { any: 0, short: 0 });
        assert!(take(&pool, Video).is_none());
        drop(short);
    }

    #[test]
    fn a_single_worker_has_a_standby_for_short_jobs() {
        let pool = Pool::new(1);
        assert_eq!(pool.room(), Room { any: 1, short: 1 });
        let long = take(&pool, Video).unwrap();
        assert_eq!(pool.room(), Room { any: 0, short: 1 });
        let short = take(&pool, Image).unwrap();
        assert!(take(&pool, Image).is_none() && take(&pool, Video).is_none());
        // The worker is free, and the standby's job counts as its own now.
        drop(long);
        assert_eq!(pool.room(), Room { any: 0, short: 0 });
        drop(short);
        assert_eq!(pool.room(), Room { any: 1, short: 1 });
    }

    /// Whatever comes and goes, the limits hold and room is never promised in vain.
    #[test]
    fn room_is_always_true() {
        for workers in 1..=4 {
            for short in 0..=workers {
                for long in 0..=workers {
                    let Room { any, short: only_short } = Running { short, long }.room(workers);
                    assert!(any <= only_short);
                    assert!(any == 0 || long + any <= workers.saturating_sub(1).max(1), "{workers} {short} {long}");
                    assert!(only_short == 0 || short + only_short <= workers);
                }
            }
        }
    }

    #[test]
    fn a_freed_worker_says_so_after_it_is_free() {
        let pool = Pool::new(1);
        let seen = Arc::new(AtomicUsize::new(9));
        let (told, at) = (seen.clone(), pool.clone());
        let worker = pool.take(Text, move || told.store(at.busy(), Ordering::SeqCst)).unwrap();
        drop(worker);
        assert_eq!(seen.load(Ordering::SeqCst), 0);
    }
}
