//! Pictures of works: thumbnails, waveforms, spectrograms, contact sheets.
//!
//! Clients put their addresses into `<img>`, which sends no token: so views carry signed addresses. The owner's token
//! opens them as well.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderValue};
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{ErrorCode, ObjectId, Timestamp};
use metastamp_store::StoreError;

use super::assets::owned;
use super::auth::caller;
use super::error::{ApiError, Result};
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

/// A browser may keep what it has: a picture never changes under its address.
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=43200, immutable");
/// Larger ones are not made.
const BYTES_MAX: u64 = 16 << 20;

/// Gives the signed addresses of pictures, as the views want them.
pub fn links<'a>(app: &'a App, request: &Request) -> impl Fn(ObjectId, &str) -> String + use<'a> {
    let origin = app.config.public_url.clone().unwrap_or_else(|| request.origin());
    let now = Timestamp::now();
    move |asset_id, name| format!("{origin}{}", app.pictures.path(asset_id, name, now))
}

/// The bytes of one picture.
pub async fn show(app: &Arc<App>, request: &mut Request, id: &str, name: &str) -> Result<Response> {
    let pairs = request.query_pairs();
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let asset = match value("signature") {
        "" => {
            let caller = caller(app, request).await?;
            owned(app, &caller.user, id).await?
        }
        signature => {
            let id = object_id(id)?;
            if !app.pictures.holds(id, name, value("expires"), signature, Timestamp::now()) {
                return Err(ApiError::new(ErrorCode::Forbidden, "The address of this picture is no longer valid"));
            }
            app.documents.asset(id).await?.ok_or_else(|| ApiError::not_found("Asset"))?
        }
    };
    let found = asset.pictures.iter().find(|picture| picture.name == name);
    let picture = found.ok_or_else(|| ApiError::not_found("Picture"))?;
    let key = picture_key(&asset.s3_key, picture);
    let bytes = app.objects.get_range(&key, 0..BYTES_MAX).await.map_err(|error| match error {
        StoreError::NotFound { .. } => ApiError::not_found("Picture"),
        error => error.into(),
    })?;
    let media_type = if picture.media_type == "image/png" { "image/png" } else { "image/jpeg" };
    let mut response = response::raw(200, media_type, bytes);
    response.headers_mut().insert(CACHE_CONTROL, KEPT);
    Ok(response)
}
