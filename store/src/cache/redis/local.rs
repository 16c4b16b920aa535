//! Rate limits of one process, while Redis is away.

use std::sync::Arc;

use metastamp_protocol::Timestamp;
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::cache::bucket::spend;
use crate::cache::{Admission, RateLimit};

/// Most buckets in memory; beyond, those that were not used for longest are forgotten, and are full again.
const BUCKETS_MAX: u64 = 50_000;
/// Longer than any limit takes to refill.
const IDLE_MAX: std::time::Duration = std::time::Duration::from_secs(3_600);

type Bucket = Arc<Mutex<Option<(f64, i64)>>>;

#[derive(Clone)]
pub(super) struct LocalBuckets(Cache<String, Bucket>);

impl Default for LocalBuckets {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(BUCKETS_MAX).time_to_idle(IDLE_MAX).build())
    }
}

impl LocalBuckets {
    pub(super) fn take(&self, key: &str, limit: RateLimit) -> Admission {
        let bucket = self.0.get_with_by_ref(key, Bucket::default);
        let mut stored = bucket.lock();
        let now = Timestamp::now().millis();
        let (admission, tokens) = spend(*stored, limit, now);
        *stored = Some((tokens, now));
        admission
    }

    pub(super) fn put_back(&self, key: &str, limit: RateLimit) {
        if let Some(bucket) = self.0.get(key)
            && let Some((tokens, _)) = &mut *bucket.lock()
        {
            *tokens = (*tokens + 1.0).min(f64::from(limit.capacity));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn buckets_are_counted_apart() {
        let buckets = LocalBuckets::default();
        let limit = RateLimit { capacity: 3, refill: Duration::from_secs(3_600) };
        for key in ["a", "b"] {
            let allowed = (0..10).filter(|_| buckets.take(key, limit) == Admission::Allowed).count();
            assert_eq!(allowed, 3, "{key}");
        }
        for key in ["a", "a", "never"] {
            buckets.put_back(key, limit);
        }
        assert_eq!((0..10).filter(|_| buckets.take("a", limit) == Admission::Allowed).count(), 2);
        assert_eq!((0..10).filter(|_| buckets.take("never", limit) == Admission::Allowed).count(), 3);
    }
}
