//! One transaction, under the names of all clients.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Number, Value};

use crate::http::object;
use crate::ledger::{Transaction, TransactionStatus, TransactionType};
use crate::{Currency, ObjectId, Timestamp};

#[derive(Debug, Serialize)]
pub struct TransactionView<'a> {
    id: ObjectId,
    transaction_id: ObjectId,
    user_id: ObjectId,
    amount: Number,
    currency: Currency,
    #[serde(rename = "type")]
    kind: &'static str,
    transaction_type: &'static str,
    status: TransactionStatus,
    /// Never empty.
    description: &'a str,
    asset_id: Option<ObjectId>,
    reference_id: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    created_at: Timestamp,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
}

impl<'a> From<&'a Transaction> for TransactionView<'a> {
    fn from(one: &'a Transaction) -> Self {
        let kind = shown_type(one.kind);
        Self {
            id: one.id,
            transaction_id: one.id,
            user_id: one.wallet_id,
            amount: one.amount.number(one.currency),
            currency: one.currency,
            kind,
            transaction_type: kind,
            status: one.status,
            description: match one.description.trim() {
                "" => kind,
                text => text,
            },
            asset_id: one.asset_id,
            reference_id: one.reference_id.as_deref(),
            metadata: &one.metadata,
            created_at: one.created_at,
            timestamp: one.created_at,
            processed_at: one.processed_at,
            completed_at: one.completed_at(),
        }
    }
}

/// The web client's page breaks at any word but these five.
pub fn shown_type(kind: TransactionType) -> &'static str {
    match kind {
        TransactionType::Deposit | TransactionType::Spend => TransactionType::Adjustment.as_str(),
        kind => kind.as_str(),
    }
}

/// A transaction flat and under `data`. `repeated` says that an earlier request had opened it.
pub fn transaction(one: &Transaction, repeated: bool) -> Value {
    let mut flat = object(&TransactionView::from(one));
    flat.insert("repeated".to_owned(), repeated.into());
    let mut body = flat.clone();
    body.insert("data".to_owned(), Value::Object(flat));
    Value::Object(body)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::Amount;

    pub fn sample(kind: TransactionType, minor: i64) -> Transaction {
        Transaction {
            id: ObjectId::generate(),
            wallet_id: ObjectId::generate(),
            ordinal: 1,
            kind,
            status: TransactionStatus::Completed,
            currency: Currency::Usd,
            amount: Amount::from_minor(minor).unwrap(),
            description: "one".to_owned(),
            asset_id: None,
            reference_id: None,
            metadata: BTreeMap::new(),
            created_at: Timestamp(1_000),
            processed_at: Some(Timestamp(2_000)),
            seq: 1,
        }
    }

    #[test]
    fn clients_get_words_they_know_and_signs_they_colour_by() {
        let view = |one: &Transaction| serde_json::to_value(TransactionView::from(one)).unwrap();
        let payout = view(&sample(TransactionType::Payout, -1_050));
        assert_eq!(payout["amount"].to_string(), "-10.5");
        assert_eq!((&payout["type"], &payout["transaction_type"]), (&"payout".into(), &"payout".into()));
        assert_eq!(payout["completed_at"], "1970-01-01T00:00:02.000Z");
        let mut odd = sample(TransactionType::Spend, -1);
        (odd.description, odd.status) = (" ".to_owned(), TransactionStatus::Failed);
        let odd = view(&odd);
        assert_eq!((&odd["type"], &odd["description"]), (&"adjustment".into(), &"adjustment".into()));
        assert!(odd.get("completed_at").is_none() && odd["processed_at"].is_string());
        assert_eq!((&odd["asset_id"], &odd["metadata"]), (&Value::Null, &serde_json::json!({})));
    }
}
