//! Usage that partners report: taken, settled, cancelled, looked at; one by one or in batches.

pub mod batch;
mod sent;

use std::sync::Arc;

use metastamp_protocol::ObjectId;
use metastamp_protocol::http::{Paging, UsageView, enveloped, listed};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_service::Reporter;
use metastamp_service::usage::{End, Filter, REASON_CHARS, Reported};

use super::error::Result;
use super::money::idempotency_key;
use super::read::{Fields, Page, Params};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

pub async fn report(app: Arc<App>, mut request: Request, reporter: Reporter) -> Result<Response> {
    let key = idempotency_key(&request)?;
    let fields = Fields::parse(&request.body.read().await?)?;
    let report = sent::read(fields, reporter.partner_id(), Some(key))?;
    let Reported { event, is_new } = app.service.usage.report(&reporter, report).await?;
    let view = UsageView::from(&event).repeated(!is_new);
    Ok(response::json(if is_new { 201 } else { 200 }, &enveloped(&view)))
}

pub async fn list(app: Arc<App>, request: Request, reporter: Reporter) -> Result<Response> {
    let mut params = Params::of(&request);
    let Page { skip, limit } = params.page(&["limit"]);
    let filter = filter(&mut params);
    params.end()?;
    let page = app.service.usage.list(&reporter, filter, skip, limit).await?;
    let views: Vec<_> = page.items.iter().map(UsageView::from).collect();
    let paging = Paging { skip, limit, total: page.total, shown: views.len() };
    Ok(response::with_total(response::json(200, &listed(&views, paging)), page.total))
}

fn filter(params: &mut Params) -> Filter {
    let words = UsageStatus::ALL.map(UsageStatus::as_str).join(", ");
    let status = params.word(&["status"], &format!("{words}, all"), UsageStatus::parse);
    let mut id = |name: &'static str| {
        let (_, text) = params.text(&[name])?;
        let id = text.to_lowercase().parse::<ObjectId>();
        id.map_err(|error| params.wrong(name, error.to_string())).ok()
    };
    Filter { partner_id: id("partner_id"), user_id: id("user_id"), asset_id: id("asset_id"), status }
}

pub async fn detail(app: Arc<App>, request: Request, reporter: Reporter) -> Result<Response> {
    let event = app.service.usage.find(&reporter, request.id("id")?).await?;
    Ok(shown(&event))
}

pub async fn settle(app: Arc<App>, request: Request, reporter: Reporter) -> Result<Response> {
    let event = app.service.usage.end(&reporter, request.id("id")?, &End::Settle).await?;
    Ok(shown(&event))
}

pub async fn cancel(app: Arc<App>, mut request: Request, reporter: Reporter) -> Result<Response> {
    let id = request.id("id")?;
    let body = request.body.read().await?;
    let mut fields = Fields::parse(if body.trim_ascii().is_empty() { b"{}" } else { &body })?;
    let cancel = cancellation(&mut fields);
    let cancel = fields.end(Some(cancel))?;
    let event = app.service.usage.end(&reporter, id, &cancel).await?;
    Ok(shown(&event))
}

/// What the body of a cancellation says beside the events.
fn cancellation(fields: &mut Fields) -> End {
    End::Cancel { reason: fields.text("reason", REASON_CHARS) }
}

fn shown(event: &UsageEvent) -> Response {
    response::json(200, &enveloped(&UsageView::from(event)))
}
