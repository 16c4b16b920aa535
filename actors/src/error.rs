//! What can go wrong between a caller and an actor.

use std::borrow::Cow;

use metastamp_protocol::cluster::Failure;
use metastamp_store::StoreError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum ActorError {
    /// The mailbox or the node is full; nothing was done. Come back later.
    #[error("too busy")]
    Busy,
    /// No answer before the deadline: the outcome is unknown, a retry must be idempotent.
    #[error("no answer in time")]
    Timeout,
    /// The actor stopped before it answered: the outcome is unknown.
    #[error("the actor stopped")]
    Stopped,
    /// The state machine refuses: what was asked makes no sense in the present state.
    #[error("refused: {0}")]
    Refused(Cow<'static, str>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub type Result<T> = std::result::Result<T, ActorError>;

/// What the asker gets to know, wherever it is.
impl From<ActorError> for Failure {
    fn from(error: ActorError) -> Self {
        match error {
            ActorError::Busy => Failure::Busy,
            ActorError::Timeout => Failure::Timeout,
            ActorError::Stopped => Failure::Stopped,
            ActorError::Refused(reason) => Failure::Refused(reason.into_owned()),
            ActorError::Store(StoreError::Fenced { what }) => Failure::Fenced(what.to_owned()),
            ActorError::Store(StoreError::NotFound { what }) => Failure::NotFound(what.to_owned()),
            ActorError::Store(StoreError::Unavailable(reason)) => Failure::Unavailable(reason),
            ActorError::Store(error @ StoreError::NewerVersion { .. }) => Failure::NewerVersion(error.to_string()),
            ActorError::Store(error) => Failure::Internal(error.to_string()),
        }
    }
}
