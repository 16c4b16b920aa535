//! Notices that this process was asleep: stopped, swapped out, or its machine suspended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Detects sleep by a heartbeat that has to come regularly.
pub struct SleepDetector {
    heartbeat_ms: AtomicU64,
    gap_max: Duration,
}

impl SleepDetector {
    /// A gap longer than `gap_max` between two heartbeats is sleep.
    pub fn new(gap_max: Duration) -> Self {
        Self { heartbeat_ms: AtomicU64::new(now_ms()), gap_max }
    }

    pub fn heartbeat(&self) {
        self.heartbeat_ms.store(now_ms(), Ordering::SeqCst);
    }

    /// How long this node slept, told to one caller only.
    pub fn overslept(&self) -> Option<Duration> {
        let (now, last) = (now_ms(), self.heartbeat_ms.load(Ordering::SeqCst));
        let gap = Duration::from_millis(now.saturating_sub(last));
        let first = || self.heartbeat_ms.compare_exchange(last, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        (gap > self.gap_max && first()).then_some(gap)
    }
}

/// Since the machine was started, also while it was suspended: the usual monotonic clock stands still then.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1_000 + nanos / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_told_once() {
        let awake = SleepDetector::new(Duration::from_secs(1));
        assert_eq!(awake.overslept(), None);
        awake.heartbeat_ms.fetch_sub(9_000, Ordering::SeqCst);
        assert!(awake.overslept().is_some_and(|gap| gap >= Duration::from_secs(9)));
        assert_eq!(awake.overslept(), None);
    }
}
