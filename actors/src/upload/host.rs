//! The owner's side: does here what the cluster hands over.

use std::time::Duration;

use metastamp_protocol::ObjectId;
use metastamp_protocol::cluster::{Answer, Command};
use metastamp_store::Stores;
use metastamp_store::ports::UploadOutcome;

use super::session::{Message, Session};
use super::state::Rules;
use crate::ActorError;
use crate::error::Result;
use crate::registry::Registry;

/// The sessions that are in memory here.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub registry: Registry<Session>,
    behaviour: Session,
}

impl Sessions {
    pub fn new(stores: Stores, rules: Rules) -> Self {
        let behaviour = Session::new(stores, rules);
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
