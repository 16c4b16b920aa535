//! Why a file has no fingerprint.

use std::io;

/// Why a file has no fingerprint. The messages are written for the creator: lower-case, without
/// paths or internals, short enough to be stored as the job's `error_message`.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    /// The bytes are not what they claim to be, or end too early.
    #[error("{0}")]
    Malformed(String),
    /// The file asks for more than a field of [`Limits`](crate::Limits) allows.
    #[error("{message}")]
    LimitExceeded {
        /// Name of the field of [`Limits`](crate::Limits), for metrics.
        limit: &'static str,
        /// What was asked for and what is allowed.
        message: String,
    },
    /// A valid file of a kind or variant that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// [`Progress::report`](crate::Progress::report) asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The reader failed; the file itself may be fine, so the caller may try again.
    #[error("file could not be read: {0}")]
    Io(#[source] io::Error),
}

impl FingerprintError {
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }

    pub(crate) fn limit(limit: &'static str, message: impl Into<String>) -> Self {
        Self::LimitExceeded { limit, message: message.into() }
    }
}

/// A reader that ends early is a truncated file, everything else is the reader's own failure.
impl From<io::Error> for FingerprintError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::malformed("file is truncated"),
            _ => Self::Io(error),
        }
    }
}
