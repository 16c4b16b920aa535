//! Batches of usage events: each event has its own result, and none holds up the others.

use std::sync::Arc;

use metastamp_protocol::ObjectId;
use metastamp_protocol::http::{UsageView, enveloped};
use metastamp_protocol::ledger::ClientKey;
use metastamp_protocol::partner::UsageEvent;
use metastamp_service::Reporter;
use metastamp_service::usage::batch::judge_size;
use metastamp_service::usage::{End, Report, Reported};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{cancellation, sent};
use crate::app::App;
use crate::http::error::Result;
use crate::http::read::Fields;
use crate::http::request::{Request, object_id};
use crate::http::response::{self, Response};

pub async fn report(app: Arc<App>, mut request: Request, reporter: Reporter) -> Result<Response> {
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let events = items::<Box<RawValue>>(&mut fields, "events", "a list of events");
    let events = fields.end(events)?;
    let reports = events.iter().map(|event| read(event, reporter.partner_id())).collect();
    let done = app.service.usage.report_all(&reporter, reports).await;
    let taken = |Reported { event, is_new }| Done { status: if is_new { 201 } else { 200 }, event, repeated: !is_new };
    Ok(answer(done.into_iter().map(|done| (None, done.map(taken)))))
}

fn read(event: &RawValue, partner_id: Option<ObjectId>) -> Result<Report> {
    let mut fields = Fields::parse(event.get().as_bytes())?;
    let key = fields.value::<String>("idempotency_key", "a string");
    let key = fields.required("idempotency_key", key);
    let key = key.and_then(|key| fields.noted("idempotency_key", ClientKey::parse(&key)));
    sent::read(fields, partner_id, key)
}

pub async fn settle(app: Arc<App>, mut request: Request, reporter: Reporter) -> Result<Response> {
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let ids = items::<String>(&mut fields, "usage_ids", "a list of ids");
    let ids = fields.end(ids)?;
    end_all(&app, &reporter, &ids, &End::Settle).await
}

pub async fn cancel(app: Arc<App>, mut request: Request, reporter: Reporter) -> Result<Response> {
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let ids = items::<String>(&mut fields, "usage_ids", "a list of ids");
    let cancel = cancellation(&mut fields);
    let ids = fields.end(ids)?;
    end_all(&app, &reporter, &ids, &cancel).await
}

async fn end_all(app: &App, reporter: &Reporter, ids: &[String], end: &End) -> Result<Response> {
    let ids: Vec<Result<ObjectId>> = ids.iter().map(|id| object_id(id)).collect();
    let known: Vec<Option<ObjectId>> = ids.iter().map(|id| id.as_ref().ok().copied()).collect();
    let done = app.service.usage.end_all(reporter, ids, end).await;
    // Ends are not told apart by whether they are repeated: the event says all.
    let ended = |event| Done { status: 200, event, repeated: false };
    Ok(answer(known.into_iter().zip(done.into_iter().map(|done| done.map(ended)))))
}

fn items<T: serde::de::DeserializeOwned>(fields: &mut Fields, name: &str, expected: &str) -> Option<Vec<T>> {
    let items = fields.value::<Vec<T>>(name, expected);
    let items = fields.required(name, items)?;
    fields.noted(name, judge_size(items.len()))?;
    Some(items)
}

/// What came of one item.
struct Done {
    status: u16,
    event: UsageEvent,
    /// The same was reported before.
    repeated: bool,
}

/// The results in the order of their items. Beside each stands the event that it is about, where that is known
/// beforehand.
fn answer(results: impl Iterator<Item = (Option<ObjectId>, Result<Done>)>) -> Response {
    let (mut succeeded, mut failed) = (0, 0);
    let result = |(index, (known, done)): (usize, (Option<ObjectId>, Result<Done>))| {
        *(if done.is_ok() { &mut succeeded } else { &mut failed }) += 1;
        result(index, known, done)
    };
    let results: Vec<_> = results.enumerate().map(result).collect();
    response::json(200, &enveloped(&json!({ "results": results, "succeeded": succeeded, "failed": failed })))
}

fn result(index: usize, known: Option<ObjectId>, done: Result<Done>) -> Value {
    match done {
        Ok(Done { status, event, repeated }) => {
            let usage = UsageView::from(&event).repeated(repeated);
            json!({ "index": index, "id": event.id, "status_code": status, "usage": usage })
        }
        Err(error) => {
            let (status, error) = error.into_item();
            json!({ "index": index, "id": known, "status_code": status, "error": error })
        }
    }
}
