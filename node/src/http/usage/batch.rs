//! Batches of usage events: each event has its own result, and none holds up the others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use metastamp_protocol::http::{UsageView, enveloped};
use metastamp_protocol::partner::{Scope, UsageEvent};
use metastamp_protocol::{ErrorCode, ObjectId};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::reporter::Reporter;
use super::{End, end, take};
use crate::app::App;
use crate::http::error::{ApiError, Result};
use crate::http::fields::Fields;
use crate::http::money::{KEY_RULE, is_key};
use crate::http::request::{Request, object_id};
use crate::http::response::{self, Response};

const EVENTS_MAX: usize = 1_000;
/// Events of one batch that are worked on at a time.
const AT_ONCE_MAX: usize = 32;
/// Clients wait 30 s for an answer; what is not done by then is left to the next attempt.
const WITHIN: Duration = Duration::from_secs(25);

pub async fn report(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let reporter = Arc::new(Reporter::of(app, request, Scope::UsageWrite).await?);
    let mut fields = Fields::parse(&request.body.read_batch().await?)?;
    let events = items::<Box<RawValue>>(&mut fields, "events", "a list of events");
    let events = fields.end(events)?;
    let work = events.into_iter().map(|event| (None, report_one(app.clone(), reporter.clone(), event)));
    Ok(answer(work.collect()).await)
}

/// What came of one item.
struct Done {
    status: u16,
    event: UsageEvent,
    /// The same was reported before. Ends are not told apart by it: there the event says all.
    repeated: bool,
}

async fn report_one(app: Arc<App>, reporter: Arc<Reporter>, event: Box<RawValue>) -> Result<Done> {
    let mut fields = Fields::parse(event.get().as_bytes())?;
    let key = fields.value::<String>("idempotency_key", "a string");
    let key = fields.required("idempotency_key", key);
    if key.as_ref().is_some_and(|key| !is_key(key)) {
        fields.wrong("idempotency_key", KEY_RULE);
    }
    let (event, is_new) = take(&app, &reporter, fields, key.unwrap_or_default()).await?;
    Ok(Done { status: if is_new { 201 } else { 200 }, event, repeated: !is_new })
}

pub async fn settle(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageSettle).await?;
    let mut fields = Fields::parse(&request.body.read_batch().await?)?;
    let ids = items::<String>(&mut fields, "usage_ids", "a list of ids");
    let ids = fields.end(ids)?;
    Ok(end_all(app, reporter, ids, End::Settle).await)
}

pub async fn cancel(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let reporter = Reporter::of(app, request, Scope::UsageSettle).await?;
    let mut fields = Fields::parse(&request.body.read_batch().await?)?;
    let ids = items::<String>(&mut fields, "usage_ids", "a list of ids");
    let cancel = End::cancel(&mut fields);
    let ids = fields.end(ids)?;
    Ok(end_all(app, reporter, ids, cancel).await)
}

async fn end_all(app: &Arc<App>, reporter: Reporter, ids: Vec<String>, how: End) -> Response {
    let reporter = Arc::new(reporter);
    let work = ids.into_iter().map(|id| {
        let (app, reporter, how) = (app.clone(), reporter.clone(), how.clone());
        let known = id.to_lowercase().parse().ok();
        let ended = async move {
            let event = end(&app, &reporter, object_id(&id)?, how).await?;
            Ok(Done { status: 200, event, repeated: false })
        };
        (known, ended)
    });
    answer(work.collect()).await
}

fn items<T: serde::de::DeserializeOwned>(fields: &mut Fields, name: &str, expected: &str) -> Option<Vec<T>> {
    let items = fields.value::<Vec<T>>(name, expected);
    let items = fields.required(name, items)?;
    if !(1..=EVENTS_MAX).contains(&items.len()) {
        fields.wrong(name, format!("must have 1 to {EVENTS_MAX} items"));
        return None;
    }
    Some(items)
}

/// Works through the items and puts the results in their order. Beside each stands the event that it is about, where
/// that is known beforehand.
async fn answer<F>(items: Vec<(Option<ObjectId>, F)>) -> Response
where
    F: Future<Output = Result<Done>> + Send,
{
    let deadline = Instant::now() + WITHIN;
    let work = items.into_iter().enumerate().map(|(index, (known, item))| async move {
        // Left where it is half-way, the outcome is unknown: as with any answer that is lost.
        let done = timeout_at(deadline, item).await.unwrap_or_else(|_| Err(late()));
        (done.is_ok(), result(index, known, done))
    });
    let done: Vec<(bool, Value)> = stream::iter(work).buffered(AT_ONCE_MAX).collect().await;
    let succeeded = done.iter().filter(|(is_ok, _)| *is_ok).count();
    let failed = done.len() - succeeded;
    let results: Vec<_> = done.into_iter().map(|(_, result)| result).collect();
    response::json(200, &enveloped(&json!({ "results": results, "succeeded": succeeded, "failed": failed })))
}

fn late() -> ApiError {
    let message = "The batch took too long; send what has failed again";
    ApiError::new(ErrorCode::ServiceUnavailable, message)
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
