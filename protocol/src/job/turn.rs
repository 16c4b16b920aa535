//! When a waiting job's turn is, and what it is thought to cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Job;
use crate::FileKind;

/// Where a queued job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// For any worker.
    Short,
    /// For the workers that long jobs may have.
    Long,
    /// For its time: it gets a turn when that has come.
    Later,
}

impl Line {
    /// The lines of jobs that have a turn.
    pub const TURNS: [Line; 2] = [Line::Short, Line::Long];

    pub fn as_str(self) -> &'static str {
        match self {
            Line::Short => "short",
            Line::Long => "long",
            Line::Later => "later",
        }
    }
}

/// A job's place among all that wait. A job without one (of an older version, or restored) gets it with the next claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub line: Line,
    /// In the virtual time of the queue, in microseconds of CPU: the smallest is first.
    pub at: i64,
    /// What it is thought to cost, in microseconds of CPU.
    pub cost: i64,
    /// How much more than thought its owner had used when the turn was given.
    pub debt: i64,
}

/// A job that may take longer than this counts as long, whatever its kind.
const SHORT_MAX: Duration = Duration::from_secs(1);

/// Microseconds of CPU: for a job of its kind at all, for each KiB as a rule, and for each KiB at the worst. A letter of
/// three bytes may stand for eighteen under NFKC.
fn rates(kind: FileKind) -> (u64, u64, u64) {
    match kind {
        FileKind::Text => (2_000, 150, 1_900),
        FileKind::Image => (10_000, 60, 60),
        FileKind::Audio => (100_000, 120, 120),
        FileKind::Video => (500_000, 400, 400),
        FileKind::Url => (5_000, 150, 150),
    }
}

impl Job {
    /// What it is thought to cost, before anything but its size and kind is known.
    pub fn cost(&self) -> Duration {
        let (base, usual, _) = rates(self.kind);
        Duration::from_micros(base + (self.file_size / 1_024).saturating_mul(usual))
    }

    /// Whether it may take long: by its kind, or at the worst by its size.
    pub fn is_long(&self) -> bool {
        let (base, _, worst) = rates(self.kind);
        let at_the_worst = Duration::from_micros(base + (self.file_size / 1_024).saturating_mul(worst));
        self.kind.is_long() || at_the_worst > SHORT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, Timestamp};

    fn job(kind: FileKind, file_size: u64) -> Job {
        let id = ObjectId::generate();
        Job {
            id,
            asset_id: id,
            user_id: id,
            kind,
            file_name: String::new(),
            original_file_name: None,
            file_size,
            mime_type: String::new(),
            s3_key: String::new(),
            sha256: String::new(),
            digests: None,
            state: crate::JobState::Queued,
            attempts: 0,
            claim: None,
            turn: None,
            not_before: Timestamp(0),
            last_error: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    #[test]
    fn a_large_text_is_long_for_what_it_may_become() {
        assert!(!job(FileKind::Text, 36).is_long());
        assert!(!job(FileKind::Text, 512 << 10).is_long());
        assert!(job(FileKind::Text, 8_700_000).is_long());
        assert!(job(FileKind::Video, 1).is_long() && job(FileKind::Audio, 1).is_long());
        assert!(!job(FileKind::Image, 8 << 20).is_long());
    }

    #[test]
    fn a_cost_grows_with_the_size_and_never_overflows() {
        assert!(job(FileKind::Text, 36).cost() < job(FileKind::Text, 1 << 20).cost());
        assert!(job(FileKind::Text, 1 << 20).cost() < job(FileKind::Video, 1 << 20).cost());
        assert!(job(FileKind::Video, u64::MAX).cost() > Duration::from_secs(3_600));
    }
}
