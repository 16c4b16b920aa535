//! AI Touch Value: calculate, look back, look ahead.

use std::sync::Arc;

use metastamp_protocol::analytics::CreatorMetrics;
use metastamp_protocol::http::{CalculationView, ProjectionView, calculation_body, enveloped};
use metastamp_protocol::{Currency, ObjectId};
use metastamp_service::Caller;
use metastamp_service::analytics::{Forecast, Prediction};

use super::error::{Error, Result};
use super::read::{Fields, Params, metrics_of};
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

const LIMIT_MAX: u64 = 100;
/// Nobody has more calculations than this.
const OFFSET_MAX: u64 = 1_000_000_000;

/// What a score is derived from when it is left out.
const METRICS: &str = "is required, unless metadata or creator_metrics has followers, content_hours, total_views and \
                       platform";

pub async fn predict(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let fields = request.fields().await?;
    let asset_id = fields.raw("asset_id").map(str::to_owned);
    let prediction = prediction(fields)?;
    let asset_id = asset_id.map(|raw| id_of_text(&raw)).transpose()?;
    let calculation = app.service.analytics.predict(&caller, Prediction { asset_id, ..prediction }).await?;
    Ok(response::json(200, &calculation_body(&calculation)))
}

/// What is to be calculated, but for the asset, or all that is wrong with what was asked.
fn prediction(mut fields: Fields) -> Result<Prediction> {
    let metadata = fields.object("metadata");
    let contribution = fields.score("training_contribution_score");
    let exposure = fields.score("usage_exposure_score");
    let derived = contribution.is_none() || exposure.is_none();
    let metrics = ["creator_metrics", "metadata"].into_iter().find_map(|name| match derived {
        true => fields.metrics(name),
        // Where no score depends on them, metrics are free members like any other.
        false => fields.raw(name).and_then(metrics_of),
    });
    let contribution = contribution.or_else(|| metrics.as_ref().map(CreatorMetrics::contribution));
    let exposure = exposure.or_else(|| metrics.as_ref().map(CreatorMetrics::exposure));
    for (name, score) in [("training_contribution_score", &contribution), ("usage_exposure_score", &exposure)] {
        if score.is_none() {
            fields.missing(name, METRICS);
        }
    }
    let terms = fields.terms(contribution, exposure);
    let terms = fields.end(terms)?;
    Ok(Prediction { terms, derived, metrics, metadata: metadata.unwrap_or_default(), asset_id: None })
}

fn id_of_text(raw: &str) -> Result<ObjectId> {
    let text: String = serde_json::from_str(raw).map_err(|_| Error::field("asset_id", "must be a string"))?;
    object_id(&text)
}

pub async fn history(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let params = Params::of(&request);
    let asset_id = params.text(&["asset_id"]);
    let (limit, offset) = window(params)?;
    let asset_id = asset_id.map(|(_, id)| object_id(&id)).transpose()?;
    let (items, total) = app.service.analytics.history(&caller, asset_id, offset, limit).await?;
    let rows: Vec<_> = items.iter().map(CalculationView::new).collect();
    Ok(response::with_total(response::json(200, &rows), total))
}

/// Limit and offset. What is out of bounds is a 400 here, as older clients expect.
fn window(mut params: Params) -> Result<(u32, u64)> {
    let limit = params.number(&["limit"], 1, LIMIT_MAX).unwrap_or(10);
    let offset = params.number(&["offset"], 0, OFFSET_MAX).unwrap_or(0);
    params.end().map_err(|error| error.status(400))?;
    Ok((limit as u32, offset))
}

pub async fn by_id(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let calculation = app.service.analytics.by_id(&caller, request.id("calculation_id")?).await?;
    Ok(response::json(200, &calculation_body(&calculation)))
}

/// Nothing is stored.
pub async fn project(_: Arc<App>, mut request: Request, _: Caller) -> Result<Response> {
    let projection = forecast(request.fields().await?)?.projection()?;
    Ok(response::json(200, &enveloped(&ProjectionView::new(&projection, Currency::Usd))))
}

fn forecast(mut fields: Fields) -> Result<Forecast> {
    let contribution = fields.score("training_contribution_score");
    let exposure = fields.score("usage_exposure_score");
    for (name, score) in [("training_contribution_score", &contribution), ("usage_exposure_score", &exposure)] {
        if score.is_none() {
            fields.missing(name, "is required");
        }
    }
    let periods = fields.periods("periods");
    let growth = fields.growth("growth_rate");
    let terms = fields.terms(contribution, exposure);
    let terms = fields.end(terms)?;
    Ok(Forecast { terms, periods, growth: growth.unwrap_or_default() })
}

#[cfg(test)]
mod tests;
