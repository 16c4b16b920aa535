//! Answers.

mod body;
mod events;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::error::{Error, Result};

pub use body::{Body, Chunks};
#[allow(unused_imports, reason = "ready for the first route that tells of what goes on")]
pub use events::{Event, events};

pub type Response = http::Response<Body>;

/// A JSON answer. A body that can't be encoded would be a defect; it becomes a bare 500.
pub fn json<T: Serialize>(status: u16, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => raw(status, "application/json", bytes),
        Err(error) => {
            tracing::error!(%error, "answer can't be encoded");
            raw(500, "application/json", "{}")
        }
    }
}

/// A JSON answer that was encoded elsewhere.
pub fn encoded(status: u16, body: serde_json::Result<Vec<u8>>) -> Result<Response> {
    let body = body.map_err(|error| {
        tracing::error!(%error, "answer can't be encoded");
        Error::internal()
    })?;
    Ok(raw(status, "application/json", body))
}

pub fn raw(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    with_body(status, content_type, Body::Whole(body.into()))
}

/// An answer that is made while it is sent. An error in the middle breaks the transfer off: it never looks complete.
pub fn streamed<S>(status: u16, content_type: &'static str, chunks: S) -> Response
where
    S: Stream<Item = Result<Bytes>> + Send + 'static,
{
    with_body(status, content_type, Body::stream(chunks))
}

fn with_body(status: u16, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A page of a list that also says in a header how long the list is.
pub fn with_total(mut response: Response, total: u64) -> Response {
    response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    response
}

/// An answer that browsers save under this name.
pub fn download(mut response: Response, name: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}
