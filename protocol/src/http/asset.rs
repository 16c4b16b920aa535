//! Assets as clients see them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{FingerprintView, Paging, PictureLink, PictureView, object};
use crate::files::extension;
use crate::{Asset, FileKind, Fingerprint, Metadata, ObjectId, Picture, ProcessingStatus, Timestamp, UploadStatus};

#[derive(Debug, Serialize)]
pub struct AssetView<'a> {
    id: ObjectId,
    asset_id: ObjectId,
    user_id: ObjectId,
    file_name: &'a str,
    original_file_name: &'a str,
    file_type: FileKind,
    file_size: u64,
    file_size_mb: f64,
    mime_type: &'a str,
    s3_key: &'a str,
    s3_bucket: &'a str,
    sha256: &'a str,
    upload_status: UploadStatus,
    status: UploadStatus,
    processing_status: Option<ProcessingStatus>,
    /// Never null: clients compare it with the four words.
    fingerprint_status: ProcessingStatus,
    fingerprint_id: Option<ObjectId>,
    error_message: Option<&'a str>,
    url_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    title: Option<&'a str>,
    description: Option<&'a str>,
    /// Left out when unknown: the web client draws a gauge at 0 for null.
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_touch_score: Option<f64>,
    /// With `thumbnailUrl`, which clients show, when there is a picture.
    metadata: Cow<'a, Metadata>,
    pictures: Vec<PictureView<'a>>,
    is_ready: bool,
    has_fingerprint: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> AssetView<'a> {
    pub fn new(asset: &'a Asset, link: PictureLink) -> Self {
        let metadata = match Picture::face(&asset.pictures) {
            Some(face) => Cow::Owned(asset.metadata.with("thumbnailUrl", &link(asset.id, &face.name))),
            None => Cow::Borrowed(&asset.metadata),
        };
        Self {
            id: asset.id,
            asset_id: asset.id,
            user_id: asset.user_id,
            file_name: &asset.file_name,
            original_file_name: asset.shown_name(),
            file_type: asset.file_type,
            file_size: asset.file_size,
            file_size_mb: (asset.file_size as f64 / 1_048_576.0 * 100.0).round() / 100.0,
            mime_type: &asset.mime_type,
            s3_key: &asset.s3_key,
            s3_bucket: &asset.s3_bucket,
            sha256: &asset.sha256,
            upload_status: asset.upload_status,
            status: asset.upload_status,
            processing_status: asset.processing_status,
            fingerprint_status: asset.processing_status.unwrap_or(ProcessingStatus::Pending),
            fingerprint_id: asset.fingerprint_id,
            error_message: asset.error_message.as_deref(),
            url_source: asset.url_source.as_deref(),
            url: asset.url_source.as_deref(),
            title: asset.title.as_deref(),
            description: asset.description.as_deref(),
            ai_touch_score: asset.ai_touch_score,
            metadata,
            pictures: PictureView::all(&asset.pictures, asset.id, link),
            is_ready: asset.upload_status == UploadStatus::Ready,
            has_fingerprint: asset.fingerprint_id.is_some(),
            created_at: asset.created_at,
            updated_at: asset.updated_at,
        }
    }
}

/// 201 of an upload: the asset flat, a message, and the asset under `data`.
pub fn upload_result(asset: &Asset, message: &str, link: PictureLink) -> Value {
    let flat = object(&AssetView::new(asset, link));
    let mut body = flat.clone();
    body.insert("message".to_owned(), json!(message));
    body.insert("data".to_owned(), Value::Object(flat));
    Value::Object(body)
}

/// One page of assets. The rows are rendered once and put in the three places where clients look.
///
/// # Errors
/// When a row can't be rendered as JSON, which would be a defect.
pub fn asset_list(
    items: &[Asset],
    total: u64,
    skip: u64,
    limit: u32,
    link: PictureLink,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        assets: &'a RawValue,
        total: u64,
        skip: u64,
        limit: u32,
        page: u64,
        has_more: bool,
        status: u16,
        data: Data<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        items: &'a RawValue,
        assets: &'a RawValue,
        total: u64,
        page: u64,
        limit: u32,
        has_more: bool,
        pagination: Value,
    }
    let views: Vec<AssetView> = items.iter().map(|asset| AssetView::new(asset, link)).collect();
    let rows = &*to_raw_value(&views)?;
    let paging = Paging { skip, limit, total, shown: items.len() };
    let (page, has_more, pagination) = (paging.page(), paging.has_more(), paging.view());
    let data = Data { items: rows, assets: rows, total, page, limit, has_more, pagination };
    // Sized beforehand: growing a body of this size step by step costs more than writing it.
    let mut body = Vec::with_capacity(rows.get().len() * 3 + 1_024);
    serde_json::to_writer(&mut body, &List { assets: rows, total, skip, limit, page, has_more, status: 200, data })?;
    Ok(body)
}

/// One asset with its fingerprint: flat, under `asset` and `fingerprint`, and under `data`.
pub fn asset_detail(asset: &Asset, fingerprint: Option<&Fingerprint>, now: Timestamp, link: PictureLink) -> Value {
    let flat = object(&AssetView::new(asset, link));
    let view = |fingerprint| Value::Object(object(&FingerprintView::new(fingerprint, None, None, link)));
    let fingerprint = fingerprint.map_or(Value::Null, view);
    let mut body = flat.clone();
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        let days = (now.millis() - asset.created_at.millis()).max(0) / 86_400_000;
        metadata.insert("file_extension".to_owned(), json!(extension(&asset.file_name).map(|e| format!(".{e}"))));
        metadata.insert("is_url_asset".to_owned(), json!(asset.file_type == FileKind::Url));
        metadata.insert("days_since_upload".to_owned(), json!(days));
        metadata.insert("fingerprint_available".to_owned(), json!(asset.fingerprint_id.is_some()));
    }
    let mut data = flat.clone();
    data.insert("fingerprint".to_owned(), fingerprint.clone());
    body.insert("asset".to_owned(), Value::Object(flat));
    body.insert("fingerprint".to_owned(), fingerprint);
    body.insert("data".to_owned(), Value::Object(data));
    Value::Object(body)
}

/// What a deletion removed. `object` is false when the object store failed; a background task tries again.
/// `analytics` counts the calculations.
pub fn asset_deleted(id: ObjectId, object: bool, fingerprint: bool, analytics: u64) -> Value {
    let message = "Asset deleted successfully";
    json!({
        "success": true,
        "message": message,
        "deleted_asset_id": id,
        "deleted_s3_object": object,
        "deleted_fingerprint": fingerprint,
        "deleted_analytics": analytics,
        "data": {
            "message": message,
            "asset_id": id,
            "deleted_items": {
                "asset": true, "s3_object": object, "fingerprint": fingerprint, "analytics": analytics > 0,
            },
        },
    })
}
