//! Keeps a panic of a third-party decoder from passing into the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::FingerprintError;

/// Runs `decode` and turns its panic into "`what` could not be decoded". What `decode` borrows is
/// dropped or rewritten by the caller after a panic, so unwind safety is asserted here.
pub(crate) fn no_panic<T>(
    what: &str,
    decode: impl FnOnce() -> Result<T, FingerprintError>,
) -> Result<T, FingerprintError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(FingerprintError::malformed(format!("{what} could not be decoded"))))
}
