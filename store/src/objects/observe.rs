//! One place where every object operation is timed and its failures are counted.

use std::time::Instant;

use crate::error::Result;

const STORE: &str = "objects";

/// Runs one operation and records how long it took and how it failed.
pub(super) async fn observe<T>(op: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    let result = call.await;
    crate::metrics::observe(STORE, op, begun, &result);
    result
}
