//! How long ids were without an owner, as the requests through this node saw it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use metastamp_protocol::NodeRef;
use metrics::histogram;
use parking_lot::Mutex;

use crate::metrics::OWNERSHIP_GAP_SECONDS;

/// Without traffic there is no telling when an owner went away: an acknowledgement older than this says nothing.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Owners remembered; one entry per start of a member.
const OWNERS_MAX: usize = 1_024;

#[derive(Default)]
pub struct Gaps(Mutex<HashMap<NodeRef, Seen>>);

#[derive(Default, Clone, Copy)]
struct Seen {
    acknowledged: Option<Instant>,
    /// First failure since.
    failed: Option<Instant>,
}

impl Gaps {
    pub fn acknowledged(&self, owner: &NodeRef) {
        let mut seen = self.0.lock();
        if seen.len() >= OWNERS_MAX && !seen.contains_key(owner) {
            seen.clear();
        }
        seen.insert(owner.clone(), Seen { acknowledged: Some(Instant::now()), failed: None });
    }

    pub fn failed(&self, owner: &NodeRef) {
        let mut seen = self.0.lock();
        if seen.len() < OWNERS_MAX || seen.contains_key(owner) {
            seen.entry(owner.clone()).or_default().failed.get_or_insert_with(Instant::now);
        }
    }

    /// Somebody else served what `former` should have.
    pub fn taken_over(&self, former: &NodeRef) {
        if let Some(gap) = self.close(former, Instant::now()) {
            histogram!(OWNERSHIP_GAP_SECONDS).record(gap.as_secs_f64());
        }
    }

    fn close(&self, former: &NodeRef, now: Instant) -> Option<Duration> {
        let seen = self.0.lock().remove(former)?;
        let failed = seen.failed?;
        let since = seen.acknowledged.filter(|at| failed.saturating_duration_since(*at) <= QUIET_MAX).unwrap_or(failed);
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_runs_from_the_last_acknowledgement_and_counts_once() {
        let (gaps, now) = (Gaps::default(), Instant::now());
        let node = |id: &str| NodeRef { node_id: id.into(), generation: 1 };
        let ago = |seconds| now - Duration::from_secs(seconds);
        let put = |id: &str, acknowledged, failed| _ = gaps.0.lock().insert(node(id), Seen { acknowledged, failed });
        put("busy", Some(ago(3)), Some(ago(2)));
        put("quiet", Some(ago(60)), Some(ago(2)));
        put("well", Some(ago(1)), None);
        assert_eq!(gaps.close(&node("busy"), now), Some(Duration::from_secs(3)));
        assert_eq!(gaps.close(&node("busy"), now), None);
        assert_eq!(gaps.close(&node("quiet"), now), Some(Duration::from_secs(2)));
        assert_eq!(gaps.close(&node("well"), now), None, "nobody waited");
    }
}
