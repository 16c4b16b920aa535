//! One row of a journal, and the hash that chains it to the one before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// [`Row::id_of`] wallet and `seq`: a journal in the order of `_id` is in the order of its chains.
    pub id: String,
    /// Of the rules by which rows are made and hashed.
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
}

impl Row {
    pub const VERSION: u32 = 1;
    /// `previous` of the first row.
    pub const GENESIS: &'static str = "0000000000000000000000000000000000000000000000000000000000000000";

    /// `{wallet_id}-{seq}` with 12 digits.
    pub fn id_of(wallet_id: ObjectId, seq: u64) -> String {
        format!("{wallet_id}-{seq:012}")
    }

    /// SHA-256, hex, over the row's JSON without `hash`: members in the order of this struct, those that are absent left
    /// out, no white space.
    pub fn digest(&self) -> String {
        let bare = Row { hash: String::new(), ..self.clone() };
        let json = serde_json::to_vec(&bare).unwrap_or_default();
        hex::encode(Sha256::digest(&json))
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
