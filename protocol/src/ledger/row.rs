//! One row of a journal, and the hash that chains it to the one before.

mod canonical;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::read::RowError;

use super::{Account, TransactionStatus, TransactionType};
use crate::{Amount, Currency, ObjectId, Timestamp};

/// What a wallet holds in one currency. All but `available` of a partner are never negative, and
/// `available + held = earned + adjusted + deposited - paid_out - spent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Balances {
    /// Free to be used.
    pub available: Amount,
    /// Set aside for payouts that are under way, or for usage that is not settled.
    pub held: Amount,
    /// Earnings that are not settled.
    pub pending: Amount,
    /// Completed earnings.
    pub earned: Amount,
    /// Completed payouts.
    pub paid_out: Amount,
    /// Completed bonuses, refunds and adjustments, as a sum with sign.
    pub adjusted: Amount,
    /// Of a partner: paid in.
    #[serde(skip_serializing_if = "Amount::is_zero")]
    pub deposited: Amount,
    /// Of a partner: completed spending.
    #[serde(skip_serializing_if = "Amount::is_zero")]
    pub spent: Amount,
}

impl Balances {
    /// What is booked, holds included: `balance` of the HTTP contract.
    pub fn posted(&self) -> Option<Amount> {
        self.available.plus(self.held)
    }
}

/// One row: written once, never changed. Rows of a wallet are numbered from 1 without a gap.
///
/// Its JSON is what is hashed (docs/LEDGER.md): a member that is renamed, or comes to be written where it was left out,
/// changes hashes, and needs another version. The vectors in `protocol/golden/journal` hold that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// [`Row::id_of`] wallet and `seq`: a journal in the order of `_id` is in the order of its chains.
    pub id: String,
    /// Of the rules by which rows are made and hashed: 1 to [`Row::VERSION`].
    pub version: u32,
    pub wallet_id: ObjectId,
    pub seq: u64,
    /// When it was written, by the writer's clock; never before the row before.
    pub at: Timestamp,
    pub transaction_id: ObjectId,
    /// Number of the transaction within the wallet, from 1.
    pub ordinal: u64,
    /// Transactions of the wallet so far.
    pub transactions: u64,
    pub kind: TransactionType,
    /// What the transaction is from this row on.
    pub status: TransactionStatus,
    /// The transaction that this row ends: `transaction_id` again, or nothing. Unique, so that nothing ends twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolves: Option<ObjectId>,
    pub currency: Currency,
    /// What moves from `debit` to `credit`; greater than zero.
    pub amount: Amount,
    pub debit: Account,
    pub credit: Account,
    /// How far below zero `available` may go by this row: the credit limit of a partner.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub overdraft: Amount,
    /// 1 to 500 characters.
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<ObjectId>,
    /// What it belongs to outside of the ledger: a usage event, a bank's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Unique within the wallet, for ever.
    pub idempotency_key: String,
    /// SHA-256 of what was asked for, hex: the same key may not mean something else.
    pub request_hash: String,
    /// Who asked: an id of a user or partner.
    pub asked_by: ObjectId,
    /// Of the wallet after this row, for every currency that it ever held.
    pub balances: BTreeMap<Currency, Balances>,
    /// The write that brought it in, together with its neighbours of the same batch.
    pub batch: ObjectId,
    /// The node that wrote it, with its generation.
    pub writer: String,
    /// Hash of the row before; 64 zeros at the beginning.
    pub previous: String,
    /// [`Row::digest`], hex.
    pub hash: String,
    /// Members that this software has no use for. They are kept, because they are hashed with the rest.
    #[serde(flatten, deserialize_with = "read::other")]
    pub other: BTreeMap<String, Value>,
}

impl Row {
    /// The newest version that this software reads. What is written follows the members of the cluster:
    /// [`row_version`](crate::cluster::wire::row_version).
    pub const VERSION: u32 = 2;
    /// `previous` of the first row.
    pub const GENESIS: &'static str = "0000000000000000000000000000000000000000000000000000000000000000";
    /// The last row that a journal may have: as many as an id has digits for.
    pub const SEQ_MAX: u64 = 999_999_999_999;

    /// `{wallet_id}-{seq}` with 12 digits.
    pub fn id_of(wallet_id: ObjectId, seq: u64) -> String {
        format!("{wallet_id}-{seq:012}")
    }

    /// The wallet and number that the id of a row names; `None` for what [`Row::id_of`] does not make.
    pub fn place(id: &str) -> Option<(ObjectId, u64)> {
        let (wallet, seq) = id.split_once('-')?;
        let (wallet_id, seq) = (wallet.parse().ok()?, seq.parse().ok()?);
        let is_place = (1..=Self::SEQ_MAX).contains(&seq) && Self::id_of(wallet_id, seq) == id;
        is_place.then_some((wallet_id, seq))
    }

    /// SHA-256, hex, over the row's JSON without `hash`, by the formula of its version (docs/LEDGER.md).
    pub fn digest(&self) -> String {
        canonical::digest(self)
    }

    /// The row as text, as it is kept: what is hashed, with the hash in its place.
    ///
    /// # Errors
    /// None that a row can cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        canonical::text(self)
    }

    /// The row with its hash.
    pub fn sealed(mut self) -> Self {
        self.hash = self.digest();
        self
    }

    pub fn is_opening(&self) -> bool {
        self.resolves.is_none()
    }
}

#[cfg(test)]
mod tests;
