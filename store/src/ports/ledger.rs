//! Journals of wallets, and what is derived from them.
//!
//! The journal is the truth: rows are only added, and unique indexes (`wallet_id` + `seq`, `wallet_id` +
//! `idempotency_key`, `resolves`) decide between two writers. Transactions and wallet documents are views, which
//! [`Ledger::project`] brings up to date; whoever finds them behind may do so, as often as it likes.

use async_trait::async_trait;
use metastamp_protocol::ledger::{Row, Transaction, TransactionStatus, TransactionType, Wallet};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};

use crate::{Result, StoreError};

/// Rows in one call of [`Ledger::commit`].
pub const COMMIT_ROWS_MAX: usize = 256;
/// Rows or transactions in one answer; whoever asks for more is told so with `Limit`.
pub const PAGE_ROWS_MAX: u32 = 10_000;

/// What the journal of one wallet says, all that is needed to decide on a group of orders.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The last row.
    pub head: Option<Row>,
    /// Rows with one of the keys asked for.
    pub by_key: Vec<Row>,
    /// Rows of the transactions asked for, opening and end.
    pub of_transactions: Vec<Row>,
}

/// Filters combine with AND.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryQuery {
    /// `None`: of all wallets.
    pub wallet_id: Option<ObjectId>,
    pub kind: Option<TransactionType>,
    pub status: Option<TransactionStatus>,
    pub currency: Option<Currency>,
    /// Opened at or after.
    pub from: Option<Timestamp>,
    /// Opened at or before.
    pub to: Option<Timestamp>,
}

impl HistoryQuery {
    /// All of one wallet: what its head knows the sums of.
    pub fn is_unfiltered(&self) -> bool {
        let all = HistoryQuery { wallet_id: self.wallet_id, ..HistoryQuery::default() };
        self.wallet_id.is_some() && *self == all
    }

    /// The wallet; `Internal` when all are asked for where it must be one.
    pub(crate) fn of_one_wallet(&self) -> Result<ObjectId> {
        self.wallet_id.ok_or_else(|| StoreError::Internal("this history is of one wallet only".to_owned()))
    }
}

/// Completed transactions that match, of one kind and currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub kind: TransactionType,
    pub currency: Currency,
    /// With sign, as [`Transaction::amount`].
    pub amount: Amount,
}

#[derive(Debug, Clone, Default)]
pub struct HistoryPage {
    /// Newest first, in the order of their ordinals; over all wallets by time and id.
    pub items: Vec<Transaction>,
    /// All that match.
    pub total: u64,
    /// In the order of kind and currency; none that is zero, and none at all over all wallets. Sums that are beyond the
    /// bounds of amounts are told as the bound: a history must be readable whatever its sums are.
    pub sums: Vec<Sum>,
}

#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// One look at a journal, for those who want to write to it. At most [`COMMIT_ROWS_MAX`] keys and transactions.
    async fn look(&self, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Result<Look>;
    /// Adds rows of one wallet, in order, durable at a majority when it answers. `Fenced` when another writer was there
    /// first: then a prefix may have been written, as it may when the store does not answer. Look before you try again.
    async fn commit(&self, rows: Vec<Row>) -> Result<()>;
    /// The last row of a journal.
    async fn head(&self, wallet_id: ObjectId) -> Result<Option<Row>>;
    /// Rows after `seq`, in order.
    async fn rows_after(&self, wallet_id: ObjectId, seq: u64, limit: u32) -> Result<Vec<Row>>;
    /// The last row written before `at`.
    async fn row_before(&self, wallet_id: ObjectId, at: Timestamp) -> Result<Option<Row>>;

    /// The document of a wallet; makes an empty one if there is none.
    async fn wallet(&self, user_id: ObjectId, now: Timestamp) -> Result<Wallet>;
    /// Brings transactions and document of a wallet up to its journal's last row. Safe for several to do at once.
    async fn project(&self, wallet_id: ObjectId) -> Result<()>;
    /// Makes both anew from the journal, whatever they said. Returns the rows there were.
    async fn rebuild(&self, wallet_id: ObjectId) -> Result<u64>;
    async fn transaction(&self, id: ObjectId) -> Result<Option<Transaction>>;
    /// One page, with how many there are and, of one wallet, their sums.
    async fn history(&self, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage>;
    /// The next transactions of one wallet below an ordinal, newest first: for exports.
    async fn history_below(&self, query: &HistoryQuery, ordinal: u64, limit: u32) -> Result<Vec<Transaction>>;
}
