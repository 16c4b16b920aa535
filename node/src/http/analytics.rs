//! AI Touch Value: calculate, look back, look ahead.

mod fields;

use std::sync::Arc;

use http::HeaderValue;
use metastamp_protocol::analytics::{Calculation, CreatorMetrics, Projection, Terms};
use metastamp_protocol::http::{CalculationView, FieldErrors, ProjectionView, calculation_body, enveloped};
use metastamp_protocol::money::AmountError;
use metastamp_protocol::{Currency, ObjectId, Timestamp, User};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::fields::Fields;
use super::auth::caller;
use super::error::{ApiError, Result};
use super::request::{Request, borrowed, object_id};
use super::response::{self, Response};
use crate::app::App;

const LIMIT_MAX: u64 = 100;
/// Nobody has more calculations than this.
const OFFSET_MAX: u64 = 1_000_000_000;

/// What a score is derived from when it is left out.
const METRICS: &str = "is required, unless metadata or creator_metrics has followers, content_hours, total_views and \
                       platform";

/// Numbers stay the text that they came as.
#[derive(Deserialize)]
struct PredictRequest<'a> {
    #[serde(borrow, default)]
    model_earnings: Option<&'a RawValue>,
    #[serde(borrow, default)]
    training_contribution_score: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage_exposure_score: Option<&'a RawValue>,
    #[serde(borrow, default)]
    asset_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    creator_metrics: Option<&'a RawValue>,
}

pub async fn predict(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let body = request.body.read_small().await?;
    let asked: PredictRequest = borrowed(&body)?;
    let asset_id = asked.asset_id;
    let mut calculation = calculated(&caller.user, asked)?;
    if let Some(asset_id) = asset_id {
        calculation.asset_id = Some(own_asset(app, &caller.user, asset_id).await?);
    }
    app.documents.put_calculation(&calculation).await?;
    Ok(response::json(200, &calculation_body(&calculation)))
}

/// The calculation that is asked for, or all that is wrong with what was asked.
fn calculated(user: &User, asked: PredictRequest) -> Result<Calculation> {
    let mut fields = Fields::default();
    let metadata = fields.object("metadata", asked.metadata);
    let contribution = fields.score("training_contribution_score", asked.training_contribution_score);
    let exposure = fields.score("usage_exposure_score", asked.usage_exposure_score);
    let derived = contribution.is_none() || exposure.is_none();
    // Where no score depends on them, metrics are free members like any other.
    let mut unused = Fields::default();
    let judge = if derived { &mut fields } else { &mut unused };
    let metrics = [("creator_metrics", asked.creator_metrics), ("metadata", asked.metadata)];
    let metrics = metrics.into_iter().find_map(|(name, raw)| judge.metrics(name, raw));
    let contribution = contribution.or_else(|| metrics.as_ref().map(CreatorMetrics::contribution));
    let exposure = exposure.or_else(|| metrics.as_ref().map(CreatorMetrics::exposure));
    for (name, score) in [("training_contribution_score", &contribution), ("usage_exposure_score", &exposure)] {
        if score.is_none() {
            fields.missing(name, METRICS);
        }
    }
    let terms = fields.terms(asked.model_earnings, contribution, exposure);
    let terms = fields.done(terms)?;
    let now = Timestamp::now();
    let calculation = Calculation::of(ObjectId::generate(), user.id, &terms, now);
    let mut calculation = calculation.map_err(|error| ApiError::field("model_earnings", error.to_string()))?;
    calculation.metadata = metadata.unwrap_or_default();
    if let Some(metrics) = metrics {
        calculation.note_metrics(metrics);
    }
    if derived {
        calculation.calculation_type = "predicted".to_owned();
        calculation.metadata.insert("prediction_method".to_owned(), CreatorMetrics::METHOD.into());
    }
    Ok(calculation)
}

/// Someone else's asset is as unknown as one that is not there.
async fn own_asset(app: &App, user: &User, raw: &RawValue) -> Result<ObjectId> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| ApiError::field("asset_id", "must be a string"))?;
    let asset = app.documents.asset(object_id(&text)?).await?;
    let asset = asset.filter(|asset| asset.user_id == user.id).ok_or_else(|| ApiError::not_found("Asset"))?;
    Ok(asset.id)
}

pub async fn history(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let pairs = request.query_pairs();
    let (limit, offset) = window(&pairs)?;
    let asset_id = pairs.iter().find(|(name, _)| name == "asset_id").map(|(_, id)| object_id(id)).transpose()?;
    let (items, total) = app.documents.calculations(caller.user.id, asset_id, offset, limit).await?;
    let rows: Vec<_> = items.iter().map(CalculationView::new).collect();
    let mut response = response::json(200, &rows);
    response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    Ok(response)
}

/// Limit and offset. What is out of bounds is a 400 here, as older clients expect.
fn window(pairs: &[(String, String)]) -> Result<(u32, u64)> {
    let mut errors = FieldErrors::new();
    let mut number = |name: &str, default: u64, min: u64, max: u64| {
        let Some((_, text)) = pairs.iter().find(|(n, _)| n == name) else { return default };
        match text.parse::<u64>() {
            Ok(n) if (min..=max).contains(&n) => n,
            _ => {
                errors.insert(name.to_owned(), vec![format!("must be a whole number from {min} to {max}")]);
                default
            }
        }
    };
    let (limit, offset) = (number("limit", 10, 1, LIMIT_MAX), number("offset", 0, 0, OFFSET_MAX));
    if errors.is_empty() { Ok((limit as u32, offset)) } else { Err(ApiError::fields(errors).status(400)) }
}

pub async fn by_id(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let found = app.documents.calculation(object_id(id)?).await?;
    let calculation = found.filter(|calculation| calculation.user_id == caller.user.id);
    let calculation = calculation.ok_or_else(|| ApiError::not_found("Calculation"))?;
    Ok(response::json(200, &calculation_body(&calculation)))
}

#[derive(Deserialize)]
struct ProjectRequest<'a> {
    #[serde(borrow, default)]
    model_earnings: Option<&'a RawValue>,
    #[serde(borrow, default)]
    training_contribution_score: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage_exposure_score: Option<&'a RawValue>,
    #[serde(borrow, default)]
    periods: Option<&'a RawValue>,
    #[serde(borrow, default)]
    growth_rate: Option<&'a RawValue>,
}

/// Nothing is stored.
pub async fn project(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    caller(app, request).await?;
    let body = request.body.read_small().await?;
    let projection = projected(borrowed(&body)?)?;
    Ok(response::json(200, &enveloped(&ProjectionView::new(&projection, Currency::Usd))))
}

fn projected(asked: ProjectRequest) -> Result<Projection> {
    let mut fields = Fields::default();
    let contribution = fields.score("training_contribution_score", asked.training_contribution_score);
    let exposure = fields.score("usage_exposure_score", asked.usage_exposure_score);
    for (name, score) in [("training_contribution_score", &contribution), ("usage_exposure_score", &exposure)] {
        if score.is_none() {
            fields.missing(name, "is required");
        }
    }
    let periods = fields.periods("periods", asked.periods);
    let growth = fields.growth("growth_rate", asked.growth_rate);
    let terms = fields.terms(asked.model_earnings, contribution, exposure);
    let terms: Terms = fields.done(terms)?;
    metastamp_protocol::analytics::project(&terms, periods, &growth.unwrap_or_default()).map_err(|error| match error {
        AmountError::TooLarge => ApiError::field("growth_rate", "lets the sums grow beyond 9999999999999.99"),
        error => ApiError::field("model_earnings", error.to_string()),
    })
}

#[cfg(test)]
mod tests;
