//! Wallets: what is in them, and what may be asked of them.
//!
//! What wallets hold is read from their journals. Lists come from the views, brought up to date before. Every order goes
//! to the owner of its wallet under a key of [`metastamp_protocol::ledger::keys`], which makes it safe to repeat.

mod balance;
mod book;
mod history;
mod payouts;
mod refusal;
mod statement;

use metastamp_actors::wallet::{Answered, Wallets};
use metastamp_protocol::ledger::{LedgerAnswer, Order, Row, Transaction, Wallet};
use metastamp_protocol::{Currency, NodeRef, ObjectId, Timestamp};
use metastamp_store::Stores;
pub use metastamp_store::ports::{HistoryPage, HistoryQuery};

pub use self::balance::Holdings;
pub use self::book::{Booking, BookingKind, Whose};
pub use self::history::{History, HistoryPages};
pub use self::payouts::{Payout, PayoutQuery, PayoutRequest};
pub(crate) use self::refusal::{in_flight, key_reused, refused};
pub use self::statement::{Span, Statement, StatementPages};
use crate::Deps;
use crate::error::Result;

/// Characters of a description or a reason; the ledger takes no more.
pub const DESCRIPTION_CHARS: std::ops::RangeInclusive<usize> = 1..=500;
/// Characters of what a payout is known by outside.
pub const REFERENCE_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
/// Characters of where a payout goes to.
pub const DESTINATION_CHARS: std::ops::RangeInclusive<usize> = 1..=200;

/// All about wallets. Cheap to clone.
#[derive(Clone)]
pub struct Money {
    stores: Stores,
    wallets: Wallets,
}

/// What a use case came to, and the node that committed it; `None` when there was nothing to commit.
#[derive(Debug, Clone)]
pub struct Decided<T> {
    pub value: T,
    pub owner: Option<NodeRef>,
}

impl<T> Decided<T> {
    /// A result that came after `owner` had decided: told with it, whether it went well or not.
    pub(crate) fn by(owner: Option<NodeRef>, done: Result<T>) -> Result<Self> {
        match done {
            Ok(value) => Ok(Self { value, owner }),
            Err(error) => Err(error.decided_by(owner)),
        }
    }
}

/// A transaction that was asked for.
#[derive(Debug, Clone)]
pub struct Opened {
    pub transaction: Transaction,
    /// The key was used for it before: this is its present state.
    pub repeat: bool,
}

impl Money {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone(), wallets: deps.actors.wallets.clone() }
    }

    /// The document of a wallet and the head of its journal, which it is brought up to if it stayed behind.
    async fn current(&self, wallet_id: ObjectId) -> Result<(Wallet, Option<Row>)> {
        // the head first: a document read later can't be older than what it is compared with
        let head = self.stores.ledger.head(wallet_id).await?;
        let wallet = self.stores.ledger.wallet(wallet_id, Timestamp::now()).await?;
        if head.as_ref().is_none_or(|head| head.seq <= wallet.last_seq) {
            return Ok((wallet, head));
        }
        self.stores.ledger.project(wallet_id).await?;
        Ok((self.stores.ledger.wallet(wallet_id, Timestamp::now()).await?, head))
    }

    /// A transaction as the journal of a wallet has it.
    async fn journalled(&self, wallet_id: ObjectId, id: ObjectId) -> Result<Option<Transaction>> {
        let mut rows = self.stores.ledger.look(wallet_id, &[], &[id]).await?.of_transactions;
        rows.retain(|row| row.transaction_id == id);
        rows.sort_by_key(|row| row.seq);
        let Some(opening) = rows.iter().find(|row| row.is_opening()) else { return Ok(None) };
        let mut found = Transaction::opened(opening);
        rows.iter().for_each(|row| found.apply(row));
        Ok(Some(found))
    }

    /// Asks the owner of the wallet.
    async fn ask(&self, order: Order) -> Result<Answered> {
        Ok(self.wallets.order(order).await?)
    }

    /// Has a transaction opened, or finds the one that was opened under the same key.
    async fn open(&self, order: Order, currency: Currency) -> Result<Decided<Opened>> {
        let (wallet_id, id) = (order.wallet_id, order.transaction_id());
        let Answered { answer, owner } = self.ask(order).await?;
        match answer {
            LedgerAnswer::Refused(refusal) => Err(refused(refusal, currency)),
            LedgerAnswer::Committed { row, repeat } => {
                Decided::by(Some(owner), self.opened(wallet_id, id, &row, repeat).await)
            }
        }
    }

    async fn opened(&self, wallet_id: ObjectId, id: ObjectId, row: &Row, repeat: bool) -> Result<Opened> {
        let present = if repeat { self.journalled(wallet_id, id).await? } else { None };
        Ok(Opened { transaction: present.unwrap_or_else(|| Transaction::opened(row)), repeat })
    }
}
