//! What holds for every request: ids, path aliases, CORS, one error body, panics. Metrics and the log line are
//! [`Exchange`]'s.
//!
//! Layers of tower-http stand around it where they do what the contract wants ([`super::server`]). These stay here:
//! - request ids: only harmless ones are taken over, and the body of an error and every log line hold them
//! - panics: their answer is an error body with the request's id, and counted and logged like any other
//! - CORS: tower-http takes every OPTIONS for a preflight, and routes may answer OPTIONS themselves

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use metastamp_protocol::ErrorCode;

use super::body::{Body, Limit};
use super::clients::{self, Clients};
use super::connections::Room;
use super::cors::Cors;
use super::error::{self, Error};
use super::exchange::Exchange;
use super::peer::TrustedProxies;
use super::request::Request;
use super::response::{self, Response};
use super::starting::Starting;
use super::table::{self, Found, Params};
use crate::app::App;
use metastamp_setup::config::Config;
use metastamp_setup::telemetry::context::{self, RequestContext};

/// A request as it came in.
pub struct Incoming {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Body,
    pub peer: Option<IpAddr>,
    /// What the connection is good for.
    pub room: Room,
}

pub struct Edge {
    /// There once the stores are open.
    app: OnceLock<Arc<App>>,
    starting: Starting,
    /// Value of the `X-Node` header: id and generation.
    node: HeaderValue,
    cors: Cors,
    proxies: TrustedProxies,
    clients: Clients,
}

impl Edge {
    /// An edge that answers as `starting` says until it is opened.
    pub fn new(config: &Config, starting: Starting) -> Self {
        let cors = Cors::new(config.cors_origins.clone());
        let proxies = TrustedProxies::new(config.trusted_proxies.clone());
        let node = HeaderValue::from_str(&starting.node.to_string());
        let node = node.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { app: OnceLock::new(), starting, node, cors, proxies, clients: Clients::default() }
    }

    /// Value of the `X-Node` header.
    pub fn node(&self) -> HeaderValue {
        self.node.clone()
    }

    /// Whether this address is a proxy that is trusted.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.contains(address)
    }

    /// From now on everything is served.
    pub fn open(&self, app: Arc<App>) {
        let _ = self.app.set(app);
    }

    pub async fn handle(&self, incoming: Incoming) -> Response {
        let context = Arc::new(RequestContext::new(request_id(&incoming.headers)));
        context::scope(context.clone(), self.answer(incoming, &context)).await
    }

    async fn answer(&self, incoming: Incoming, context: &Arc<RequestContext>) -> Response {
        let Incoming { method, path: raw_path, query, headers, mut body, peer, room } = incoming;
        let found = table::find(&normalise(&raw_path));
        let template = found.as_ref().map_or("unmatched", |found| found.path.template);
        let mut exchange = Exchange::begin(method.clone(), raw_path.clone(), template, context.clone());
        let request = Request {
            method,
            path: raw_path,
            params: Params::default(),
            query,
            headers: headers.clone(),
            body: body.clone(),
            peer: peer.map(|peer| self.proxies.client(peer, &headers)),
            scheme: peer.map_or("http", |peer| self.proxies.scheme(peer, &headers)),
        };
        let mut response = match self.let_in(template, peer, &request, room) {
            Ok(counted) => {
                exchange.holds(counted);
                self.dispatch(found, request, context).await
            }
            Err(error) => error::failed(error, &context.request_id),
        };
        // A client that asked before sending is refused before it sends; others get to finish, within bounds.
        let asked = headers.contains_key(http::header::EXPECT) && !body.is_touched();
        if response.status().as_u16() >= 400 && !asked {
            body.drain().await;
        }
        self.cors.decorate(&headers, response.headers_mut());
        self.finish(response.headers_mut(), context, exchange.elapsed_ms());
        exchange.answered(response)
    }

    /// Whether there is room for a request: on a connection beyond the bounds there is for probes alone, and one client
    /// behind a trusted proxy may have so many under way.
    fn let_in(
        &self,
        template: &str,
        peer: Option<IpAddr>,
        request: &Request,
        room: Room,
    ) -> error::Result<Option<clients::Counted>> {
        if matches!(template, "/health" | "/ready") {
            return Ok(None);
        }
        if room == Room::Probes {
            let message = "Too many connections from this address or to this node, please try again";
            return Err(Error::new(ErrorCode::ServiceUnavailable, message).retry_after(2));
        }
        match (peer, request.peer) {
            (Some(peer), Some(client)) if self.is_proxy(peer) => self.clients.count(client.into()).map(Some),
            _ => Ok(None),
        }
    }

    async fn dispatch(&self, found: Option<Found>, mut request: Request, context: &RequestContext) -> Response {
        let request_id = &context.request_id;
        // A preflight is answered even for an unknown path, so that the browser gets to see the 404 itself.
        if request.method == Method::OPTIONS && Cors::is_preflight(&request.headers) {
            return self.options(found, &request);
        }
        let Some(Found { path, params }) = found else { return error::unknown_path(request_id, &request.path) };
        let Some(row) = path.row(&request.method) else {
            return match request.method {
                Method::OPTIONS => self.options(Some(Found { path, params }), &request),
                _ => error::method_not_allowed(request_id, path.allow),
            };
        };
        let method = request.method.clone();
        request.params = params;
        let declared = request.content_length();
        request.body = request.body.limited(row.body, declared);
        let handling = async {
            // uploads look at it when they know who sends
            if row.body != Limit::Streamed {
                request.refuse_encoded()?;
            }
            match self.app.get() {
                Some(app) => row.handle(app.clone(), request).await,
                None => self.starting.handle(path.template, &request),
            }
        };
        // The panic hook logs where and why.
        let handled = AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(|_| Err(Error::internal()));
        let response = handled.unwrap_or_else(|error| error::failed(error, request_id));
        if method == Method::HEAD { without_body(response, row.answers(&method)) } else { response }
    }

    fn options(&self, found: Option<Found>, request: &Request) -> Response {
        let mut response = response::raw(204, "text/plain", "");
        response.headers_mut().remove(http::header::CONTENT_TYPE);
        if let Some(found) = found {
            response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(found.path.allow));
        }
        self.cors.preflight(&request.headers, response.headers_mut());
        response
    }

    fn finish(&self, headers: &mut HeaderMap, context: &RequestContext, elapsed_ms: f64) {
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
    }
}

/// What HEAD gets. Unless the route answers HEAD itself, it is told how long the body of a GET would be, where that is
/// known; a stream is dropped before it is read.
fn without_body(mut response: Response, by_itself: bool) -> Response {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.length().filter(|_| !by_itself) {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
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
    // a base URL that ends in a slash makes two of them
    while path.starts_with("//") {
        path = &path[1..];
    }
    if let Some(rest) = path.strip_prefix(PREFIX)
        && (rest == PREFIX || rest.starts_with("/api/v1/"))
    {
        path = rest;
    }
    format!("/{}", path.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_of_a_path() {
        for (raw, normal) in [
            ("/", "/"),
            ("//", "/"),
            ("//health", "/health"),
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
