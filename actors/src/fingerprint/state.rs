//! The rules of a running job, as a pure function of phase and event.
//!
//! ```text
//! Working --Worked--> Committing --Committed--> Ended
//!    |  ClaimLost / Cancelled                     ^
//!    +--------------------------------------------+
//! ```
//! A job runs under a claim; whatever happens, its result is written only while the claim holds, and the store has the
//! last word on that.

use std::time::Duration;

use metastamp_protocol::Timestamp;
use metastamp_store::ports::JobResult;

/// Claims of one job, the first included, before it is given up.
pub const ATTEMPTS_MAX: u32 = 3;
/// Pause after the first failed attempt; doubles with each.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub enum Phase {
    Working,
    /// The work is done and not yet known to be written.
    Committing(JobResult),
    Ended,
}

/// How the work came out.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// There is a result, good or bad: running it again would give the same.
    Final(JobResult),
    /// It went wrong, and the file may be why; another attempt may work.
    Retry(String),
    /// It could not be done now, for a reason that says nothing about the file. Not counted as an attempt.
    Wait(Duration),
}

#[derive(Debug, Clone)]
pub enum Event {
    Worked(Outcome),
    /// A third of the lease has passed.
    LeaseDue,
    /// The store says that the claim is not ours any more.
    ClaimLost,
    Committed,
    /// The commit could not be written now.
    CommitFailed,
    /// The asset is gone, or the node is leaving.
    Cancelled,
}

#[derive(Debug, Clone)]
pub enum Effect {
    RenewClaim,
    Commit(JobResult),
    /// Back to the queue. `error` is `None` when the attempt should not count.
    Release {
        not_before: Timestamp,
        error: Option<String>,
    },
    /// Make the work stop at its next progress report, and leave memory.
    Stop,
    Nothing,
}

impl Phase {
    /// The next phase and what to do. `attempts` counts the present one.
    pub fn on(self, event: Event, attempts: u32, now: Timestamp) -> (Phase, Effect) {
        match (self, event) {
            (Phase::Ended, _) => (Phase::Ended, Effect::Stop),
            (_, Event::ClaimLost) => (Phase::Ended, Effect::Stop),
            (Phase::Working, Event::Worked(Outcome::Final(result))) => {
                (Phase::Committing(result.clone()), Effect::Commit(result))
            }
            (Phase::Working, Event::Worked(Outcome::Retry(error))) if attempts < ATTEMPTS_MAX => {
                let pause = RETRY_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(8));
                (Phase::Ended, Effect::Release { not_before: now.plus(pause), error: Some(error) })
            }
            (Phase::Working, Event::Worked(Outcome::Retry(error))) => {
                let result = given_up(attempts, &error);
                (Phase::Committing(result.clone()), Effect::Commit(result))
            }
            (Phase::Working, Event::Worked(Outcome::Wait(pause))) => {
                (Phase::Ended, Effect::Release { not_before: now.plus(pause), error: None })
            }
            (Phase::Working, Event::Cancelled) => (Phase::Ended, Effect::Release { not_before: now, error: None }),
            (phase @ (Phase::Working | Phase::Committing(_)), Event::LeaseDue) => (phase, Effect::RenewClaim),
            (Phase::Committing(_), Event::Committed) => (Phase::Ended, Effect::Stop),
            // The result is kept and written again with the next beat, for as long as the claim holds.
            (Phase::Committing(result), Event::CommitFailed) => (Phase::Committing(result), Effect::Nothing),
            (phase, _) => (phase, Effect::Nothing),
        }
    }
}

/// The result of a job that failed as often as it may.
pub fn given_up(attempts: u32, error: &str) -> JobResult {
    JobResult::Failed {
        message: format!("gave up after {attempts} attempts: {error}"),
        asset_metadata: metastamp_protocol::Object::new(),
        duration_s: 0.0,
        cpu: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn failed() -> JobResult {
        JobResult::Failed {
            message: "m".into(),
            asset_metadata: Default::default(),
            duration_s: 0.1,
            cpu: Duration::ZERO,
        }
    }

    #[test]
    fn a_result_is_committed_and_then_it_ends() {
        let (phase, effect) = Phase::Working.on(Event::Worked(Outcome::Final(failed())), 1, NOW);
        assert!(matches!(effect, Effect::Commit(_)));
        let (phase, effect) = phase.on(Event::CommitFailed, 1, NOW);
        assert!(matches!((&phase, effect), (Phase::Committing(_), Effect::Nothing)), "the result is kept");
        let (phase, effect) = phase.on(Event::Committed, 1, NOW);
        assert!(matches!((phase, effect), (Phase::Ended, Effect::Stop)));
    }

    #[test]
    fn retries_pause_longer_each_time_and_end() {
        let retry = || Event::Worked(Outcome::Retry("the decoder died".into()));
        let pause = |attempts| match Phase::Working.on(retry(), attempts, NOW).1 {
            Effect::Release { not_before, error: Some(_) } => not_before.0 - NOW.0,
            other => panic!("{other:?}"),
        };
        assert_eq!((pause(1), pause(2)), (2_000, 4_000));
        let (_, effect) = Phase::Working.on(retry(), ATTEMPTS_MAX, NOW);
        let Effect::Commit(JobResult::Failed { message, .. }) = effect else { panic!("given up") };
        assert!(message.contains("the decoder died") && message.contains('3'), "{message}");
    }

    #[test]
    fn what_says_nothing_about_the_file_costs_no_attempt() {
        let wait = Event::Worked(Outcome::Wait(Duration::from_secs(7)));
        let (_, effect) = Phase::Working.on(wait, ATTEMPTS_MAX, NOW);
        assert!(matches!(effect, Effect::Release { error: None, not_before } if not_before.0 - NOW.0 == 7_000));
    }

    #[test]
    fn without_the_claim_nothing_is_written() {
        for phase in [Phase::Working, Phase::Committing(failed())] {
            let (phase, effect) = phase.on(Event::ClaimLost, 1, NOW);
            assert!(matches!((&phase, effect), (Phase::Ended, Effect::Stop)));
            let (_, effect) = phase.on(Event::Worked(Outcome::Final(failed())), 1, NOW);
            assert!(matches!(effect, Effect::Stop), "a late result is dropped");
        }
    }

    #[test]
    fn a_leaving_node_hands_unfinished_work_back_uncounted() {
        let (_, effect) = Phase::Working.on(Event::Cancelled, 1, NOW);
        assert!(matches!(effect, Effect::Release { error: None, .. }));
        let (phase, _) = Phase::Committing(failed()).on(Event::Cancelled, 1, NOW);
        assert!(matches!(phase, Phase::Committing(_)), "a finished job is written, not redone");
    }
}
