//! Calculations as clients see them.

use serde::Serialize;
use serde_json::{Number, Value, json};

use super::object;
use crate::analytics::{Calculation, Projection};
use crate::{Currency, Object, ObjectId, Timestamp};

/// One calculation, flat: a row of the history.
#[derive(Debug, Serialize)]
pub struct CalculationView<'a> {
    calculation_id: ObjectId,
    asset_id: Option<ObjectId>,
    user_id: ObjectId,
    calculated_value: Number,
    currency: Currency,
    equity_factor: f64,
    model_earnings: Number,
    training_contribution_score: f64,
    usage_exposure_score: f64,
    formula_breakdown: String,
    timestamp: Timestamp,
    calculation_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
}

impl<'a> CalculationView<'a> {
    pub fn new(calculation: &'a Calculation) -> Self {
        Self {
            calculation_id: calculation.id,
            asset_id: calculation.asset_id,
            user_id: calculation.user_id,
            calculated_value: number(&calculation.calculated_value),
            currency: calculation.currency,
            equity_factor: calculation.equity_factor,
            model_earnings: number(&calculation.model_earnings),
            training_contribution_score: calculation.training_contribution_score,
            usage_exposure_score: calculation.usage_exposure_score,
            formula_breakdown: calculation.breakdown(),
            timestamp: calculation.timestamp,
            calculation_type: &calculation.calculation_type,
            status: calculation.status.as_deref(),
        }
    }
}

/// Decimal text as a JSON number. Exact for amounts: 15 digits survive the trip through a double.
fn number(text: &str) -> Number {
    text.parse::<f64>().ok().and_then(Number::from_f64).unwrap_or_else(|| 0.into())
}

/// One calculation, flat with the breakdown as text, and under `data` with the breakdown as an object.
pub fn calculation_body(calculation: &Calculation) -> Value {
    #[derive(Serialize)]
    struct Document<'a> {
        calculation_id: ObjectId,
        asset_id: Option<ObjectId>,
        ai_touch_value: Number,
        calculated_value: Number,
        currency: Currency,
        formula_breakdown: Value,
        calculated_at: Timestamp,
        calculation_method: &'a str,
        calculation_type: &'a str,
        metadata: &'a Object,
    }
    let flat = CalculationView::new(calculation);
    let document = Document {
        calculation_id: calculation.id,
        asset_id: calculation.asset_id,
        ai_touch_value: flat.calculated_value.clone(),
        calculated_value: flat.calculated_value.clone(),
        currency: calculation.currency,
        formula_breakdown: json!({
            "model_earnings": flat.model_earnings,
            "training_contribution_score": flat.training_contribution_score,
            "usage_exposure_score": flat.usage_exposure_score,
            "equity_factor": flat.equity_factor,
            "calculation": flat.formula_breakdown,
        }),
        calculated_at: calculation.timestamp,
        calculation_method: &calculation.calculation_method,
        calculation_type: &calculation.calculation_type,
        metadata: &calculation.metadata,
    };
    let mut body = object(&flat);
    body.insert("data".to_owned(), Value::Object(object(&document)));
    Value::Object(body)
}

/// A projection of a value over periods.
#[derive(Debug, Serialize)]
pub struct ProjectionView {
    periods: Vec<PeriodView>,
    total_value: Number,
    currency: Currency,
}

#[derive(Debug, Serialize)]
struct PeriodView {
    period: u32,
    model_earnings: Number,
    calculated_value: Number,
    cumulative_value: Number,
}

impl ProjectionView {
    pub fn new(projection: &Projection, currency: Currency) -> Self {
        let period = |period: &crate::analytics::Period| PeriodView {
            period: period.number,
            model_earnings: period.earnings.number(currency),
            calculated_value: period.value.number(currency),
            cumulative_value: period.cumulative.number(currency),
        };
        let periods = projection.periods.iter().map(period).collect();
        Self { periods, total_value: projection.total.number(currency), currency }
    }
}
