//! Upload sessions: from the first byte to the committed asset.

mod session;
pub mod state;

use std::time::Duration;

use metastamp_cluster::Router;
use metastamp_protocol::ObjectId;
use metastamp_store::documents::{SharedDocuments, UploadOutcome};
pub use state::{NewUpload, Received, Rules};

use crate::ActorError;
use crate::error::Result;
use crate::registry::Registry;
use session::{Message, Session};

/// Longest wait for a session's answer; covers one durable write on a busy store.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the edge needs to begin: where to put the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub s3_key: String,
}

/// Handle to all upload sessions.
#[derive(Clone)]
pub struct Uploads {
    pub(crate) registry: Registry<Session>,
}

impl Uploads {
    pub(crate) fn new(router: Router, documents: SharedDocuments, rules: Rules) -> Self {
        Self { registry: Registry::new(router, Session::new(documents, rules)) }
    }

    /// Opens the session `new.id`. Asking again with the same id gives the same ticket.
    pub async fn begin(&self, new: NewUpload) -> Result<Ticket> {
        self.ask(new.id, |reply| Message::Begin(new, reply)).await
    }

    /// Keeps the session alive while bytes arrive. `Refused` or `Fenced` means: stop, it was given up.
    pub async fn renew(&self, id: ObjectId) -> Result<()> {
        self.ask(id, Message::Renew).await
    }

    /// Commits the asset. Safe to repeat: the same session has one outcome.
    pub async fn complete(&self, id: ObjectId, received: Received) -> Result<UploadOutcome> {
        self.ask(id, |reply| Message::Complete(Box::new(received), reply)).await
    }

    /// Gives the session up; its object becomes garbage.
    pub async fn abort(&self, id: ObjectId) -> Result<()> {
        self.ask(id, Message::Abort).await
    }

    async fn ask<T, F>(&self, id: ObjectId, message: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(ractor::RpcReplyPort<Result<T>>) -> Message,
    {
        self.registry.ask(id, || id, message, ANSWER_WITHIN).await
    }
}

impl From<state::Rejected> for ActorError {
    fn from(rejected: state::Rejected) -> Self {
        ActorError::Refused(rejected.0)
    }
}
