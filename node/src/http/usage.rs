//! Usage that partners report: taken, settled, cancelled, looked at; one by one or in batches.

pub mod batch;
mod reporter;
mod sent;

use std::sync::Arc;

use metastamp_protocol::http::{Paging, UsageView, enveloped, listed};
use metastamp_protocol::partner::{Scope, UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_store::partners::UsageQuery;

use self::reporter::Reporter;
use self::sent::Sent;
use super::error::{ApiError, Result};
use super::fields::Fields;
use super::money::{idempotency_key, usage_failed};
use super::params::{Page, Params};
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

const REASON_CHARS: std::ops::RangeInclusive<usize> = 1..=400;
const CANCELLED: &str = "cancelled on request";

pub async fn report(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageWrite).await?;
    let key = idempotency_key(request)?;
    let fields = Fields::parse(&request.body.read_small().await?)?;
    let (event, is_new) = take(app, &reporter, fields, key).await?;
    let view = UsageView::from(&event).repeated(!is_new);
    Ok(response::json(if is_new { 201 } else { 200 }, &enveloped(&view)))
}

/// Takes one report; the event as it stands, and whether it is new.
async fn take(app: &App, reporter: &Reporter, fields: Fields, key: String) -> Result<(UsageEvent, bool)> {
    let sent = Sent::read(fields, reporter.partner_id())?;
    if let Reporter::Admin(_) = reporter {
        let partner = app.documents.partner(sent.partner_id).await?;
        reporter::active(&partner.ok_or_else(|| ApiError::not_found("Partner"))?)?;
    }
    let now = Timestamp::now();
    let asset = app.documents.asset(sent.asset_id).await?;
    let has_run_out = sent.expires_at.is_some_and(|at| at <= now);
    let user_id = match asset {
        Some(asset) if !has_run_out => asset.user_id,
        asset => match app.documents.usage(UsageEvent::id_of(sent.partner_id, &key)).await? {
            // Sent again, it gets the answer it had, whatever has become of asset and time since.
            Some(known) => known.user_id,
            None if asset.is_none() => return Err(ApiError::not_found("Asset")),
            None => return Err(ApiError::field("expires_at", "must be in the future")),
        },
    };
    let currency = sent.currency;
    let event = sent.event(key, reporter.id(), user_id, now)?;
    app.actors.usages.report(event).await.map_err(|error| usage_failed(error, currency))
}

pub async fn list(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageWrite).await?;
    let mut params = Params::of(request);
    let Page { skip, limit } = params.page(&["limit"]);
    let words = UsageStatus::ALL.map(UsageStatus::as_str).join(", ");
    let status = params.word(&["status"], &format!("{words}, all"), UsageStatus::parse);
    let mut id = |name: &'static str| {
        let (_, text) = params.text(&[name])?;
        let id = text.to_lowercase().parse::<ObjectId>();
        id.map_err(|error| params.wrong(name, error.to_string())).ok()
    };
    let (partner_id, user_id, asset_id) = (id("partner_id"), id("user_id"), id("asset_id"));
    params.end()?;
    // A partner that asks for another's finds nothing, as if there were none.
    let mine = reporter.partner_id();
    let partner_id = match (mine, partner_id) {
        (Some(mine), Some(other)) if mine != other => {
            let paging = Paging { skip, limit, total: 0, shown: 0 };
            return Ok(response::with_total(response::json(200, &listed::<UsageView>(&[], paging)), 0));
        }
        (mine, asked) => mine.or(asked),
    };
    let query = UsageQuery { partner_id, user_id, asset_id, status };
    let page = app.documents.usages(&query, skip, limit).await?;
    let views: Vec<_> = page.items.iter().map(UsageView::from).collect();
    let paging = Paging { skip, limit, total: page.total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), page.total))
}

pub async fn detail(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageWrite).await?;
    let event = visible(app, &reporter, object_id(id)?).await?;
    Ok(response::json(200, &enveloped(&UsageView::from(&event))))
}

/// # Errors
/// 404 when there is no such event, or it is another partner's.
async fn visible(app: &App, reporter: &Reporter, id: ObjectId) -> Result<UsageEvent> {
    let event = app.documents.usage(id).await?.filter(|event| reporter.may_see(event));
    event.ok_or_else(|| ApiError::not_found("Usage event"))
}

/// How an event is to end.
#[derive(Clone)]
enum End {
    Settle,
    Cancel { reason: String },
}

impl End {
    /// What the body of a cancellation says beside the events.
    fn cancel(fields: &mut Fields) -> Self {
        End::Cancel { reason: fields.text("reason", REASON_CHARS).unwrap_or_else(|| CANCELLED.to_owned()) }
    }
}

async fn end(app: &App, reporter: &Reporter, id: ObjectId, end: End) -> Result<UsageEvent> {
    let currency = visible(app, reporter, id).await?.currency;
    let usages = &app.actors.usages;
    let ended = match end {
        End::Settle => usages.settle(id, reporter.id()).await,
        End::Cancel { reason } => usages.cancel(id, reporter.id(), &reason).await,
    };
    ended.map_err(|error| usage_failed(error, currency))
}

pub async fn settle(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageSettle).await?;
    let event = end(app, &reporter, object_id(id)?, End::Settle).await?;
    Ok(response::json(200, &enveloped(&UsageView::from(&event))))
}

pub async fn cancel(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageSettle).await?;
    let id = object_id(id)?;
    let body = request.body.read_small().await?;
    let mut fields = Fields::parse(if body.trim_ascii().is_empty() { b"{}" } else { &body })?;
    let cancel = End::cancel(&mut fields);
    let cancel = fields.end(Some(cancel))?;
    let event = end(app, &reporter, id, cancel).await?;
    Ok(response::json(200, &enveloped(&UsageView::from(&event))))
}
