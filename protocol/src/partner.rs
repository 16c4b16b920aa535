//! Partners: who reports usage, and pays for it. Their API keys, and the usage events they report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::analytics::{Calculation, EQUITY_FACTOR};
use crate::ledger::{Order, OrderKey};
use crate::{Amount, Currency, Object, ObjectId, Timestamp};

/// Who pays. Its wallet has the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partner {
    pub id: ObjectId,
    /// 1 to 100 characters, unique.
    pub name: String,
    /// How far below zero its wallet may go; nothing where only what was paid in may be spent.
    #[serde(default)]
    pub credit_limits: BTreeMap<Currency, Amount>,
    pub is_active: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Partner {
    pub fn credit_limit(&self, currency: Currency) -> Amount {
        self.credit_limits.get(&currency).copied().unwrap_or_default()
    }
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Report usage and look at what was reported.
    #[serde(rename = "usage:write")]
    UsageWrite,
    /// Settle and cancel it.
    #[serde(rename = "usage:settle")]
    UsageSettle,
}

impl Scope {
    pub const ALL: [Scope; 2] = [Scope::UsageWrite, Scope::UsageSettle];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::UsageWrite => "usage:write",
            Scope::UsageSettle => "usage:settle",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// One key of a partner. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ObjectId,
    pub partner_id: ObjectId,
    /// 1 to 100 characters.
    pub name: String,
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret, hex. The secret is random and long, so a slow hash would buy nothing.
    pub secret_hash: String,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Where a usage event stands. The words in brackets are steps under way, which go on by themselves if whoever took
/// them dies.
///
/// ```text
/// (received) -> pending -> (settling) -> settled
///      |           +-----> (cancelling) -> cancelled
///      +-> rejected: the partner can't pay; sent again, it is tried again
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageStatus {
    Received,
    Pending,
    Settling,
    Settled,
    Cancelling,
    Cancelled,
    Rejected,
}

impl UsageStatus {
    pub const ALL: [UsageStatus; 7] = [
        UsageStatus::Received,
        UsageStatus::Pending,
        UsageStatus::Settling,
        UsageStatus::Settled,
        UsageStatus::Cancelling,
        UsageStatus::Cancelled,
        UsageStatus::Rejected,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            UsageStatus::Received => "received",
            UsageStatus::Pending => "pending",
            UsageStatus::Settling => "settling",
            UsageStatus::Settled => "settled",
            UsageStatus::Cancelling => "cancelling",
            UsageStatus::Cancelled => "cancelled",
            UsageStatus::Rejected => "rejected",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Somebody is at it, or died over it.
    pub fn is_under_way(self) -> bool {
        matches!(self, UsageStatus::Received | UsageStatus::Settling | UsageStatus::Cancelling)
    }
}

/// "Model M earned E in period P and used asset A with contribution C and exposure X."
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageEvent {
    /// [`UsageEvent::id_of`] partner and key: sent again, it is found again.
    pub id: ObjectId,
    pub partner_id: ObjectId,
    pub idempotency_key: String,
    /// SHA-256 of what was reported, hex.
    pub request_hash: String,
    /// User or API key that reported it.
    pub reported_by: ObjectId,
    pub model: String,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    pub asset_id: ObjectId,
    /// Owner of the asset when it was reported: whom the earning is owed to.
    pub user_id: ObjectId,
    pub currency: Currency,
    pub earnings: Amount,
    /// 0 to 100.
    pub contribution: f64,
    /// 0 to 100.
    pub exposure: f64,
    /// What is owed. Zero moves no money.
    pub value: Amount,
    pub status: UsageStatus,
    /// Why it was rejected or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Unless it is settled before, it is cancelled then, by the store's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Who is at it: a token that is new for every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<ObjectId>,
    /// Until then nobody else goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was settled or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl UsageEvent {
    pub fn id_of(partner_id: ObjectId, idempotency_key: &str) -> ObjectId {
        ObjectId::derived(&["usage", &partner_id.to_hex(), idempotency_key])
    }

    /// Key of the orders that open its two transactions.
    pub fn order_key(&self) -> String {
        OrderKey::Usage(self.id).to_string()
    }

    /// The transaction in the creator's wallet. `None` as long as there is none, and when nothing is owed.
    pub fn transaction_id(&self) -> Option<ObjectId> {
        let has_begun = !matches!(self.status, UsageStatus::Received | UsageStatus::Rejected);
        (has_begun && !self.value.is_zero()).then(|| Order::transaction_of(self.user_id, &self.order_key()))
    }

    /// The calculation that is kept of it, under the same id. `None` before it is pending, and when it was rejected.
    pub fn calculation(&self) -> Option<Calculation> {
        let status = match self.status {
            UsageStatus::Pending | UsageStatus::Settling | UsageStatus::Cancelling => "pending",
            UsageStatus::Settled => "settled",
            UsageStatus::Cancelled => "cancelled",
            UsageStatus::Received | UsageStatus::Rejected => return None,
        };
        Some(self.calculated(status))
    }

    /// How its value comes about, as people read it.
    pub fn formula(&self) -> String {
        self.calculated("pending").breakdown()
    }

    fn calculated(&self, status: &str) -> Calculation {
        let metadata = json!({
            "model": self.model, "usage_id": self.id, "period_start": self.period_start, "period_end": self.period_end,
        });
        Calculation {
            id: self.id,
            user_id: self.user_id,
            asset_id: Some(self.asset_id),
            model_earnings: self.earnings.text(self.currency),
            currency: self.currency,
            training_contribution_score: self.contribution,
            usage_exposure_score: self.exposure,
            equity_factor: EQUITY_FACTOR,
            calculated_value: self.value.text(self.currency),
            followers_count: None,
            content_hours: None,
            total_views: None,
            platform: None,
            calculation_method: "standard".to_owned(),
            version: "1.0".to_owned(),
            calculation_type: "verified".to_owned(),
            status: Some(status.to_owned()),
            metadata: metadata.as_object().cloned().unwrap_or_else(Object::new),
            timestamp: self.created_at,
            created_at: self.created_at,
            expires_at: None,
        }
    }
}

/// Hex SHA-256 of an API key's secret.
pub fn secret_hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
