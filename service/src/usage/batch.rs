//! Batches of usage events: each event has its own result, and none holds up the others.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use metastamp_protocol::partner::UsageEvent;
use metastamp_protocol::{ErrorCode, ObjectId};
use tokio::time::{Instant, timeout_at};

use super::{End, Report, Reported, Usage};
use crate::caller::Reporter;
use crate::error::{Error, Result};

pub const EVENTS_MAX: usize = 1_000;
/// Events of one batch that are worked on at a time.
const AT_ONCE_MAX: usize = 32;
/// Clients wait 30 s for an answer; what is not done by then is left to the next attempt.
const WITHIN: Duration = Duration::from_secs(25);

impl Usage {
    /// Takes many reports. Those that could not be read are answered with why.
    pub async fn report_all(&self, reporter: &Reporter, reports: Vec<Result<Report>>) -> Vec<Result<Reported>> {
        let one = |report: Result<Report>| async move { self.report(reporter, report?).await };
        in_time(WITHIN, reports.into_iter().map(one).collect()).await
    }

    /// Ends many events alike. Those whose ids could not be read are answered with why.
    pub async fn end_all(&self, reporter: &Reporter, ids: Vec<Result<ObjectId>>, end: &End) -> Vec<Result<UsageEvent>> {
        let one = |id: Result<ObjectId>| async move { self.end(reporter, id?, end).await };
        in_time(WITHIN, ids.into_iter().map(one).collect()).await
    }
}

/// # Errors
/// What is wrong with a number of events.
pub fn judge_size(events: usize) -> std::result::Result<(), String> {
    match (1..=EVENTS_MAX).contains(&events) {
        true => Ok(()),
        false => Err(format!("must have 1 to {EVENTS_MAX} items")),
    }
}

/// Works through the items and puts the results in their order.
async fn in_time<T, F: Future<Output = Result<T>>>(within: Duration, items: Vec<F>) -> Vec<Result<T>> {
    let deadline = Instant::now() + within;
    // Left where it is half-way, the outcome is unknown: as with any answer that is lost.
    let bounded = |(index, item): (usize, F)| async move {
        (index, timeout_at(deadline, item).await.unwrap_or_else(|_| Err(late())))
    };
    // As they come: in their order, one that is slow would hold up all that are not yet begun.
    let work = stream::iter(items.into_iter().enumerate()).map(bounded).buffer_unordered(AT_ONCE_MAX);
    let mut done: Vec<_> = work.collect().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, done)| done).collect()
}

fn late() -> Error {
    let message = "The batch took too long; send what has failed again";
    Error::new(ErrorCode::ServiceUnavailable, message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_is_not_done_in_time_is_left_and_holds_up_nobody() {
        let at_once = AtomicUsize::new(0);
        let at_once = &at_once;
        let item = |n: usize| async move {
            assert!(at_once.fetch_add(1, Ordering::Relaxed) < AT_ONCE_MAX);
            tokio::task::yield_now().await;
            if n == 3 {
                std::future::pending::<()>().await;
            }
            at_once.fetch_sub(1, Ordering::Relaxed);
            if n == 5 { Err(Error::not_found("Usage event")) } else { Ok(n) }
        };
        let (begun, within) = (Instant::now(), Duration::from_millis(200));
        let done = in_time(within, (0..100).map(item).collect()).await;
        assert!(begun.elapsed() >= within);
        let status = |done: &Result<usize>| done.as_ref().err().map(Error::status_code);
        for (n, done) in done.iter().enumerate() {
            match n {
                3 => assert_eq!(status(done), Some(503)),
                5 => assert_eq!(status(done), Some(404)),
                _ => assert_eq!(done.as_ref().ok(), Some(&n)),
            }
        }
    }

    #[test]
    fn a_batch_has_so_many_events() {
        assert!(judge_size(1).is_ok() && judge_size(EVENTS_MAX).is_ok());
        assert!(judge_size(0).is_err() && judge_size(EVENTS_MAX + 1).is_err());
    }
}
