//! Bodies of the HTTP contract. Success bodies are supersets: the flat payload plus the same under `data`.

mod analytics;
mod asset;
mod error;
mod fingerprint;
mod paging;
mod partner;
mod usage;
mod user;
pub mod wallet;

pub use analytics::{CalculationView, ProjectionView, calculation_body};
pub use asset::{AssetView, asset_deleted, asset_detail, asset_list, upload_result};
pub use error::{ErrorBody, FieldErrors};
pub use fingerprint::{FingerprintView, Progress, fingerprint_queued};
pub use paging::Paging;
pub use partner::{ApiKeyView, BalanceView, DepositView, PartnerView};
pub use usage::UsageView;
pub use user::{SessionView, UserView};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Object, ObjectId, Picture};

/// Gives the address of a picture of an asset, by its name.
pub type PictureLink<'a> = &'a (dyn Fn(ObjectId, &str) -> String + Sync);

/// A picture, and where to get it.
#[derive(Debug, Serialize)]
pub struct PictureView<'a> {
    name: &'a str,
    url: String,
    media_type: &'a str,
    width: u32,
    height: u32,
}

impl<'a> PictureView<'a> {
    fn all(pictures: &'a [Picture], asset_id: ObjectId, link: PictureLink) -> Vec<Self> {
        let view = |picture: &'a Picture| PictureView {
            name: &picture.name,
            url: link(asset_id, &picture.name),
            media_type: &picture.media_type,
            width: picture.width,
            height: picture.height,
        };
        pictures.iter().map(view).collect()
    }
}

/// `payload` with `data` added: what most endpoints answer.
pub fn enveloped<T: Serialize>(payload: &T) -> Value {
    let flat = object(payload);
    let mut body = flat.clone();
    body.insert("data".to_owned(), Value::Object(flat));
    Value::Object(body)
}

/// One page of a list of which every row is a view: `items`, and the same under `data` with `pagination`.
pub fn listed<T: Serialize>(items: &[T], paging: Paging) -> Value {
    let mut body = json!({
        "items": items, "total": paging.total, "page": paging.page(), "limit": paging.limit,
        "hasMore": paging.has_more(),
    });
    let mut data = body.clone();
    data["pagination"] = paging.view();
    body["data"] = data;
    body
}

/// The body of [`enveloped`], written without building it in memory first: for what is asked most.
///
/// # Errors
/// When `payload` can't be rendered as JSON, which would be a defect.
pub fn enveloped_body<T: Serialize>(payload: &T) -> serde_json::Result<Vec<u8>> {
    let flat = serde_json::to_vec(payload)?;
    let members = flat.strip_suffix(b"}").unwrap_or(&flat);
    let mut body = Vec::with_capacity(flat.len() * 2 + 16);
    body.extend_from_slice(members);
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(&flat);
    body.push(b'}');
    Ok(body)
}

/// Any struct as a JSON object. Our views always are one.
pub(crate) fn object<T: Serialize>(payload: &T) -> Object {
    match serde_json::to_value(payload) {
        Ok(Value::Object(object)) => object,
        other => Object::from_iter([("value".to_owned(), json!(other.ok()))]),
    }
}
