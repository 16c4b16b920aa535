//! Upload sessions: from the first byte to the committed asset.

mod session;
pub mod state;

use std::time::Duration;

use metastamp_cluster::{Cluster, Owned};
use metastamp_protocol::cluster::{Answer, Command, Failure};
use metastamp_protocol::{Asset, NewUpload, NodeRef, ObjectId, Received};
use metastamp_store::documents::{SharedDocuments, UploadOutcome};
pub use state::Rules;

use crate::ActorError;
use crate::error::Result;
use crate::registry::Registry;
use session::{Message, Session};

/// Longest wait for an owner's answer; covers its failover and one durable write on a busy store.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the edge needs to begin: where to put the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub s3_key: String,
}

/// An upload that is an asset now, and who committed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub asset: Asset,
    /// It was one before: the new object is garbage.
    pub repeat: bool,
    pub owner: NodeRef,
}

/// Handle to all upload sessions of the cluster: each command goes to the owner of its id.
#[derive(Clone)]
pub struct Uploads {
    cluster: Cluster,
    documents: SharedDocuments,
}

impl Uploads {
    pub(crate) fn new(cluster: Cluster, documents: SharedDocuments) -> Self {
        Self { cluster, documents }
    }

    /// Opens the session `new.id`. Asking again with the same id gives the same ticket.
    ///
    /// # Errors
    /// See [`Failure`]; asking again is always safe.
    pub async fn begin(&self, new: NewUpload) -> std::result::Result<Ticket, Failure> {
        match self.ask(Command::BeginUpload(new)).await?.answer {
            Answer::Ticket { s3_key } => Ok(Ticket { s3_key }),
            other => Err(unexpected(&other)),
        }
    }

    /// Keeps the session alive while bytes arrive. `Refused` or `Fenced` means: stop, it was given up.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn renew(&self, id: ObjectId) -> std::result::Result<(), Failure> {
        self.ask(Command::RenewUpload(id)).await.map(drop)
    }

    /// Commits the asset. Safe to repeat: the same session has one outcome.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn complete(&self, id: ObjectId, received: Received) -> std::result::Result<Stored, Failure> {
        let Owned { answer, owner } = self.ask(Command::CompleteUpload(id, Box::new(received))).await?;
        let Answer::Stored { asset_id, repeat, asset } = answer else { return Err(unexpected(&answer)) };
        let asset = match asset {
            Some(asset) => *asset,
            None => {
                let asset = self.documents.asset(asset_id).await.map_err(ActorError::from)?;
                asset.ok_or_else(|| Failure::NotFound("asset".to_owned()))?
            }
        };
        Ok(Stored { asset, repeat, owner })
    }

    /// Gives the session up; its object becomes garbage.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn abort(&self, id: ObjectId) -> std::result::Result<(), Failure> {
        self.ask(Command::AbortUpload(id)).await.map(drop)
    }

    async fn ask(&self, command: Command) -> std::result::Result<Owned, Failure> {
        self.cluster.ask(command, ANSWER_WITHIN).await
    }
}

fn unexpected(answer: &Answer) -> Failure {
    Failure::Internal(format!("an answer to another question: {answer:?}"))
}

/// The sessions that are in memory here.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub registry: Registry<Session>,
    behaviour: Session,
}

impl Sessions {
    pub fn new(documents: SharedDocuments, rules: Rules) -> Self {
        let behaviour = Session::new(documents, rules);
        Self { registry: Registry::new(behaviour.clone()), behaviour }
    }

    /// What sessions hold in memory may be stale: they load it again before they serve.
    pub fn distrust(&self) {
        self.behaviour.distrust();
    }

    /// Does a command of the upload family here.
    pub async fn perform(&self, command: Command, within: Duration) -> Result<Answer> {
        let id = command.entity();
        match command {
            Command::BeginUpload(new) => {
                let ticket = self.ask(id, |reply| Message::Begin(new, reply), within).await?;
                Ok(Answer::Ticket { s3_key: ticket.s3_key })
            }
            Command::RenewUpload(_) => self.ask(id, Message::Renew, within).await.map(|()| Answer::Done),
            Command::CompleteUpload(_, received) => {
                let outcome = self.ask(id, |reply| Message::Complete(received, reply), within).await?;
                let (asset, repeat) = match outcome {
                    UploadOutcome::Stored(asset) => (asset, false),
                    UploadOutcome::Repeat(asset) => (asset, true),
                };
                Ok(Answer::Stored { asset_id: asset.id, repeat, asset: Some(Box::new(asset)) })
            }
            Command::AbortUpload(_) => self.ask(id, Message::Abort, within).await.map(|()| Answer::Done),
            Command::Order(_) => Err(ActorError::Refused("not an upload".into())),
        }
    }

    async fn ask<T, F>(&self, id: ObjectId, message: F, within: Duration) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(ractor::RpcReplyPort<Result<T>>) -> Message,
    {
        self.registry.ask(id, || id, message, within).await
    }
}

impl From<state::Rejected> for ActorError {
    fn from(rejected: state::Rejected) -> Self {
        ActorError::Refused(rejected.0.into())
    }
}
