//! Pictures of works, and their addresses in views.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderValue};
use metastamp_protocol::{ObjectId, Timestamp};

use super::auth::caller;
use super::error::Result;
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

/// A browser may keep what it has: a picture never changes under its address.
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=43200, immutable");

/// Gives the signed addresses of pictures, as the views want them.
pub fn links<'a>(app: &'a App, request: &Request) -> impl Fn(ObjectId, &str) -> String + use<'a> {
    let origin = app.config.public_url.clone().unwrap_or_else(|| request.origin());
    let now = Timestamp::now();
    move |asset_id, name| format!("{origin}{}", app.service.works.picture_path(asset_id, name, now))
}

/// The bytes of one picture: by its signed address, or by the owner's token.
pub async fn show(app: Arc<App>, request: Request) -> Result<Response> {
    let name = request.params.get("name");
    let pairs = request.query_pairs();
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let works = &app.service.works;
    let picture = match value("signature") {
        "" => works.picture(caller(&app, &request).await?.user.id, request.id("asset_id")?, name).await?,
        signature => works.signed_picture(request.id("asset_id")?, name, value("expires"), signature).await?,
    };
    let mut response = response::raw(200, picture.media_type, picture.bytes);
    response.headers_mut().insert(CACHE_CONTROL, KEPT);
    Ok(response)
}
