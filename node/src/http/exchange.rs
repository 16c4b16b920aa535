//! One request and its answer, from its first byte to its last: counted while it runs, logged once when it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::Method;
use metrics::{counter, gauge, histogram};

use super::clients;
use super::error::{Error, Result};
use super::response::{Body, Chunks, Response};
use crate::metrics::{HTTP_REQUEST_DURATION_SECONDS, HTTP_REQUESTS_IN_FLIGHT, HTTP_REQUESTS_TOTAL};
use metastamp_setup::telemetry::context::{self, RequestContext};

/// The status in the log of a client that did not wait.
const CLIENT_GONE: u16 = 499;

/// In flight for as long as it is not dropped.
pub struct Exchange {
    method: Method,
    path: String,
    /// Of the route; what strangers make up must not become a label.
    template: &'static str,
    context: Arc<RequestContext>,
    started: Instant,
    /// Bytes of a streamed body that were handed over.
    sent: Option<u64>,
    is_over: bool,
    /// Counts for as long as the exchange goes on.
    _counted: Option<clients::Counted>,
}

impl Exchange {
    pub fn begin(method: Method, path: String, template: &'static str, context: Arc<RequestContext>) -> Self {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).increment(1);
        Self { method, path, template, context, started: Instant::now(), sent: None, is_over: false, _counted: None }
    }

    /// Keeps this until the last byte of the answer.
    pub fn holds(&mut self, counted: Option<clients::Counted>) {
        self._counted = counted;
    }

    pub fn elapsed_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1_000.0
    }

    /// The answer is there. A body that is whole ends the exchange; with a stream it goes on until the stream has ended.
    pub fn answered(mut self, mut response: Response) -> Response {
        let status = response.status().as_u16();
        *response.body_mut() = match std::mem::take(response.body_mut()) {
            Body::Stream { chunks, length } => {
                self.sent = Some(0);
                let counted = Counted { chunks, length, status, exchange: self };
                Body::Stream { chunks: counted.boxed(), length }
            }
            whole => {
                self.end(status);
                whole
            }
        };
        response
    }

    /// Counted and logged with the status that it came to.
    fn end(&mut self, status: u16) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.count(status);
            self.log(status);
        }
    }

    /// Probes and scrapes are not counted: they would drown what people do.
    fn count(&self, status: u16) {
        if matches!(self.template, "/health" | "/ready" | "/metrics") {
            return;
        }
        let labels = [
            ("method", method_label(&self.method)),
            // The contract says `path`, our dashboards `route`; both are the template, never the raw URL.
            ("path", self.template),
            ("route", self.template),
            ("status", status_label(status)),
        ];
        counter!(HTTP_REQUESTS_TOTAL, &labels).increment(1);
        histogram!(HTTP_REQUEST_DURATION_SECONDS, &labels).record(self.started.elapsed().as_secs_f64());
    }

    fn log(&self, status: u16) {
        let path: String = self.path.chars().take(256).collect();
        let (method, bytes) = (self.method.as_str(), self.sent);
        let duration_ms = (self.elapsed_ms() * 100.0).round() / 100.0;
        match status {
            CLIENT_GONE => {
                tracing::warn!(target: "metastamp.http", method, path, status, duration_ms, bytes, "client went away");
            }
            500.. => {
                tracing::error!(target: "metastamp.http", method, path, status, duration_ms, bytes, "request failed")
            }
            400.. => {
                tracing::warn!(target: "metastamp.http", method, path, status, duration_ms, bytes, "request refused")
            }
            _ => {
                tracing::info!(target: "metastamp.http", method, path, status, duration_ms, bytes, "request completed")
            }
        }
    }
}

impl Drop for Exchange {
    /// A client that goes away ends the request without an answer, or in the middle of one: that gets its line too.
    fn drop(&mut self) {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).decrement(1);
        if !self.is_over {
            context::sync_scope(self.context.clone(), || self.log(CLIENT_GONE));
        }
    }
}

/// A streamed body on its way. The connection reads it, outside of the request's own task.
struct Counted {
    chunks: Chunks,
    length: Option<u64>,
    /// What the client was told.
    status: u16,
    exchange: Exchange,
}

impl Counted {
    fn note(&mut self, polled: &Poll<Option<Result<Bytes>>>) {
        match polled {
            Poll::Ready(Some(Ok(chunk))) => *self.exchange.sent.get_or_insert_default() += chunk.len() as u64,
            Poll::Ready(Some(Err(error))) => self.broke_off(error),
            Poll::Ready(None) if self.is_short() => self.broke_off(&Error::internal()),
            Poll::Ready(None) => self.exchange.end(self.status),
            Poll::Pending => {}
        }
    }

    /// The client sees a transfer that is not complete, under a status that promised one: this is what really came of it.
    fn broke_off(&mut self, error: &Error) {
        tracing::error!(%error, "an answer broke off in the middle");
        self.exchange.end(error.status_code().max(500));
    }

    fn is_short(&self) -> bool {
        self.length.is_some_and(|length| self.exchange.sent.unwrap_or(0) < length)
    }
}

impl Stream for Counted {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        context::sync_scope(self.exchange.context.clone(), || {
            let polled = self.chunks.poll_next_unpin(cx);
            self.note(&polled);
            polled
        })
    }
}

impl Drop for Counted {
    /// Nobody asks for the end of a body whose length was told, once all of it was taken.
    fn drop(&mut self) {
        if self.length.is_some() && !self.is_short() {
            context::sync_scope(self.exchange.context.clone(), || self.exchange.end(self.status));
        }
    }
}

/// A stranger must not be able to make up label values.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn status_label(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        302 => "302",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        410 => "410",
        412 => "412",
        413 => "413",
        415 => "415",
        416 => "416",
        422 => "422",
        423 => "423",
        429 => "429",
        460 => "460",
        500 => "500",
        503 => "503",
        507 => "507",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
