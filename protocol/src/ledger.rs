//! The words of the ledger: accounts, journal rows, orders to a wallet and what became of them.
//!
//! The journal of a wallet is a chain of rows that are only ever added. Each row moves one amount between two accounts
//! and carries the wallet's balances after it, so the last row is the head of the wallet and all before it the proof.

mod account;
pub mod keys;
mod order;
mod row;
mod transaction;
mod wallet;

use serde::{Deserialize, Serialize};

pub use account::{Account, InvalidAccount};
pub use keys::{ClientKey, OrderKey};
pub use order::{Invalid, LedgerAnswer, Order, OrderKind, Outcome, Refusal};
pub use row::{Balances, Row, RowError};
pub use transaction::Transaction;
pub use wallet::{RECENT_MAX, Wallet};

/// What a transaction is for. Creators' wallets know the first five; the last two are of partners' wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionType {
    /// A share of what a model earned.
    Earning,
    /// Money that leaves the system for the creator's bank.
    Payout,
    /// A correction, up or down.
    Adjustment,
    Bonus,
    Refund,
    /// A partner pays in advance.
    Deposit,
    /// A partner owes a creator for usage.
    Spend,
}

impl TransactionType {
    pub fn as_str(self) -> &'static str {
        match self {
            TransactionType::Earning => "earning",
            TransactionType::Payout => "payout",
            TransactionType::Adjustment => "adjustment",
            TransactionType::Bonus => "bonus",
            TransactionType::Refund => "refund",
            TransactionType::Deposit => "deposit",
            TransactionType::Spend => "spend",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        use TransactionType::{Adjustment, Bonus, Deposit, Earning, Payout, Refund, Spend};
        [Earning, Payout, Adjustment, Bonus, Refund, Deposit, Spend].into_iter().find(|kind| kind.as_str() == word)
    }

    /// It takes money from the wallet: shown with a minus.
    pub fn is_outgoing(self) -> bool {
        matches!(self, TransactionType::Payout | TransactionType::Spend)
    }
}

/// `pending` ends once, in one of the other three, which are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionStatus {
    Pending,
    Completed,
    Failed,
    Cancelled,
}

impl TransactionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            TransactionStatus::Pending => "pending",
            TransactionStatus::Completed => "completed",
            TransactionStatus::Failed => "failed",
            TransactionStatus::Cancelled => "cancelled",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        use TransactionStatus::{Cancelled, Completed, Failed, Pending};
        [Pending, Completed, Failed, Cancelled].into_iter().find(|status| status.as_str() == word)
    }
}
