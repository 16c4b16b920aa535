//! A node's name, held in the document store: nodes on several machines have no files in common that could lock it.
//!
//! A node that crashed and starts again on its data directory gets its name back at once, since the holder is kept
//! there. On a fresh directory it waits until the lease of its former life has run out.

use std::time::{Duration, Instant};

use anyhow::Context;
use metastamp_protocol::Timestamp;
use metastamp_store::documents::SharedDocuments;

/// How long a name is kept for a node that shows no sign of life.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for a name: the lease of a former life, and a slow store.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

pub struct Name {
    documents: SharedDocuments,
    lease: String,
    holder: String,
}

impl Name {
    /// Takes the name; waits for as long as a former life of it may still be taken to live.
    ///
    /// # Errors
    /// When another node keeps renewing it, or the store fails.
    pub async fn take(documents: SharedDocuments, node_id: &str, holder: &str) -> anyhow::Result<Self> {
        let name = Self { documents, lease: format!("node:{node_id}"), holder: holder.to_owned() };
        let began = Instant::now();
        let mut told = false;
        loop {
            let late = began.elapsed() > TAKEN_WITHIN;
            match name.renew().await {
                Ok(true) => return Ok(name),
                Ok(false) if late => anyhow::bail!("a node called {node_id} runs elsewhere: names are unique"),
                Ok(false) if !told => {
                    tracing::warn!(
                        node_id,
                        "another node, or a former life, has the name: waiting for its lease to end"
                    );
                    told = true;
                }
                Ok(false) => {}
                Err(error) if error.is_transient() && !late => {
                    tracing::warn!(%error, "the node's name was not taken yet")
                }
                Err(error) => return Err(error).context("can't take the node's name"),
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    async fn renew(&self) -> metastamp_store::Result<bool> {
        self.documents.take_lease(&self.lease, &self.holder, Timestamp::now(), LEASE).await
    }

    /// Renews the name; ends when another node has it.
    pub async fn lost(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "the node's name was not renewed"),
            }
        }
    }

    /// Gives the name back, so that a node on another machine need not wait for it.
    pub async fn give_back(&self) {
        if let Err(error) = self.documents.return_lease(&self.lease, &self.holder).await {
            tracing::warn!(%error, "the node's name was not given back, it will run out");
        }
    }
}
