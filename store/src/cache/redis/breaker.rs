//! Keeps a store that is away from costing every call its patience.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long calls fail at once after one has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Closed at first. A failure opens it: calls are refused, except for one each [`PAUSE`]. When one succeeds, all may.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// When the next call may try, while open.
    next_try: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether a call may be made now. One that is let through and never tells how it went counts as failed.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut next_try = self.next_try.lock();
        match *next_try {
            Some(at) if now < at => false,
            Some(_) => {
                *next_try = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    pub(super) fn failed(&self, now: Instant) {
        *self.next_try.lock() = Some(now + PAUSE);
    }

    pub(super) fn succeeded(&self) {
        *self.next_try.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_each_pause_is_let_through_after_a_failure() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert!(breaker.admits(start) && breaker.admits(start));
        breaker.failed(start);
        assert!(!breaker.admits(start + PAUSE / 2));
        assert!(breaker.admits(start + PAUSE), "one tries");
        assert!(!breaker.admits(start + PAUSE), "the others do not wait for it");
        assert!(breaker.admits(start + 2 * PAUSE), "the one that tried was never heard of again");
        breaker.succeeded();
        assert!(breaker.admits(start + 2 * PAUSE) && breaker.admits(start + 2 * PAUSE));
    }
}
