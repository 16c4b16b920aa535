//! Names of the metrics of this crate.

/// Counter, bytes, label `type`: file bytes stored by uploads.
pub const UPLOAD_BYTES_TOTAL: &str = "upload_bytes_total";
/// Gauge: uploads being received.
pub const UPLOADS_IN_PROGRESS: &str = "uploads_in_progress";
/// Counter, label `limit` (user, share, node): uploads refused because too many run at once.
pub const UPLOADS_REJECTED_TOTAL: &str = "uploads_rejected_total";
/// Gauge: passwords that wait to be hashed.
pub const PASSWORDS_WAITING: &str = "passwords_waiting";
/// Counter: passwords that were not hashed because too many waited.
pub const PASSWORDS_REJECTED_TOTAL: &str = "passwords_rejected_total";
