//! Names of the metrics of this crate, and how each store call is recorded.

use std::time::Instant;

use metrics::{counter, histogram};

use crate::Result;

/// Histogram, seconds, labels `store` (documents, cache, objects) and `op`.
pub const STORE_CALL_DURATION_SECONDS: &str = "store_call_duration_seconds";
/// Counter, labels `store`, `op` and `kind` (the word of the error).
pub const STORE_CALL_ERRORS_TOTAL: &str = "store_call_errors_total";
/// Gauge, label `store`: connections to its server, those being made included.
pub const STORE_CONNECTIONS: &str = "store_connections";
/// Gauge, label `store`: connections that a call uses right now.
pub const STORE_CONNECTIONS_IN_USE: &str = "store_connections_in_use";
/// Counter, label `what` (asset, list, fingerprint): reads that the cache answered.
pub const CACHE_HITS_TOTAL: &str = "cache_hits_total";
/// Counter, label `what`: reads that went to the documents.
pub const CACHE_MISSES_TOTAL: &str = "cache_misses_total";

/// Records one finished call.
pub fn observe<T>(store: &'static str, op: &'static str, started: Instant, result: &Result<T>) {
    histogram!(STORE_CALL_DURATION_SECONDS, "store" => store, "op" => op).record(started.elapsed().as_secs_f64());
    if let Err(error) = result {
        counter!(STORE_CALL_ERRORS_TOTAL, "store" => store, "op" => op, "kind" => error.kind()).increment(1);
    }
}
