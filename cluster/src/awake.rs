//! Notices that this process was asleep: stopped, swapped out, or its machine suspended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A clock that has to be wound regularly.
pub struct Awake {
    epoch: Instant,
    wound_ms: AtomicU64,
    gap_max: Duration,
}

impl Awake {
    /// A gap longer than `gap_max` between two windings is sleep.
    pub fn new(gap_max: Duration) -> Self {
        Self { epoch: Instant::now(), wound_ms: AtomicU64::new(0), gap_max }
    }

    pub fn wind(&self) {
        self.wound_ms.store(self.now_ms(), Ordering::SeqCst);
    }

    /// How long this node slept, told to one caller only.
    pub fn overslept(&self) -> Option<Duration> {
        let (now, wound) = (self.now_ms(), self.wound_ms.load(Ordering::SeqCst));
        let gap = Duration::from_millis(now.saturating_sub(wound));
        let first = || self.wound_ms.compare_exchange(wound, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        (gap > self.gap_max && first()).then_some(gap)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_told_once() {
        let awake = Awake { epoch: Instant::now() - Duration::from_secs(9), ..Awake::new(Duration::from_secs(1)) };
        assert!(awake.overslept().is_some_and(|gap| gap >= Duration::from_secs(9)));
        assert_eq!(awake.overslept(), None);
    }
}
