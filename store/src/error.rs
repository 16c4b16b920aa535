//! The one error of this crate: what went wrong, in terms a caller can act on.

use metastamp_protocol::ledger::RowError;

/// Failure of a document, cache or object operation.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A unique index refused the write; `index` is its name, for example `users.email`.
    #[error("conflict on {index}")]
    Conflict { index: &'static str },
    /// What the caller read is no longer what is stored (revision, state or claim has moved on).
    #[error("fenced: {what} was changed by someone else")]
    Fenced { what: &'static str },
    /// Nothing is stored under that id or key.
    #[error("{what} not found")]
    NotFound { what: &'static str },
    /// The store did not answer, or said it can't now. A retry may help; the outcome of a write is unknown.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// A limit of the store layer was exceeded; a retry can't help.
    #[error("limit exceeded: {0}")]
    Limit(String),
    /// What is stored was written by newer software, whose rules are not known here. Nothing may be written on top of it.
    #[error("{what} is of the newer version {version}, which this software does not read")]
    NewerVersion { what: String, version: u64 },
    /// The stored data, or the request, makes no sense. A retry can't help.
    #[error("store error: {0}")]
    Internal(String),
}

impl StoreError {
    /// Short stable word for the `kind` label of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::Conflict { .. } => "conflict",
            StoreError::Fenced { .. } => "fenced",
            StoreError::NotFound { .. } => "not_found",
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Limit(_) => "limit",
            StoreError::NewerVersion { .. } => "newer_version",
            StoreError::Internal(_) => "internal",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Newer { id, version } => StoreError::NewerVersion { what: format!("row {id}"), version },
            RowError::Malformed(error) => StoreError::Internal(format!("a row of a journal makes no sense: {error}")),
        }
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;
