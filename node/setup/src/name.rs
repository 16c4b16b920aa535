//! A node's name, held in the document store: nodes on several machines have no files in common that could lock it.
//!
//! A node that crashed and starts again on its data directory gets its name back at once, since the holder is kept
//! there. On a fresh directory it waits until the lease of its former life has run out.

use std::time::{Duration, Instant};

use anyhow::Context;
use metastamp_protocol::Timestamp;
use metastamp_store::Stores;
use tokio::sync::watch;

/// How long a name is kept for a node that shows no sign of life.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for a name: the lease of a former life, and a slow store.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

pub struct Name {
    lease: Lease,
    /// Renews for as long as the process lives, also while it starts and drains.
    renewing: tokio::task::JoinHandle<()>,
    is_lost: watch::Receiver<bool>,
}

#[derive(Clone)]
struct Lease {
    stores: Stores,
    name: String,
    holder: String,
}

impl Name {
    /// Takes the name; waits for as long as a former life of it may still be taken to live.
    ///
    /// # Errors
    /// When another node keeps renewing it, or the store fails.
    pub async fn take(stores: Stores, node_id: &str, holder: &str) -> anyhow::Result<Self> {
        let lease = Lease { stores, name: format!("node:{node_id}"), holder: holder.to_owned() };
        let began = Instant::now();
        let mut told = false;
        loop {
            let late = began.elapsed() > TAKEN_WITHIN;
            match lease.renew().await {
                Ok(true) => {
                    let (lost, is_lost) = watch::channel(false);
                    let renewing = tokio::spawn(lease.clone().keep(lost));
                    return Ok(Self { lease, renewing, is_lost });
                }
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

    /// Ends when another node has the name.
    pub async fn lost(&self) {
        if self.is_lost.clone().wait_for(|lost| *lost).await.is_err() {
            // nobody renews any more, because it is given back
            std::future::pending().await
        }
    }

    /// Gives the name back, so that a node on another machine need not wait for it.
    pub async fn give_back(&self) {
        self.renewing.abort();
        let Lease { stores, name, holder } = &self.lease;
        if let Err(error) = stores.leases.return_lease(name, holder).await {
            tracing::warn!(%error, "the node's name was not given back, it will run out");
        }
    }
}

impl Lease {
    async fn renew(&self) -> metastamp_store::Result<bool> {
        self.stores.leases.take_lease(&self.name, &self.holder, Timestamp::now(), LEASE).await
    }

    async fn keep(self, lost: watch::Sender<bool>) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = lost.send(true);
                    return;
                }
                Err(error) => tracing::warn!(%error, "the node's name was not renewed"),
            }
        }
    }
}
