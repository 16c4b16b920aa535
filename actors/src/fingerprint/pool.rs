//! A bounded number of workers for CPU-heavy work, off the threads that serve requests.
//!
//! Long jobs (see [`Job::is_long`]) never have all of them: one worker is always left for the others. A node with
//! a single worker has a standby besides, which takes a short job while the worker is at a long one; so a long video
//! never blocks images behind it, and two short jobs still never run at once there.
//!
//! A job that holds its worker for more than a minute is overdue: it goes on, and another may begin in its place, so
//! that hours of film of one user do not keep the long jobs of all others waiting. There are as many such places as
//! workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_protocol::Job;
use metrics::gauge;
use parking_lot::Mutex;

use crate::metrics::{FINGERPRINT_WORKERS, FINGERPRINT_WORKERS_BUSY};

/// The queue in front of it is the store: a job is claimed only when a worker is free for it.
#[derive(Clone)]
pub(crate) struct Pool {
    workers: usize,
    at_work: Arc<Mutex<AtWork>>,
}

/// A long job that runs for longer than this does not keep others from beginning.
const HOLDS_FOR: Duration = Duration::from_secs(60);

/// Jobs that workers are at.
#[derive(Debug, Default)]
struct AtWork {
    short: usize,
    /// With the instants when they began.
    long: Vec<(u64, Instant)>,
    /// How many long ones there were.
    begun: u64,
}

/// Those of them that keep others from beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Running {
    short: usize,
    long: usize,
}

impl AtWork {
    fn begin_long(&mut self, now: Instant) -> u64 {
        self.begun += 1;
        self.long.push((self.begun, now));
        self.begun
    }

    fn running(&self, workers: usize, now: Instant) -> Running {
        let overdue = self.long.iter().filter(|(_, began)| now.duration_since(*began) > HOLDS_FOR).count();
        Running { short: self.short, long: self.long.len() - overdue.min(workers) }
    }
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
    /// Which long job it is for, if any.
    long: Option<u64>,
    freed: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        {
            let mut at_work = self.pool.at_work.lock();
            match self.long {
                None => at_work.short = at_work.short.saturating_sub(1),
                Some(number) => at_work.long.retain(|(other, _)| *other != number),
            }
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
        Self { workers, at_work: Arc::default() }
    }

    /// The standby is not counted.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// More than [`Pool::workers`] when the standby works too, or some are overdue.
    pub fn busy(&self) -> usize {
        let at_work = self.at_work.lock();
        at_work.short + at_work.long.len()
    }

    pub fn room(&self) -> Room {
        self.at_work.lock().running(self.workers, Instant::now()).room(self.workers)
    }

    /// A free worker for this job, if there is one now. `freed` is called when it is free again.
    pub fn take(&self, job: &Job, freed: impl FnOnce() + Send + 'static) -> Option<Worker> {
        self.take_for(job.is_long(), freed)
    }

    fn take_for(&self, long: bool, freed: impl FnOnce() + Send + 'static) -> Option<Worker> {
        let now = Instant::now();
        let mut at_work = self.at_work.lock();
        let room = at_work.running(self.workers, now).room(self.workers);
        let fits = if long { room.any } else { room.short };
        if fits == 0 {
            return None;
        }
        let long = long.then(|| at_work.begin_long(now));
        at_work.short += usize::from(long.is_none());
        drop(at_work);
        gauge!(FINGERPRINT_WORKERS_BUSY).increment(1);
        Some(Worker { pool: self.clone(), long, freed: Some(Box::new(freed)) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use metastamp_protocol::FileKind::{self, Audio, Image, Text, Video};

    fn take(pool: &Pool, kind: FileKind) -> Option<Worker> {
        pool.take_for(kind.is_long(), || {})
    }

    /// As if all that run had begun so long ago.
    fn age(pool: &Pool, by: Duration) {
        for (_, began) in &mut pool.at_work.lock().long {
            *began = began.checked_sub(by).unwrap();
        }
    }

    #[test]
    fn an_overdue_job_does_not_keep_others_from_beginning() {
        let pool = Pool::new(1);
        let film = take(&pool, Video).unwrap();
        assert!(take(&pool, Video).is_none());
        age(&pool, HOLDS_FOR * 2);
        let _second = take(&pool, Audio).unwrap();
        let _short = take(&pool, Image).unwrap();
        // One place of that kind for each worker.
        age(&pool, HOLDS_FOR * 2);
        assert!(take(&pool, Video).is_none() && take(&pool, Text).is_none());
        assert_eq!(pool.busy(), 3);
        drop(film);
        assert_eq!(pool.busy(), 2);
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
        let worker = pool.take_for(false, move || told.store(at.busy(), Ordering::SeqCst)).unwrap();
        drop(worker);
        assert_eq!(seen.load(Ordering::SeqCst), 0);
    }
}
