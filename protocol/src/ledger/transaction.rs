//! A transaction as people see it: what its rows add up to. Derived from the journal, and can be made again from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Row, TransactionStatus, TransactionType};
use crate::{Amount, Currency, ObjectId, Timestamp};

/// Member of the metadata that says why a transaction ended as it did: the description of the row that ended it.
const END_REASON: &str = "end_reason";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    pub id: ObjectId,
    pub wallet_id: ObjectId,
    /// From 1 within the wallet; the order of opening.
    pub ordinal: u64,
    #[serde(rename = "type")]
    pub kind: TransactionType,
    pub status: TransactionStatus,
    pub currency: Currency,
    /// With sign: what leaves the wallet is negative.
    pub amount: Amount,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<ObjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    pub created_at: Timestamp,
    /// When it ended, however it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_at: Option<Timestamp>,
    /// Row that was applied last.
    pub seq: u64,
}

impl Transaction {
    /// The transaction that an opening row makes.
    pub fn opened(row: &Row) -> Self {
        let outgoing = matches!(row.debit, super::Account::Available(id) if id == row.wallet_id);
        Self {
            id: row.transaction_id,
            wallet_id: row.wallet_id,
            ordinal: row.ordinal,
            kind: row.kind,
            status: row.status,
            currency: row.currency,
            amount: if outgoing { row.amount.negated() } else { row.amount },
            description: row.description.clone(),
            asset_id: row.asset_id,
            reference_id: row.reference_id.clone(),
            metadata: row.metadata.clone(),
            created_at: row.at,
            processed_at: (row.status != TransactionStatus::Pending).then_some(row.at),
            seq: row.seq,
        }
    }

    /// What it is after a row that ends it. Rows that were applied before change nothing.
    pub fn apply(&mut self, row: &Row) {
        if row.seq <= self.seq || row.transaction_id != self.id {
            return;
        }
        self.status = row.status;
        self.processed_at = Some(row.at);
        self.metadata.insert(END_REASON.to_owned(), row.description.clone());
        if row.reference_id.is_some() {
            self.reference_id.clone_from(&row.reference_id);
        }
        self.seq = row.seq;
    }

    /// When it was completed, if it was.
    pub fn completed_at(&self) -> Option<Timestamp> {
        self.processed_at.filter(|_| self.status == TransactionStatus::Completed)
    }
}
