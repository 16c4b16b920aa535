//! What can go wrong between a caller and an actor.

use metastamp_protocol::NodeRef;
use metastamp_store::StoreError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum ActorError {
    /// The mailbox or the node is full; nothing was done. Come back later.
    #[error("too busy")]
    Busy,
    /// Another member owns the id; nothing was done.
    #[error("owned by {0}")]
    NotOwner(NodeRef),
    /// No answer before the deadline: the outcome is unknown, a retry must be idempotent.
    #[error("no answer in time")]
    Timeout,
    /// The actor stopped before it answered: the outcome is unknown.
    #[error("the actor stopped")]
    Stopped,
    /// The state machine refuses: what was asked makes no sense in the present state.
    #[error("refused: {0}")]
    Refused(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub type Result<T> = std::result::Result<T, ActorError>;
