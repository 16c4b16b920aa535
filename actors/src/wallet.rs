//! Wallets: orders go to the actor that owns the wallet, and from there into its journal.

mod actor;
pub mod audit;
pub mod state;
pub mod teller;

use std::sync::Arc;
use std::time::Duration;

use metastamp_cluster::{Cluster, Owned};
use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::{Answer, Command, Failure};
use metastamp_protocol::ledger::{LedgerAnswer, Order};
use metastamp_store::ports::Ledger;
use metrics::counter;

use crate::error::Result;
use crate::metrics::WALLET_ORDERS_TOTAL;
use crate::registry::Registry;
use actor::{Message, Wallet};
use teller::Teller;

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
    pub async fn order(&self, order: Order) -> std::result::Result<Answered, Failure> {
        let Owned { answer, owner } = self.cluster.ask(Command::Order(Box::new(order)), ANSWER_WITHIN).await?;
        match answer {
            Answer::Ledger(answer) => Ok(Answered { answer: *answer, owner }),
            other => Err(Failure::Internal(format!("an answer to another question: {other:?}"))),
        }
    }
}

/// The wallets that are in memory here.
#[derive(Clone)]
pub(crate) struct Tellers {
    pub registry: Registry<Wallet>,
}

impl Tellers {
    /// `group_max` orders are carried by one write.
    pub fn new(ledger: Arc<dyn Ledger>, cluster: &Cluster, group_max: usize) -> Self {
        let teller = Teller::new(ledger.clone(), cluster.local().clone()).with_members(cluster.watch());
        Self { registry: Registry::new(Wallet { teller, ledger, group_max }) }
    }

    /// Does an order here.
    pub async fn perform(&self, order: Box<Order>, within: Duration) -> Result<Answer> {
        let id = order.wallet_id;
        let name = order.name();
        let answer = self.registry.ask(id, || id, |reply| Message::Order(order, reply), within).await;
        let outcome = match &answer {
            Ok(LedgerAnswer::Committed { repeat: false, .. }) => "committed",
            Ok(LedgerAnswer::Committed { repeat: true, .. }) => "repeated",
            Ok(LedgerAnswer::Refused(_)) => "refused",
            Err(_) => "unknown",
        };
        counter!(WALLET_ORDERS_TOTAL, "order" => name, "outcome" => outcome).increment(1);
        Ok(Answer::Ledger(Box::new(answer?)))
    }
}
