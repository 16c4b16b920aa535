//! AI Touch Value: what a creator is owed of a model's earnings, and the calculations that are kept.

use serde::{Deserialize, Serialize};

use crate::{Currency, Object, ObjectId, Timestamp};

/// One stored calculation. Amounts are decimal text here and Decimal128 at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calculation {
    pub id: ObjectId,
    pub user_id: ObjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<ObjectId>,
    /// Rounded to the minor unit.
    pub model_earnings: String,
    #[serde(default)]
    pub currency: Currency,
    /// 0 to 100.
    pub training_contribution_score: f64,
    /// 0 to 100.
    pub usage_exposure_score: f64,
    pub equity_factor: f64,
    pub calculated_value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_views: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    pub calculation_method: String,
    pub version: String,
    /// `manual`, `predicted` or `verified`.
    pub calculation_type: String,
    /// Of usage that partners report: `pending`, `settled` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default)]
    pub metadata: Object,
    pub timestamp: Timestamp,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
