//! Names of the promises that code, tests and chaos runs check alike. Each name is what a violation is reported under.

/// An upload that was answered 201 is there, once, with the digest of the bytes that were sent.
pub const ACKNOWLEDGED_UPLOAD_EXISTS: &str = "acknowledged-upload-exists";
/// The same bytes under the same name by the same user within 120 s are one asset.
pub const RETRY_IS_ONE_ASSET: &str = "retry-is-one-asset";
/// No asset row without its object, no object for ever without a row.
pub const ROWS_AND_OBJECTS_AGREE: &str = "rows-and-objects-agree";
/// Every accepted asset ends in `ready` or `failed`, whatever dies on the way.
pub const EVERY_JOB_ENDS: &str = "every-job-ends";
/// A job's result is committed by the holder of its claim, once.
pub const ONE_RESULT_PER_CLAIM: &str = "one-result-per-claim";
/// A revoked session stays revoked, whatever is restarted or flushed.
pub const REVOKED_STAYS_REVOKED: &str = "revoked-stays-revoked";
/// Once a fault is taken back, every node sees every other again, by itself and soon.
pub const CLUSTER_FORMS_AGAIN: &str = "cluster-forms-again";
/// While nodes are replaced one by one, no request fails twice.
pub const ONE_RETRY_SUFFICES: &str = "one-retry-suffices";
/// When a node is killed, uploads go on through the others within bounds.
pub const FAILOVER_WITHIN_BOUNDS: &str = "failover-within-bounds";
