//! Cross-origin rules: who may read our answers in a browser. The headers are on errors too, otherwise the browser
//! reports a network failure and the web client retries.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// What scripts may read besides the few headers they always may.
const EXPOSED: &str = "X-Request-ID, X-Process-Time, X-Node, X-Owner, X-Conversation-ID, X-Provider, X-Personality, \
                       X-Total-Count, Location, ETag, Content-Range, Content-Disposition, Retry-After, \
                       X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Upload-Offset, Upload-Length, \
                       Upload-Expires, Upload-Metadata, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size";

#[derive(Debug, Clone)]
pub struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// The caller's origin, if it is allowed.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        if self.origins.iter().any(|o| o == text) {
            return Some(origin.clone());
        }
        self.origins.iter().any(|o| o == "*").then_some(HeaderValue::from_static("*"))
    }

    /// Adds what a browser needs to every answer.
    pub fn decorate(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(request) else { return };
        // Everybody may read, then nobody's credentials count.
        if origin != "*" {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }

    /// A browser asks before it sends the real request.
    pub fn is_preflight(request: &HeaderMap) -> bool {
        request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds the answer to a preflight request: any header may be sent.
    pub fn preflight(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.allowed(request).is_none() || !Self::is_preflight(request) {
            return;
        }
        response.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if let Some(headers) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
    }
}
