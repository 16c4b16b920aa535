//! The upload session of a file while its bytes are here: kept alive, and ended one way or the other.

use std::sync::Arc;
use std::time::Duration;

use metastamp_actors::upload::{Ticket, Uploads};
use metastamp_protocol::{NewUpload, ObjectId, Received};

use super::{Stored, Tools};
use crate::error::{Error, Result};

/// A fraction of the session's lease.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// A session that must end: dropped undone, it is given up and its object cleaned away.
pub struct OpenSession {
    tools: Arc<Tools>,
    id: ObjectId,
    ticket: Ticket,
    renewal: tokio::task::JoinHandle<()>,
    done: bool,
}

impl OpenSession {
    pub async fn begin(tools: Arc<Tools>, new: NewUpload) -> Result<Self> {
        let id = new.id;
        let ticket = tools.actors.uploads.begin(new).await.map_err(Error::of_upload)?;
        let renewal = tokio::spawn(keep_alive(tools.actors.uploads.clone(), id));
        Ok(Self { tools, id, ticket, renewal, done: false })
    }

    /// Where the bytes go.
    pub fn s3_key(&self) -> &str {
        &self.ticket.s3_key
    }

    pub async fn complete(mut self, received: Received) -> Result<Stored> {
        let stored = self.tools.actors.uploads.complete(self.id, received).await.map_err(Error::of_upload)?;
        self.done = true;
        if stored.repeat {
            let (tools, key) = (self.tools.clone(), self.ticket.s3_key.clone());
            tokio::spawn(async move { tools.removal.object(&key).await });
        } else {
            self.tools.actors.job_queued();
        }
        Ok(stored)
    }
}

/// Renews the session for as long as it is open here; a session that was taken away shows at the commit.
async fn keep_alive(uploads: Uploads, id: ObjectId) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if let Err(error) = uploads.renew(id).await {
            tracing::warn!(%error, asset_id = %id, "upload session not renewed");
        }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.done {
            let (uploads, id) = (self.tools.actors.uploads.clone(), self.id);
            tokio::spawn(async move {
                // If this fails the session runs out by itself.
                let _ = uploads.abort(id).await;
            });
        }
    }
}
