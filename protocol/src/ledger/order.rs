//! What can be asked of a wallet, and what the wallet says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Row, TransactionStatus};
use crate::{Amount, Currency, ObjectId};

/// One thing asked of one wallet. The same `key` is the same thing, for ever: asked again, it is answered with what it
/// came to at first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub wallet_id: ObjectId,
    /// At most [`Order::KEY_BYTES_MAX`]. Its forms are those of [`super::OrderKey`].
    pub key: String,
    /// Id of the user or partner who asks.
    pub asked_by: ObjectId,
    pub kind: OrderKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Opens a pending earning against a partner's clearing account.
    Earn {
        partner_id: ObjectId,
        amount: Amount,
        currency: Currency,
        asset_id: ObjectId,
        /// The usage event.
        reference_id: String,
        description: String,
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    },
    /// Sets a sum aside to be paid out.
    Payout {
        amount: Amount,
        currency: Currency,
        description: String,
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    },
    /// Corrects the wallet by an amount with sign.
    Adjust {
        amount: Amount,
        currency: Currency,
        description: String,
    },
    Bonus {
        amount: Amount,
        currency: Currency,
        description: String,
    },
    Refund {
        amount: Amount,
        currency: Currency,
        description: String,
    },
    /// Of a partner: money came in.
    Deposit {
        amount: Amount,
        currency: Currency,
        description: String,
    },
    /// Of a partner: sets aside what a usage event costs. `overdraft` is the credit limit.
    Reserve {
        amount: Amount,
        currency: Currency,
        overdraft: Amount,
        asset_id: ObjectId,
        /// The usage event.
        reference_id: String,
        description: String,
    },
    /// Ends a pending transaction of this wallet.
    Resolve {
        transaction_id: ObjectId,
        outcome: Outcome,
        reason: String,
        /// What it is known by outside, such as a bank's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
}

/// How a pending transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Completed,
    Failed,
    Cancelled,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        TransactionStatus::from(self).as_str()
    }

    pub fn parse(word: &str) -> Option<Self> {
        use Outcome::{Cancelled, Completed, Failed};
        [Completed, Failed, Cancelled].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl From<Outcome> for TransactionStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => TransactionStatus::Completed,
            Outcome::Failed => TransactionStatus::Failed,
            Outcome::Cancelled => TransactionStatus::Cancelled,
        }
    }
}

impl Order {
    pub const KEY_BYTES_MAX: usize = 300;

    /// SHA-256, hex, of what is asked: what must not change under the same key. Who asks may change, when others go on
    /// with what somebody began, and so may the credit limit, which is not part of what is asked.
    pub fn request_hash(&self) -> String {
        let mut kind = self.kind.clone();
        if let OrderKind::Reserve { overdraft, .. } = &mut kind {
            *overdraft = Amount::ZERO;
        }
        let json = serde_json::to_vec(&kind).unwrap_or_default();
        hex::encode(Sha256::digest(&json))
    }

    /// Label of metrics.
    pub fn name(&self) -> &'static str {
        match self.kind {
            OrderKind::Earn { .. } => "earn",
            OrderKind::Payout { .. } => "payout",
            OrderKind::Adjust { .. } => "adjust",
            OrderKind::Bonus { .. } => "bonus",
            OrderKind::Refund { .. } => "refund",
            OrderKind::Deposit { .. } => "deposit",
            OrderKind::Reserve { .. } => "reserve",
            OrderKind::Resolve { .. } => "resolve",
        }
    }

    /// The transaction that this order opens: the same for every attempt, on every node.
    pub fn transaction_id(&self) -> ObjectId {
        Self::transaction_of(self.wallet_id, &self.key)
    }

    /// The transaction that an order with this key opens in this wallet.
    pub fn transaction_of(wallet_id: ObjectId, key: &str) -> ObjectId {
        ObjectId::derived(&["transaction", &wallet_id.to_hex(), key])
    }

    /// The transaction that this order is about.
    pub fn subject(&self) -> ObjectId {
        match &self.kind {
            OrderKind::Resolve { transaction_id, .. } => *transaction_id,
            _ => self.transaction_id(),
        }
    }
}

/// What an order came to. Both are final answers; that the store did not answer is no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerAnswer {
    /// It is in the journal, for good.
    Committed {
        row: Box<Row>,
        /// It was there before: an earlier attempt wrote it.
        repeat: bool,
    },
    /// Nothing was written.
    Refused(Refusal),
}

/// Why a wallet does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// `available` is what could be used, credit included.
    #[error("insufficient funds")]
    Insufficient { available: Amount },
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("a request with this idempotency key is being worked on")]
    InFlight,
    #[error("no such transaction")]
    UnknownTransaction,
    /// It has ended already, otherwise than asked for.
    #[error("the transaction is {}", .0.as_str())]
    Ended(TransactionStatus),
    /// A balance would leave the bounds of amounts.
    #[error("a balance would have more than 15 digits")]
    TooLarge,
    /// The order makes no sense: an amount that is not positive, a text that is too long.
    #[error("invalid order: {0}")]
    Invalid(Invalid),
}

/// What makes no sense in an order. On the wire it is its sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Invalid {
    #[error("the idempotency key must have 1 to 300 bytes")]
    Key,
    #[error("the amount must be greater than zero")]
    Amount,
    #[error("the description must have 1 to 500 characters")]
    Description,
    #[error("the reference must have at most 200 characters")]
    Reference,
    #[error("a credit limit is not negative")]
    CreditLimit,
    #[error("the metadata is too large")]
    Metadata,
    /// Said by a member of another version.
    #[error("{0}")]
    Other(String),
}

impl Invalid {
    const ALL: [Invalid; 6] = [
        Invalid::Key,
        Invalid::Amount,
        Invalid::Description,
        Invalid::Reference,
        Invalid::CreditLimit,
        Invalid::Metadata,
    ];

    /// The member of a request that it is about, as clients name it.
    pub fn member(&self) -> &'static str {
        match self {
            Invalid::Key => super::ClientKey::HEADER,
            Invalid::Amount => "amount",
            Invalid::Description => "description",
            Invalid::Reference => "reference",
            Invalid::CreditLimit => "credit_limits",
            Invalid::Metadata => "metadata",
            Invalid::Other(_) => "body",
        }
    }
}

impl From<String> for Invalid {
    fn from(sentence: String) -> Self {
        Self::ALL.into_iter().find(|known| known.to_string() == sentence).unwrap_or(Self::Other(sentence))
    }
}

impl From<Invalid> for String {
    fn from(invalid: Invalid) -> Self {
        invalid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invalid_travels_as_its_sentence() {
        for (invalid, sentence, member) in [
            (Invalid::Key, "the idempotency key must have 1 to 300 bytes", "Idempotency-Key"),
            (Invalid::Amount, "the amount must be greater than zero", "amount"),
            (Invalid::Description, "the description must have 1 to 500 characters", "description"),
            (Invalid::Reference, "the reference must have at most 200 characters", "reference"),
            (Invalid::CreditLimit, "a credit limit is not negative", "credit_limits"),
            (Invalid::Metadata, "the metadata is too large", "metadata"),
            (Invalid::Other("it is Sunday".to_owned()), "it is Sunday", "body"),
        ] {
            let refusal = Refusal::Invalid(invalid.clone());
            let json = format!(r#"{{"invalid":"{sentence}"}}"#);
            assert_eq!(serde_json::to_string(&refusal).unwrap(), json);
            assert_eq!(serde_json::from_str::<Refusal>(&json).unwrap(), refusal);
            assert_eq!((refusal.to_string(), invalid.member()), (format!("invalid order: {sentence}"), member));
        }
    }
}
