//! What members of a cluster say to each other: commands to the owner of an id, its answers, and notices.
//!
//! These are the domain-level words; [`wire`] is their versioned encoding. File bytes never travel this way.

pub mod wire;

use crate::ledger::{LedgerAnswer, Order};
use crate::upload::{NewUpload, Received};
use crate::{Asset, NodeRef, ObjectId};

/// Something that only the owner of an id should do. Every command is safe to repeat: the id with the state in the
/// store says whether it was done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    BeginUpload(NewUpload),
    RenewUpload(ObjectId),
    CompleteUpload(ObjectId, Box<Received>),
    AbortUpload(ObjectId),
    /// Something asked of a wallet. Its key makes it safe to repeat.
    Order(Box<Order>),
}

impl Command {
    /// The id that decides who owns it.
    pub fn entity(&self) -> ObjectId {
        match self {
            Command::BeginUpload(new) => new.id,
            Command::RenewUpload(id) | Command::CompleteUpload(id, _) | Command::AbortUpload(id) => *id,
            Command::Order(order) => order.wallet_id,
        }
    }

    /// The version of the encoding that first knew it.
    pub fn since(&self) -> u32 {
        match self {
            Command::Order(_) => 3,
            _ => 1,
        }
    }

    /// Label of metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Command::BeginUpload(_) => "begin_upload",
            Command::RenewUpload(_) => "renew_upload",
            Command::CompleteUpload(..) => "complete_upload",
            Command::AbortUpload(_) => "abort_upload",
            Command::Order(_) => "order",
        }
    }
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    /// Where the edge puts the bytes.
    Ticket {
        s3_key: String,
    },
    /// The upload is an asset, or a `repeat` of one. `asset` is `None` when the row has to be read from the store.
    Stored {
        asset_id: ObjectId,
        repeat: bool,
        asset: Option<Box<Asset>>,
    },
    /// What the wallet said.
    Ledger(Box<LedgerAnswer>),
}

/// Why a command was not done, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was done: somebody else owns the id, as far as the asked node knows.
    #[error("not the owner{}", .0.as_ref().map(|hint| format!(", ask {hint}")).unwrap_or_default())]
    NotOwner(Option<NodeRef>),
    /// Nothing was done: a queue is full. Come back later.
    #[error("too busy")]
    Busy,
    /// Nothing was done: the deadline had passed when it was its turn.
    #[error("expired before it was its turn")]
    Expired,
    /// Nothing was done: this member does not know the command.
    #[error("not understood")]
    Unsupported,
    /// Unknown outcome: no answer before the deadline.
    #[error("no answer in time")]
    Timeout,
    /// Unknown outcome: the actor or the link ended before it answered.
    #[error("ended before it answered")]
    Stopped,
    /// Nothing was done: it makes no sense in the present state.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing was done: the store knows of a later writer.
    #[error("{0} was changed meanwhile")]
    Fenced(String),
    #[error("{0} not found")]
    NotFound(String),
    /// The store does not answer; the outcome is unknown.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Nothing was done: what is stored is of newer software than that of the node that was asked.
    #[error("{0}")]
    NewerVersion(String),
    #[error("internal: {0}")]
    Internal(String),
}

impl Failure {
    /// Label of metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Failure::NotOwner(_) => "not_owner",
            Failure::Busy => "busy",
            Failure::Expired => "expired",
            Failure::Unsupported => "unsupported",
            Failure::Timeout => "timeout",
            Failure::Stopped => "stopped",
            Failure::Refused(_) => "refused",
            Failure::Fenced(_) => "fenced",
            Failure::NotFound(_) => "not_found",
            Failure::Unavailable(_) => "unavailable",
            Failure::NewerVersion(_) => "newer_version",
            Failure::Internal(_) => "internal",
        }
    }
}

/// News for other members. They may get lost: each only saves time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// There are jobs that the sender has no worker for.
    JobsWaiting,
    /// The asset of this job is gone; whoever runs it may stop.
    JobCancelled(ObjectId),
    /// The sender takes no new work from now on.
    Leaving,
    /// The receiver is asked by an operator to leave placement, or to come back.
    Drain { on: bool },
}

impl Notice {
    /// Label of metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Notice::JobsWaiting => "jobs_waiting",
            Notice::JobCancelled(_) => "job_cancelled",
            Notice::Leaving => "leaving",
            Notice::Drain { .. } => "drain",
        }
    }
}
