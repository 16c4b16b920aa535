//! How failures become the one error body.

use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use metastamp_protocol::ErrorCode;
use metastamp_protocol::http::ErrorBody;
pub use metastamp_service::{Error, Result};

use super::response::{self, Response};

/// The answer to a request that failed.
pub fn failed(error: Error, request_id: &str) -> Response {
    let (status, retry_after_s) = (error.status_code(), error.retry_after_s());
    let mut response = response::json(status, &error.body(request_id));
    let headers = response.headers_mut();
    if status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// 404 for a path that we do not have; the body names it.
pub fn unknown_path(request_id: &str, path: &str) -> Response {
    let code = ErrorCode::NotFound;
    let body = ErrorBody::new(code, code.status(), "The requested path does not exist", request_id).path(path);
    response::json(code.status(), &body)
}

/// 405, with what the path answers in `Allow`.
pub fn method_not_allowed(request_id: &str, allow: &'static str) -> Response {
    let message = format!("Method not allowed; this path answers {allow}");
    let mut response = failed(Error::new(ErrorCode::MethodNotAllowed, message), request_id);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
