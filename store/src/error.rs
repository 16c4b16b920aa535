//! The one error of this crate: what went wrong, in terms a caller can act on.

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
            StoreError::Internal(_) => "internal",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;
