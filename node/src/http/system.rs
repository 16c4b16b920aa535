//! Liveness, readiness, metrics, banner.

use std::sync::Arc;
use std::time::Duration;

use metastamp_protocol::{ErrorCode, Timestamp, VERSION};
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::response::{self, Response};
use crate::app::App;
use crate::telemetry::metrics::Metrics;

/// Longest wait for one dependency.
const PING_WITHIN: Duration = Duration::from_secs(2);
const SERVICE: &str = "META-STAMP V3 Backend";

pub fn root() -> Response {
    let body = json!({
        "name": "META-STAMP V3 API",
        "version": VERSION,
        "description": "Fingerprints creative works, values how AI models used them, and keeps what is owed",
        "docs": "/docs",
        "documentation": { "swagger": "/docs", "redoc": "/redoc", "openapi": "/openapi.json" },
        "api_prefix": "/api/v1",
        "endpoints": {
            "health": "/health",
            "ready": "/ready",
            "metrics": "/metrics",
            "auth": "/api/v1/auth",
            "upload": "/api/v1/upload",
            "fingerprint": "/api/v1/fingerprint",
            "assets": "/api/v1/assets",
            "cluster": "/api/v1/cluster",
        },
    });
    response::json(200, &body)
}

/// Touches no dependency.
pub fn health() -> Response {
    let body = json!({ "status": "healthy", "timestamp": Timestamp::now(), "version": VERSION, "service": SERVICE });
    response::json(200, &body)
}

/// Whether each dependency answers.
pub struct Dependencies {
    pub documents: bool,
    pub cache: bool,
    pub objects: bool,
}

impl Dependencies {
    /// Asks all in parallel, and waits for none of them longer than the deadline.
    async fn ask(app: &App) -> Self {
        let (documents, cache, objects) = tokio::join!(
            tokio::time::timeout(PING_WITHIN, app.documents.ping()),
            tokio::time::timeout(PING_WITHIN, app.cache.ping()),
            tokio::time::timeout(PING_WITHIN, app.objects.ping()),
        );
        let up = |pinged: std::result::Result<metastamp_store::Result<()>, _>| matches!(pinged, Ok(Ok(())));
        Self { documents: up(documents), cache: up(cache), objects: up(objects) }
    }
}

fn word(up: bool) -> &'static str {
    if up { "connected" } else { "disconnected" }
}

/// The cache alone does not decide: the node works without it, slower.
pub async fn ready(app: &Arc<App>) -> Response {
    let up = Dependencies::ask(app).await;
    readiness(&up, !app.is_leaving() && !app.cluster.is_draining())
}

/// `willing`: the node itself takes requests.
pub fn readiness(up: &Dependencies, willing: bool) -> Response {
    let ready = up.documents && up.objects && willing;
    let body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "ready": ready,
        "timestamp": Timestamp::now(),
        "dependencies": { "mongodb": word(up.documents), "redis": word(up.cache), "minio": word(up.objects) },
        "checks": { "mongodb": up.documents, "redis": up.cache, "minio": up.objects },
    });
    response::json(if ready { 200 } else { 503 }, &body)
}

pub async fn api_health(app: &Arc<App>) -> Result<Response> {
    let up = Dependencies::ask(app).await;
    if !(up.documents && up.objects) {
        return Err(unhealthy(&up));
    }
    let mut body: Value =
        json!({ "status": "healthy", "version": VERSION, "timestamp": Timestamp::now(), "services": services(&up) });
    body["data"] = body.clone();
    Ok(response::json(200, &body))
}

fn services(up: &Dependencies) -> Value {
    json!({ "database": word(up.documents), "redis": word(up.cache), "storage": word(up.objects) })
}

pub fn unhealthy(up: &Dependencies) -> ApiError {
    let error = ApiError::new(ErrorCode::ServiceUnavailable, "A dependency is not available");
    error.detail("services", services(up)).retry_after(5)
}

pub fn metrics(metrics: &Metrics) -> Response {
    response::raw(200, "text/plain; version=0.0.4; charset=utf-8", metrics.render())
}
