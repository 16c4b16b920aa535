//! Fingerprints: ask for one, read one.

use std::sync::Arc;

use metastamp_actors::fingerprint::{first_answer_key, progress_key};
use metastamp_fingerprint::audio;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::http::{FingerprintView, Progress, enveloped_body, fingerprint_queued};
use metastamp_protocol::{ErrorCode, Fingerprint, ProcessingStatus, Timestamp};
use metastamp_store::documents::FingerprintRequest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::assets::owned;
use super::auth::caller;
use super::error::{ApiError, Result};
use super::pictures::links;
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
    let mut fingerprint = found.ok_or_else(|| ApiError::not_found("Fingerprint"))?;
    if fingerprint.user_id != caller.user.id {
        return Err(ApiError::new(ErrorCode::Forbidden, "This fingerprint belongs to someone else"));
    }
    show(app, request, &mut fingerprint).await
}

pub async fn by_asset(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let asset = owned(app, &caller.user, id).await?;
    let found = app.documents.fingerprint_of(asset.id).await?;
    show(app, request, &mut found.ok_or_else(|| ApiError::not_found("Fingerprint"))?).await
}

async fn show(app: &App, request: &Request, fingerprint: &mut Fingerprint) -> Result<Response> {
    let (mut progress, mut first) = (None, None);
    if fingerprint.processing_status == ProcessingStatus::Processing {
        progress = told::<Progress>(app, &progress_key(fingerprint.id)).await;
        first = told::<FingerprintContent>(app, &first_answer_key(fingerprint.id)).await;
    }
    unpack(fingerprint);
    let view = FingerprintView::new(fingerprint, progress, first.as_ref(), &links(app, request));
    response::encoded(200, enveloped_body(&view))
}

/// What a running job told, if it did. A courtesy: without a cache there is none.
async fn told<T: DeserializeOwned>(app: &App, key: &str) -> Option<T> {
    let text = app.cache.get(key).await.ok().flatten()?;
    serde_json::from_str(&text).ok()
}

/// The raw form of a Chromaprint is not stored, because the compressed one says the same in a quarter of the room.
fn unpack(fingerprint: &mut Fingerprint) {
    let Some(sound) = &mut fingerprint.content.chromaprint else { return };
    let compressed = sound.get("fingerprint").and_then(Value::as_str).unwrap_or_default();
    if let Some(raw) = audio::decompress(compressed) {
        sound.insert("raw".to_owned(), raw.into());
    }
}
