//! Wallets: orders go to the actor that owns the wallet, and from there into its journal.

use std::time::Duration;

use metastamp_cluster::{Cluster, Owned};
use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::{Answer, Command, Failure};
use metastamp_protocol::ledger::{LedgerAnswer, Order};

/// Longest wait for an owner's answer; covers its failover and one durable write on a busy store.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Handle to all wallets of the cluster.
#[derive(Clone)]
pub struct Wallets {
    cluster: Cluster,
}

/// What a wallet said, and which node it was on.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub answer: LedgerAnswer,
    pub owner: NodeRef,
}

impl Wallets {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Asks the owner of the wallet. Safe to repeat with the same key, whatever came back.
    ///
    /// # Errors
    /// See [`Failure`]: nobody knows whether it was done. Refusals are answers.
    pub async fn order(&self, order: Order) -> Result<Answered, Failure> {
        let Owned { answer, owner } = self.cluster.ask(Command::Order(Box::new(order)), ANSWER_WITHIN).await?;
        match answer {
            Answer::Ledger(answer) => Ok(Answered { answer: *answer, owner }),
            other => Err(Failure::Internal(format!("an answer to another question: {other:?}"))),
        }
    }
}
