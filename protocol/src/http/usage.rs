//! Usage events as partners and administrators see them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use crate::analytics::EQUITY_FACTOR;
use crate::partner::UsageEvent;
use crate::{Currency, ObjectId, Timestamp};

#[derive(Debug, Serialize)]
pub struct UsageView<'a> {
    id: ObjectId,
    usage_id: ObjectId,
    /// `processing` while a step is under way.
    status: &'static str,
    partner_id: ObjectId,
    asset_id: ObjectId,
    user_id: ObjectId,
    model: &'a str,
    period_start: Timestamp,
    period_end: Timestamp,
    model_earnings: Number,
    training_contribution_score: f64,
    usage_exposure_score: f64,
    equity_factor: f64,
    value: Number,
    currency: Currency,
    formula_breakdown: String,
    /// Null until the value is reserved, and when the partner could not pay.
    calculation_id: Option<ObjectId>,
    /// In the wallet of the creator. Null as long as there is none, and when nothing is owed.
    transaction_id: Option<ObjectId>,
    idempotency_key: &'a str,
    reason: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// The answer is to a request that was sent before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

impl<'a> From<&'a UsageEvent> for UsageView<'a> {
    fn from(event: &'a UsageEvent) -> Self {
        Self {
            id: event.id,
            usage_id: event.id,
            status: if event.status.is_under_way() { "processing" } else { event.status.as_str() },
            partner_id: event.partner_id,
            asset_id: event.asset_id,
            user_id: event.user_id,
            model: &event.model,
            period_start: event.period_start,
            period_end: event.period_end,
            model_earnings: event.earnings.number(event.currency),
            training_contribution_score: event.contribution,
            usage_exposure_score: event.exposure,
            equity_factor: EQUITY_FACTOR,
            value: event.value.number(event.currency),
            currency: event.currency,
            formula_breakdown: event.formula(),
            calculation_id: event.calculation().map(|calculation| calculation.id),
            transaction_id: event.transaction_id(),
            idempotency_key: &event.idempotency_key,
            reason: event.reason.as_deref(),
            metadata: &event.metadata,
            created_at: event.created_at,
            updated_at: event.updated_at,
            ended_at: event.ended_at,
            expires_at: event.expires_at,
            repeated: false,
        }
    }
}

impl UsageView<'_> {
    pub fn repeated(self, repeated: bool) -> Self {
        Self { repeated, ..self }
    }
}
