//! What holds for every request: ids, path aliases, CORS, one error body, panics, metrics, one log line.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::FutureExt;
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use metrics::{counter, gauge, histogram};

use super::body::Body;
use super::cors::Cors;
use super::error::ApiError;
use super::peer::TrustedProxies;
use super::request::Request;
use super::response::{self, Response};
use super::routes::{self, Route};
use super::starting::Starting;
use crate::app::App;
use crate::config::Config;
use crate::telemetry::context::{self, RequestContext};
use crate::telemetry::metrics::{HTTP_REQUEST_DURATION_SECONDS, HTTP_REQUESTS_IN_FLIGHT, HTTP_REQUESTS_TOTAL};

/// A request as it came in.
pub struct Incoming {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Body,
    pub peer: Option<IpAddr>,
}

pub struct Edge {
    /// There once the stores are open.
    app: OnceLock<Arc<App>>,
    starting: Starting,
    /// Value of the `X-Node` header: id and generation.
    node: HeaderValue,
    cors: Cors,
    proxies: TrustedProxies,
}

impl Edge {
    /// An edge that answers as `starting` says until it is opened.
    pub fn new(config: &Config, starting: Starting) -> Self {
        let cors = Cors::new(config.cors_origins.clone());
        let proxies = TrustedProxies::new(config.trusted_proxies.clone());
        let node = HeaderValue::from_str(&starting.node.to_string());
        let node = node.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { app: OnceLock::new(), starting, node, cors, proxies }
    }

    /// From now on everything is served.
    pub fn open(&self, app: Arc<App>) {
        let _ = self.app.set(app);
    }

    pub async fn handle(&self, incoming: Incoming) -> Response {
        let started = Instant::now();
        let context = Arc::new(RequestContext::new(request_id(&incoming.headers)));
        context::scope(context.clone(), self.answer(incoming, started, &context)).await
    }

    async fn answer(&self, incoming: Incoming, started: Instant, context: &RequestContext) -> Response {
        let Incoming { method, path: raw_path, query, headers, mut body, peer } = incoming;
        let path = normalise(&raw_path);
        let found = routes::find(&path);
        let template = found.as_ref().map_or("unmatched", Route::template);
        let watch = InFlight::new(&method, &raw_path, started);
        let scheme = peer.map_or("http", |peer| self.proxies.scheme(peer, &headers));
        let peer = peer.map(|peer| self.proxies.client(peer, &headers));
        let request =
            Request { method: method.clone(), query, headers: headers.clone(), body: body.clone(), peer, scheme };
        let mut response = self.dispatch(found, request, context, &raw_path).await;
        // A client that asked before sending is refused before it sends; others get to finish, within bounds.
        let asked = headers.contains_key(http::header::EXPECT) && !body.is_touched();
        if response.status().as_u16() >= 400 && !asked {
            body.drain().await;
        }
        watch.done();

        self.cors.decorate(&headers, response.headers_mut());
        let elapsed = started.elapsed();
        self.finish(response.headers_mut(), context, elapsed.as_secs_f64() * 1_000.0);
        record(&method, template, &response, elapsed.as_secs_f64());
        access_log(&method, &raw_path, response.status().as_u16(), elapsed.as_secs_f64() * 1_000.0);
        response
    }

    async fn dispatch(
        &self,
        found: Option<Route<'_>>,
        request: Request,
        context: &RequestContext,
        raw_path: &str,
    ) -> Response {
        // A preflight is answered even for an unknown path, so that the browser gets to see the 404 itself.
        if request.method == Method::OPTIONS && (found.is_some() || Cors::is_preflight(&request.headers)) {
            let mut response = response::raw(204, "text/plain", "");
            response.headers_mut().remove(http::header::CONTENT_TYPE);
            if let Some(route) = &found {
                response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(route.allow()));
            }
            self.cors.preflight(&request.headers, response.headers_mut());
            return response;
        }
        let Some(route) = found else {
            return ApiError::unknown_path().into_response(&context.request_id, raw_path);
        };
        let head = request.method == Method::HEAD;
        let handling = async {
            match self.app.get() {
                Some(app) => routes::handle(app, route, request).await,
                None => self.starting.handle(&route, &request.method),
            }
        };
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        let result = handled.unwrap_or_else(|_| {
            // The panic hook has logged where and why.
            Err(ApiError::internal())
        });
        let mut response = result.unwrap_or_else(|error| error.into_response(&context.request_id, raw_path));
        if head {
            let length = response.body().len();
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
            *response.body_mut() = bytes::Bytes::new();
        }
        response
    }

    fn finish(&self, headers: &mut HeaderMap, context: &RequestContext, elapsed_ms: f64) {
        headers.insert("x-node", self.node.clone());
        // Clients that keep connections open find another node this way.
        if self.app.get().is_some_and(|app| app.is_leaving()) {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(owner) = context.owner().and_then(|owner| HeaderValue::from_str(&owner.to_string()).ok()) {
            headers.insert("x-owner", owner);
        }
        if let Ok(id) = HeaderValue::from_str(&context.request_id) {
            headers.insert("x-request-id", id);
        }
        if let Ok(time) = HeaderValue::from_str(&format!("{elapsed_ms:.2}ms")) {
            headers.insert("x-process-time", time);
        }
        headers.entry("x-content-type-options").or_insert(HeaderValue::from_static("nosniff"));
        headers.entry(http::header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

/// Counts a request while it runs. A client that goes away ends the request without an answer: that gets its line too.
struct InFlight<'a> {
    method: &'a Method,
    path: &'a str,
    started: Instant,
    answered: bool,
}

impl<'a> InFlight<'a> {
    fn new(method: &'a Method, path: &'a str, started: Instant) -> Self {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).increment(1);
        Self { method, path, started, answered: false }
    }

    fn done(mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).decrement(1);
        if !self.answered {
            access_log(self.method, self.path, 499, self.started.elapsed().as_secs_f64() * 1_000.0);
        }
    }
}

/// The caller's id when it is harmless, else a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=128).contains(&given.len()) && given.chars().all(harmless) {
        return given.to_owned();
    }
    format!("{:032x}", rand::random::<u128>())
}

/// `/api/v1/api/v1/x/` and `/api/v1/x` are the same: the guide tells operators to build the web client with a base
/// URL that already ends in `/api/v1`, and it appends the prefix again.
fn normalise(path: &str) -> String {
    const PREFIX: &str = "/api/v1";
    let mut path = path;
    if let Some(rest) = path.strip_prefix(PREFIX)
        && (rest == PREFIX || rest.starts_with("/api/v1/"))
    {
        path = rest;
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Probes and scrapes are not counted: they would drown what people do.
fn record(method: &Method, template: &'static str, response: &Response, seconds: f64) {
    if matches!(template, "/health" | "/ready" | "/metrics") {
        return;
    }
    let labels = [
        ("method", method_label(method)),
        // The contract says `path`, our dashboards `route`; both are the template, never the raw URL.
        ("path", template),
        ("route", template),
        ("status", status_label(response.status().as_u16())),
    ];
    counter!(HTTP_REQUESTS_TOTAL, &labels).increment(1);
    histogram!(HTTP_REQUEST_DURATION_SECONDS, &labels).record(seconds);
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
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

/// `status` 499 stands for a client that did not wait.
fn access_log(method: &Method, path: &str, status: u16, duration_ms: f64) {
    let path: String = path.chars().take(256).collect();
    let duration_ms = (duration_ms * 100.0).round() / 100.0;
    let method = method.as_str();
    match status {
        499 => tracing::warn!(target: "metastamp.http", method, path, status, duration_ms, "client went away"),
        500.. => tracing::error!(target: "metastamp.http", method, path, status, duration_ms, "request failed"),
        400.. => tracing::warn!(target: "metastamp.http", method, path, status, duration_ms, "request refused"),
        _ => tracing::info!(target: "metastamp.http", method, path, status, duration_ms, "request completed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_of_a_path() {
        for (raw, normal) in [
            ("/", "/"),
            ("//", "/"),
            ("/health/", "/health"),
            ("/api/v1/assets/", "/api/v1/assets"),
            ("/api/v1/api/v1/assets", "/api/v1/assets"),
            ("/api/v1/api/v1", "/api/v1"),
            ("/api/v1/api/v10", "/api/v1/api/v10"),
            ("/api/v1/health", "/api/v1/health"),
        ] {
            assert_eq!(normalise(raw), normal);
        }
    }
}
