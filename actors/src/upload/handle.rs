//! The asker's side: each command goes to the owner of its id, wherever in the cluster that is.

use std::time::Duration;

use metastamp_cluster::{Cluster, Owned};
use metastamp_protocol::cluster::{Answer, Command, Failure};
use metastamp_protocol::{Asset, NewUpload, NodeRef, ObjectId, Received};
use metastamp_store::Stores;

use crate::ActorError;

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
    stores: Stores,
}

impl Uploads {
    pub(crate) fn new(cluster: Cluster, stores: Stores) -> Self {
        Self { cluster, stores }
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
                let asset = self.stores.works.asset(asset_id).await.map_err(ActorError::from)?;
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
