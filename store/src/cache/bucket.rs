//! The token bucket, in numbers.

use std::time::Duration;

use super::{Admission, RateLimit};

/// `stored` is (tokens, milliseconds) of the last visit. Answers the verdict and the tokens left.
pub(super) fn spend(stored: Option<(f64, i64)>, limit: RateLimit, now: i64) -> (Admission, f64) {
    let capacity = f64::from(limit.capacity);
    let per_ms = capacity / limit.refill.as_millis().max(1) as f64;
    let tokens = stored.map_or(capacity, |(tokens, at)| (tokens + (now - at).max(0) as f64 * per_ms).min(capacity));
    if tokens >= 1.0 {
        return (Admission::Allowed, tokens - 1.0);
    }
    let wait_ms = ((1.0 - tokens) / per_ms).ceil() as u64;
    (Admission::Refused { retry_after: Duration::from_millis(wait_ms) }, tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_evenly() {
        let limit = RateLimit { capacity: 2, refill: Duration::from_secs(10) };
        let (first, left) = spend(None, limit, 0);
        assert_eq!((first, left), (Admission::Allowed, 1.0));
        let (_, left) = spend(Some((left, 0)), limit, 0);
        let (third, left) = spend(Some((left, 0)), limit, 0);
        assert_eq!(third, Admission::Refused { retry_after: Duration::from_secs(5) });
        assert_eq!(spend(Some((left, 0)), limit, 5_000).0, Admission::Allowed);
        assert_eq!(spend(Some((0.0, 0)), limit, 1_000_000).1, 1.0, "never above capacity");
    }
}
