//! What partners report: from the event to the money, in steps that anybody may take up again.

use metastamp_protocol::ObjectId;
use metastamp_protocol::cluster::Failure;
use metastamp_protocol::ledger::Refusal;
use metastamp_protocol::partner::UsageEvent;
use metastamp_store::StoreError;
use metastamp_store::documents::SharedDocuments;

use crate::wallet::Wallets;

/// Handle to the usage events of the cluster.
#[derive(Clone)]
pub struct Usages {
    #[allow(dead_code)]
    wallets: Wallets,
    #[allow(dead_code)]
    documents: SharedDocuments,
}

/// Why a usage event did not go where it was told to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UsageError {
    #[error("usage event not found")]
    NotFound,
    /// The same key was used for another report.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Somebody is at it right now.
    #[error("the event is being worked on")]
    InFlight,
    /// The money is refused: the partner can't pay, mostly. Nothing was moved.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It has ended otherwise, or has run out.
    #[error("the event is {}", .0.status.as_str())]
    Ended(Box<UsageEvent>),
    /// Nobody knows whether it was done; safe to repeat.
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Usages {
    pub(crate) fn new(wallets: Wallets, documents: SharedDocuments) -> Self {
        Self { wallets, documents }
    }

    /// Takes a report: reserves its value at the partner and credits the owner of the asset with a pending earning.
    /// `event` stands at `received`, with the id of its partner and key; `overdraft` is the partner's credit limit.
    /// Reported again, the answer is the event as it stands, and false.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn report(&self, event: UsageEvent) -> Result<(UsageEvent, bool), UsageError> {
        let _ = event;
        Err(Failure::Unsupported.into())
    }

    /// Completes both sides. Settled before, the answer is the same.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn settle(&self, id: ObjectId, by: ObjectId) -> Result<UsageEvent, UsageError> {
        let _ = (id, by);
        Err(Failure::Unsupported.into())
    }

    /// Voids both sides. Cancelled before, the answer is the same.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn cancel(&self, id: ObjectId, by: ObjectId, reason: &str) -> Result<UsageEvent, UsageError> {
        let _ = (id, by, reason);
        Err(Failure::Unsupported.into())
    }
}
