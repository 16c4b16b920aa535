//! The document of a wallet: its head as the journal had it when it was last looked at, for people and tools that read
//! the database. Derived from the journal, and can be made again from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Balances, Row, Transaction};
use crate::{Amount, Currency, ObjectId, Timestamp};

/// Recent transactions in the document.
pub const RECENT_MAX: usize = 50;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wallet {
    pub id: ObjectId,
    /// The owner: a user, or a partner. Also the `wallet_id` of the journal.
    pub user_id: ObjectId,
    /// Row that was applied last; 0 before the first.
    pub last_seq: u64,
    /// Its hash.
    pub head_hash: String,
    pub balances: BTreeMap<Currency, Balances>,
    /// At most [`RECENT_MAX`], newest first.
    pub transactions: Vec<Transaction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_payout_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_payout_amount: Option<(Currency, Amount)>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Wallet {
    /// One that never held anything.
    pub fn empty(user_id: ObjectId, now: Timestamp) -> Self {
        Self {
            id: ObjectId::generate(),
            user_id,
            last_seq: 0,
            head_hash: Row::GENESIS.to_owned(),
            balances: BTreeMap::new(),
            transactions: Vec::new(),
            last_payout_at: None,
            last_payout_amount: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub fn in_currency(&self, currency: Currency) -> Balances {
        self.balances.get(&currency).copied().unwrap_or_default()
    }
}
