//! Fingerprints: ask for one, read one.

use std::sync::Arc;

use metastamp_actors::fingerprint::progress_key;
use metastamp_protocol::http::{FingerprintView, Progress, enveloped_body, fingerprint_queued};
use metastamp_protocol::{ErrorCode, Fingerprint, ProcessingStatus, Timestamp};
use metastamp_store::documents::FingerprintRequest;
use serde_json::Value;

use super::assets::owned;
use super::auth::caller;
use super::error::{ApiError, Result};
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

/// What we promise a client that asks how long to wait.
const ESTIMATE_S: u64 = 5;

pub async fn request(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let body = request.json_object().await?;
    let Some(id) = body.get("asset_id").and_then(Value::as_str) else {
        return Err(ApiError::field("asset_id", "is required and must be a string"));
    };
    queue(app, owned(app, &caller.user, id).await?.id).await
}

pub async fn request_for(app: &Arc<App>, request: &mut Request, asset_id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    queue(app, owned(app, &caller.user, asset_id).await?.id).await
}

async fn queue(app: &Arc<App>, asset_id: metastamp_protocol::ObjectId) -> Result<Response> {
    if !app.config.fingerprinting {
        let message = "Fingerprinting is switched off on this installation";
        return Err(ApiError::new(ErrorCode::ServiceUnavailable, message));
    }
    match app.documents.request_fingerprint(asset_id, Timestamp::now()).await? {
        FingerprintRequest::Queued(fingerprint) => {
            app.actors.job_queued();
            Ok(response::json(202, &fingerprint_queued(&fingerprint, ESTIMATE_S)))
        }
        FingerprintRequest::Exists(fingerprint) => {
            let message = match fingerprint.processing_status {
                ProcessingStatus::Completed => "This asset has a fingerprint already",
                _ => "A fingerprint of this asset is being made",
            };
            let id = fingerprint.id.to_hex();
            Err(ApiError::new(ErrorCode::FingerprintExists, message).detail("fingerprint_id", id))
        }
    }
}

pub async fn by_id(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let found = app.documents.fingerprint(object_id(id)?).await?;
    let fingerprint = found.ok_or_else(|| ApiError::not_found("Fingerprint"))?;
    if fingerprint.user_id != caller.user.id {
        return Err(ApiError::new(ErrorCode::Forbidden, "This fingerprint belongs to someone else"));
    }
    show(app, &fingerprint).await
}

pub async fn by_asset(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let asset = owned(app, &caller.user, id).await?;
    let found = app.documents.fingerprint_of(asset.id).await?;
    show(app, &found.ok_or_else(|| ApiError::not_found("Fingerprint"))?).await
}

async fn show(app: &App, fingerprint: &Fingerprint) -> Result<Response> {
    let mut progress = None;
    if fingerprint.processing_status == ProcessingStatus::Processing {
        let told = app.cache.get(&progress_key(fingerprint.id)).await.ok().flatten();
        progress = told.and_then(|text| serde_json::from_str::<Progress>(&text).ok());
    }
    response::encoded(200, enveloped_body(&FingerprintView::new(fingerprint, progress)))
}
