//! Answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::error::{ApiError, Result};

pub type Response = http::Response<Bytes>;

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
        ApiError::internal()
    })?;
    Ok(raw(status, "application/json", body))
}

pub fn raw(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A page of a list that also says in a header how long the list is.
pub fn with_total(mut response: Response, total: u64) -> Response {
    response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    response
}
