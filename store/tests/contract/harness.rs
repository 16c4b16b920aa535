//! Runs lists of cases, each on a store of its own, and names the ones that fail.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

/// Far above what a case needs: reaching it means that the store hangs.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);
const POLL_TIME_MAX: Duration = Duration::from_secs(30);
const POLL_PAUSE: Duration = Duration::from_millis(2);

/// One promise of the contract. It gets two handles on a store that is its own; most need only the first.
pub struct Case<S> {
    pub name: &'static str,
    pub run: fn(S, S) -> LocalBoxFuture<'static, ()>,
}

/// Makes cases of functions that take one handle.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        vec![$($crate::harness::Case {
            name: concat!(module_path!(), "::", stringify!($case)),
            run: |store, _| Box::pin($case(store)),
        }),*]
    };
}

/// Makes cases of functions that take two handles on one store.
macro_rules! shared_cases {
    ($($case:ident),* $(,)?) => {
        vec![$($crate::harness::Case {
            name: concat!(module_path!(), "::", stringify!($case)),
            run: |one, two| Box::pin($case(one, two)),
        }),*]
    };
}

pub(crate) use {cases, shared_cases};

/// Runs all cases, then panics with the names of those that failed.
pub async fn run<S>(cases: Vec<Case<S>>, open: impl AsyncFn(&str) -> S) {
    let mut failures = Vec::new();
    for Case { name, run } in cases {
        let store = name.replace("::", "-");
        let (one, two) = (open(&store).await, open(&store).await);
        // The panic itself is printed where it happens, with its place.
        let case = AssertUnwindSafe(run(one, two)).catch_unwind();
        match tokio::time::timeout(CASE_TIME_MAX, case).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => failures.push(name.to_owned()),
            Err(_) => failures.push(format!("{name} (no end after {CASE_TIME_MAX:?})")),
        }
    }
    assert!(failures.is_empty(), "{} broken promises:\n{}", failures.len(), failures.join("\n"));
}

/// Asks again and again until the answer is yes; panics when it takes too long.
pub async fn eventually(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !ready().await {
        assert!(started.elapsed() < POLL_TIME_MAX, "not within {POLL_TIME_MAX:?}: {what}");
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// Starts all futures at once and answers their results in order.
pub async fn all_at_once<F>(work: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let running: Vec<_> = work.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(running.len());
    for task in running {
        results.push(task.await.unwrap());
    }
    results
}
