//! Fingerprints: ask for one, read one.

use std::sync::Arc;

use metastamp_protocol::ObjectId;
use metastamp_protocol::http::{FingerprintView, enveloped_body, fingerprint_queued};
use metastamp_service::Caller;
use metastamp_service::works::FingerprintDetail;

use super::error::{Error, Result};
use super::pictures::links;
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

/// What we promise a client that asks how long to wait.
const ESTIMATE_S: u64 = 5;

pub async fn request(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let Some(id) = request.fields().await?.string("asset_id") else {
        return Err(Error::field("asset_id", "is required and must be a string"));
    };
    queue(&app, &caller, object_id(&id)?).await
}

pub async fn request_for(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    queue(&app, &caller, request.id("id")?).await
}

async fn queue(app: &App, caller: &Caller, asset_id: ObjectId) -> Result<Response> {
    let fingerprint = app.service.works.request_fingerprint(caller.user.id, asset_id).await?;
    Ok(response::json(202, &fingerprint_queued(&fingerprint, ESTIMATE_S)))
}

pub async fn by_id(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let found = app.service.works.fingerprint(caller.user.id, request.id("id")?).await?;
    show(&app, &request, found)
}

pub async fn by_asset(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let found = app.service.works.fingerprint_of(caller.user.id, request.id("asset_id")?).await?;
    show(&app, &request, found)
}

fn show(app: &App, request: &Request, found: FingerprintDetail) -> Result<Response> {
    let FingerprintDetail { fingerprint, progress, first } = found;
    let view = FingerprintView::new(&fingerprint, progress, first.as_ref(), &links(app, request));
    response::encoded(200, enveloped_body(&view))
}
