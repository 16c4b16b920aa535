//! Jobs that wait for something that says nothing about their file: the object store, the disk, a process.
//!
//! Such a failure never counts as an attempt. The job goes back to the queue with a pause that grows each time, on this
//! node; the cause is logged when it begins and once a minute after that, with the number of jobs that met it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use metastamp_protocol::ObjectId;
use metrics::counter;
use parking_lot::Mutex;

use crate::metrics::FINGERPRINT_JOBS_WAITED_TOTAL;

const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Jobs whose pauses are remembered; beyond it all begin anew.
const JOBS_MAX: usize = 10_000;
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// The object store does not give the file.
    Fetch,
    /// It gave other bytes than were uploaded.
    Digest,
    /// It does not take what was made.
    Keep,
    /// This node has no room, memory or process for it.
    Node,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Cause::Fetch => "fetch",
            Cause::Digest => "digest",
            Cause::Keep => "keep",
            Cause::Node => "node",
        }
    }
}

#[derive(Default)]
pub(crate) struct Waits(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// How often each job waited.
    jobs: HashMap<ObjectId, u32>,
    told: HashMap<Cause, (Instant, u64)>,
}

impl Waits {
    /// How long the job waits now.
    pub fn wait(&self, job: ObjectId, cause: Cause, why: &str) -> Duration {
        counter!(FINGERPRINT_JOBS_WAITED_TOTAL, "cause" => cause.as_str()).increment(1);
        let mut seen = self.0.lock();
        if let Some(jobs) = seen.due(cause, Instant::now()) {
            tracing::warn!(%job, cause = cause.as_str(), jobs, why, "fingerprint jobs wait for what is no fault of theirs");
        }
        if seen.jobs.len() >= JOBS_MAX {
            seen.jobs.clear();
        }
        let times = seen.jobs.entry(job).or_default();
        let pause = PAUSE_MIN.saturating_mul(1 << (*times).min(16)).min(PAUSE_MAX);
        *times += 1;
        pause
    }

    /// The job got what it waited for.
    pub fn over(&self, job: ObjectId) {
        self.0.lock().jobs.remove(&job);
    }
}

impl Seen {
    /// The number of jobs that met `cause` since it was last told, if it is time to tell it again.
    fn due(&mut self, cause: Cause, now: Instant) -> Option<u64> {
        let Some((at, jobs)) = self.told.get_mut(&cause) else {
            self.told.insert(cause, (now, 0));
            return Some(1);
        };
        *jobs += 1;
        if now.duration_since(*at) < TOLD_EVERY {
            return None;
        }
        *at = now;
        Some(std::mem::take(jobs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_of_a_job_grow_until_it_gets_on() {
        let (waits, job) = (Waits::default(), ObjectId::generate());
        let pause = || waits.wait(job, Cause::Fetch, "away").as_secs();
        assert_eq!([pause(), pause(), pause()], [2, 4, 8]);
        assert_eq!((0..20).map(|_| pause()).max(), Some(300));
        assert_eq!(waits.wait(ObjectId::generate(), Cause::Fetch, "away").as_secs(), 2, "each has its own");
        waits.over(job);
        assert_eq!(waits.wait(job, Cause::Fetch, "away").as_secs(), 2);
    }

    #[test]
    fn a_cause_is_told_at_first_and_then_once_a_minute_with_its_jobs() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert_eq!(seen.due(Cause::Fetch, now), Some(1));
        assert_eq!(seen.due(Cause::Fetch, now + Duration::from_secs(59)), None);
        assert_eq!(seen.due(Cause::Digest, now), Some(1));
        assert_eq!(seen.due(Cause::Fetch, now + Duration::from_secs(60)), Some(2));
        assert_eq!(seen.due(Cause::Fetch, now + Duration::from_secs(61)), None);
    }
}
