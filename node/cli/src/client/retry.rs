//! When to try again. The same rules as the web client's, so a node meets one kind of impatience only.
//!
//! Repeating an upload is safe: the same bytes under the same name by the same user within 120 s are one asset. So is
//! repeating what has an idempotency key.

use std::time::Duration;

/// Pauses before the second, third and fourth attempt.
const PAUSES_S: [u64; 3] = [1, 2, 4];
/// A node that wants to be left alone for longer than this is not waited for.
const RETRY_AFTER_S_MAX: u64 = 60;

/// How an attempt ended, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Refused, reset, timed out: nothing came back.
    NoAnswer,
    /// An answer with this status and, in seconds, its `Retry-After`.
    Status(u16, Option<u64>),
}

/// How long to wait before the next attempt, or `None` to give up. `attempt` counts from 0.
pub fn pause_after(attempt: usize, outcome: Outcome) -> Option<Duration> {
    let pause = *PAUSES_S.get(attempt)?;
    match outcome {
        Outcome::NoAnswer => Some(Duration::from_secs(pause)),
        Outcome::Status(408 | 429 | 500 | 502..=504 | 507..=599, wanted) => {
            let wanted = wanted.unwrap_or(0);
            (wanted <= RETRY_AFTER_S_MAX).then(|| Duration::from_secs(pause.max(wanted)))
        }
        // An attempt before this one is still being worked on.
        Outcome::Status(409, Some(wanted)) if wanted <= RETRY_AFTER_S_MAX => {
            Some(Duration::from_secs(pause.max(wanted)))
        }
        Outcome::Status(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(attempt: usize, outcome: Outcome) -> Option<u64> {
        pause_after(attempt, outcome).map(|pause| pause.as_secs())
    }

    #[test]
    fn three_retries_with_growing_pauses() {
        let pauses: Vec<_> = (0..5).map(|attempt| seconds(attempt, Outcome::NoAnswer)).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), None, None]);
    }

    #[test]
    fn only_failures_that_may_pass_are_retried() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(seconds(0, Outcome::Status(status, None)), Some(1), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 413, 415, 422, 501] {
            assert_eq!(seconds(0, Outcome::Status(status, None)), None, "{status}");
        }
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        assert_eq!(seconds(0, Outcome::Status(429, Some(7))), Some(7));
        assert_eq!(seconds(0, Outcome::Status(409, Some(1))), Some(1));
        assert_eq!(seconds(2, Outcome::Status(503, Some(1))), Some(4), "never hastier than our own pause");
        assert_eq!(seconds(0, Outcome::Status(429, Some(3_600))), None);
        assert_eq!(seconds(3, Outcome::Status(429, Some(1))), None);
    }
}
