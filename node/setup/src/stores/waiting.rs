//! Waiting for servers at start: within a bound, with growing pauses, saying who is missing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use metastamp_store::Stores;

/// Longest single question to a server at start.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often it is said what is still missing.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Longest wait until documents are prepared, by this node or another: an index of millions of them takes minutes.
const PREPARE_WITHIN: Duration = Duration::from_secs(1_800);

/// Which stores have answered since the start.
#[derive(Debug, Default)]
pub struct Waiting {
    pub documents: Flag,
    pub cache: Flag,
    pub objects: Flag,
}

#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    pub fn set(&self, value: bool) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Asks again and again until `attempt` succeeds, for at most `within`; the first attempt is always made.
///
/// # Errors
/// When time is up: what was missing, and why the last attempt failed.
pub(super) async fn until_it_answers<T>(
    store: &'static str,
    up: &Flag,
    within: Duration,
    attempt: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    let mut told = None::<Instant>;
    loop {
        let error = match tokio::time::timeout(ATTEMPT_WITHIN, attempt()).await {
            Ok(Ok(value)) => {
                up.set(true);
                if told.is_some() {
                    tracing::info!(store, waited_s = began.elapsed().as_secs(), "the store answers now");
                }
                return Ok(value);
            }
            Ok(Err(error)) => error,
            Err(_) => anyhow!("no answer within {} s", ATTEMPT_WITHIN.as_secs()),
        };
        let left = within.saturating_sub(began.elapsed());
        if left.is_zero() {
            let waited = within.as_secs();
            return Err(error.context(format!("the {store} is missing, waited {waited} s (STORES_WAIT_SECONDS)")));
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let error = format!("{error:#}");
            tracing::warn!(store, error, left_s = left.as_secs(), "waiting for a store that does not answer");
            told = Some(Instant::now());
        }
        tokio::time::sleep(jittered(pause).min(left)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Makes collections and indexes and brings older data up to date, once over all nodes that start together.
///
/// # Errors
/// When it does not end within the time, or fails for a reason that waiting can't mend.
pub(super) async fn until_prepared(stores: &Stores) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let left = PREPARE_WITHIN.saturating_sub(began.elapsed());
        let prepared = tokio::time::timeout(left, stores.records.prepare()).await;
        match prepared.map_err(|_| anyhow!("documents were not prepared within {PREPARE_WITHIN:?}"))? {
            Ok(lines) => return Ok(lines),
            Err(error) if error.is_transient() => tracing::warn!(%error, "documents not prepared yet"),
            Err(error) => return Err(error).context("documents can't be prepared"),
        }
        tokio::time::sleep(jittered(pause).min(left)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Half to all of it: nodes that start together must not ask in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn a_store_that_comes_is_waited_for() {
        let (tries, up) = (AtomicU32::new(0), Flag::default());
        let attempt = async || match tries.fetch_add(1, Ordering::Relaxed) {
            0..3 => Err(anyhow!("not yet")),
            n => Ok(n),
        };
        assert_eq!(until_it_answers("mongodb", &up, Duration::from_secs(60), attempt).await.unwrap(), 3);
        assert!(up.get());
    }

    #[tokio::test]
    async fn a_store_that_does_not_come_is_named() {
        let up = Flag::default();
        let attempt = async || Err::<(), _>(anyhow!("connection refused"));
        let error = until_it_answers("mongodb", &up, Duration::from_millis(200), attempt).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("mongodb is missing") && text.contains("connection refused"), "{text}");
        assert!(!up.get());
    }
}
