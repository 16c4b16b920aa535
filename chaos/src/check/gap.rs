//! How long clients wait after a fault.
//!
//! Seen from outside, per fault and user: `first` is the time from the fault to the next acknowledgement through
//! another node than the victim; `wait` is the longest time from the fault, or from the first attempt at another node
//! where that came later, to the acknowledgement of an upload that was under way then or begun within [`WINDOW_MS`]. Ids
//! are spread over all members, so some upload of that time belongs to the victim, and `wait` says when its work went
//! on. What a client waits at a victim that sleeps is its own patience and not counted there.

use std::collections::BTreeMap;
use std::fmt;

use metastamp_protocol::invariants::FAILOVER_WITHIN_BOUNDS;

use crate::history::{Event, FaultKind, Upload, What};

/// Median, over faults and users, of the time from a kill to the next acknowledgement.
pub const FIRST_MEDIAN_MS_MAX: u64 = 2_000;
/// The longest of these times.
pub const FIRST_WORST_MS_MAX: u64 = 4_000;
/// Uploads begun so long after a fault still feel it: a silent member is taken for dead within this time.
const WINDOW_MS: u64 = 4_000;

/// Milliseconds clients waited, over all faults and users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gap {
    pub samples: usize,
    pub first_median: u64,
    pub first_worst: u64,
    pub wait_median: u64,
    pub wait_worst: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, first_median, first_worst, wait_median, wait_worst } = self;
        write!(f, "gap after a fault, {samples} samples: first acknowledgement {first_median} ms median, ")?;
        write!(f, "{first_worst} ms worst; longest wait of an upload {wait_median} ms median, {wait_worst} ms worst")
    }
}

impl Gap {
    /// Over the faults of every kind.
    pub fn of(events: &[Event]) -> Self {
        Self::from(samples(events, |_| true))
    }

    fn from(samples: Vec<Sample>) -> Self {
        let column = |of: fn(&Sample) -> u64| {
            let mut values: Vec<u64> = samples.iter().map(of).collect();
            values.sort_unstable();
            // the upper one of two in the middle: an even count must not flatter
            (values.get(values.len() / 2).copied().unwrap_or(0), values.last().copied().unwrap_or(0))
        };
        let ((first_median, first_worst), (wait_median, wait_worst)) = (column(|s| s.first), column(|s| s.wait));
        Self { samples: samples.len(), first_median, first_worst, wait_median, wait_worst }
    }
}

/// Judges kills only: what is cut or asleep may come back before it is taken for dead.
pub(super) fn within_bounds(events: &[Event], report: &mut impl FnMut(&'static str, String)) {
    let gap = Gap::from(samples(events, |kind| kind == FaultKind::Kill));
    let bounds = [
        ("median", "first acknowledgement", gap.first_median, FIRST_MEDIAN_MS_MAX),
        ("worst", "first acknowledgement", gap.first_worst, FIRST_WORST_MS_MAX),
        ("median", "longest wait", gap.wait_median, FIRST_MEDIAN_MS_MAX),
        ("worst", "longest wait", gap.wait_worst, FIRST_WORST_MS_MAX),
    ];
    for (which, what, measured, allowed) in bounds {
        if measured > allowed {
            report(FAILOVER_WITHIN_BOUNDS, format!("{which} {what} after a kill: {measured} ms, not {allowed} ms"));
        }
    }
}

struct Sample {
    first: u64,
    wait: u64,
}

/// One upload: when it was sent, to whom, and when it was acknowledged.
#[derive(Default)]
struct Span<'a> {
    sent: Vec<(u64, &'a str)>,
    acknowledged: Option<u64>,
}

impl Span<'_> {
    /// When it was first sent to another node than this.
    fn began_beside(&self, victim: &str) -> Option<u64> {
        self.sent.iter().find(|(_, node)| *node != victim).map(|(at, _)| *at)
    }
}

fn samples(events: &[Event], wanted: impl Fn(FaultKind) -> bool) -> Vec<Sample> {
    let mut by_op: BTreeMap<u64, &Upload> = BTreeMap::new();
    let mut spans: BTreeMap<&Upload, Span> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Invoke { op, upload, node } => {
                by_op.insert(*op, upload);
                spans.entry(upload).or_default().sent.push((event.at_ms, node));
            }
            What::Ok { op, .. } => {
                if let Some(span) = by_op.get(op).and_then(|upload| spans.get_mut(*upload)) {
                    span.acknowledged.get_or_insert(event.at_ms);
                }
            }
            _ => {}
        }
    }
    let end = events.last().map_or(0, |event| event.at_ms);
    let mut samples = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let What::Fault { kind, victim, .. } = &event.what else { continue };
        if !wanted(*kind) || victim.is_empty() {
            continue;
        }
        let at = event.at_ms;
        let next = events.iter().skip(i + 1).find(|e| matches!(e.what, What::Fault { .. })).map_or(end, |e| e.at_ms);
        let mut users: BTreeMap<&str, Sample> = BTreeMap::new();
        for (upload, span) in &spans {
            let acknowledged = span.acknowledged.unwrap_or(end);
            let Some(began) = span.began_beside(victim) else { continue };
            if began > (at + WINDOW_MS).min(next) || acknowledged < at {
                continue;
            }
            // from the next fault on the wait is that one's
            let wait = acknowledged.min(next).saturating_sub(at.max(began));
            let sample = users.entry(&upload.user).or_insert(Sample { first: end.saturating_sub(at), wait: 0 });
            sample.wait = sample.wait.max(wait);
        }
        for later in &events[i..] {
            let What::Ok { op, node, .. } = &later.what else { continue };
            let survivor = node.split('/').next() != Some(victim);
            if let Some(sample) = by_op.get(op).filter(|_| survivor).and_then(|u| users.get_mut(u.user.as_str())) {
                sample.first = sample.first.min(later.at_ms - at);
            }
        }
        samples.extend(users.into_values());
    }
    samples
}
