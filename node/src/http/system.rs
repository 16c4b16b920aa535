//! Liveness, readiness, metrics, banner.

use std::sync::Arc;

use metastamp_cluster::Refusal;
use metastamp_protocol::{ErrorCode, Timestamp, VERSION};
use metastamp_service::Dependencies;
use serde_json::{Value, json};

use super::error::{Error, Result};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;
use crate::metrics::Metrics;

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

fn word(up: bool) -> &'static str {
    if up { "connected" } else { "disconnected" }
}

pub async fn ready(app: Arc<App>, _: Request) -> Result<Response> {
    let up = app.service.health().await;
    let willing = !app.is_leaving() && !app.cluster.is_draining();
    Ok(readiness(&up, willing, app.cluster.refusal().as_ref()))
}

/// `willing`: the node itself takes requests. `refusal`: it is not let into the cluster that it found.
pub fn readiness(up: &Dependencies, willing: bool, refusal: Option<&Refusal>) -> Response {
    let ready = up.suffice() && willing && refusal.is_none();
    let mut body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "ready": ready,
        "timestamp": Timestamp::now(),
        "dependencies": { "mongodb": word(up.documents), "redis": word(up.cache), "minio": word(up.objects) },
        "checks": { "mongodb": up.documents, "redis": up.cache, "minio": up.objects },
    });
    if let Some(refusal) = refusal {
        body["checks"]["cluster"] = json!(false);
        body["reason"] = json!(refusal.reason);
        body["message"] = json!(refusal.message());
    }
    response::json(if ready { 200 } else { 503 }, &body)
}

pub async fn api_health(app: Arc<App>, _: Request) -> Result<Response> {
    let up = app.service.health().await;
    if !up.suffice() {
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

pub fn unhealthy(up: &Dependencies) -> Error {
    let error = Error::new(ErrorCode::ServiceUnavailable, "A dependency is not available");
    error.detail("services", services(up)).retry_after(5)
}

pub fn metrics(metrics: &Metrics) -> Response {
    response::raw(200, "text/plain; version=0.0.4; charset=utf-8", metrics.render())
}
