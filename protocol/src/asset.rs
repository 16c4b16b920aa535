//! Assets: the works a creator has given us.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::{MoreDigests, Object, ObjectId, Picture, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    Text,
    Image,
    Audio,
    Video,
    Url,
}

impl FileKind {
    pub const ALL: [FileKind; 5] = [FileKind::Text, FileKind::Image, FileKind::Audio, FileKind::Video, FileKind::Url];

    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Text => "text",
            FileKind::Image => "image",
            FileKind::Audio => "audio",
            FileKind::Video => "video",
            FileKind::Url => "url",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Its fingerprint may take minutes: work of the other kinds must not wait behind it.
    pub fn is_long(self) -> bool {
        matches!(self, FileKind::Audio | FileKind::Video)
    }
}

/// Life of an asset: `queued` or `uploading` until the bytes are in, `processing` while fingerprinted, then `ready` or `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadStatus {
    Queued,
    Uploading,
    Processing,
    Ready,
    #[serde(alias = "processing_failed")]
    Failed,
}

impl UploadStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            UploadStatus::Queued => "queued",
            UploadStatus::Uploading => "uploading",
            UploadStatus::Processing => "processing",
            UploadStatus::Ready => "ready",
            UploadStatus::Failed => "failed",
        }
    }

    /// Accepts the synonyms that older clients send: `pending`, `completed`, `processing_failed`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "queued" | "pending" => UploadStatus::Queued,
            "uploading" => UploadStatus::Uploading,
            "processing" => UploadStatus::Processing,
            "ready" | "completed" => UploadStatus::Ready,
            "failed" | "processing_failed" => UploadStatus::Failed,
            _ => return None,
        })
    }
}

/// State of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessingStatus {
    Pending,
    Processing,
    Completed,
    Failed,
}

impl ProcessingStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessingStatus::Pending => "pending",
            ProcessingStatus::Processing => "processing",
            ProcessingStatus::Completed => "completed",
            ProcessingStatus::Failed => "failed",
        }
    }
}

/// A JSON object kept as its text: nearly every request only passes it on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    pub fn to_object(&self) -> Object {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }

    /// As it is, with one member more. For views: the text is not read.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let (name, value) = (serde_json::json!(name), serde_json::json!(value));
        let text = self.0.get().trim_end();
        let members = text.strip_suffix('}').unwrap_or(text).trim_end();
        let comma = if members.ends_with('{') { "" } else { "," };
        let more = RawValue::from_string(format!("{members}{comma}{name}:{value}}}"));
        more.map_or_else(|_| self.clone(), Self)
    }

    /// Adds members; those of the same name are replaced.
    pub fn extend(&mut self, more: Object) {
        let mut all = self.to_object();
        all.extend(more);
        // An object of JSON values always encodes.
        if let Ok(text) = to_raw_value(&all) {
            self.0 = text;
        }
    }
}

impl From<Object> for Metadata {
    fn from(object: Object) -> Self {
        let mut metadata = Self::default();
        metadata.extend(object);
        metadata
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_default())
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.to_object() == other.to_object()
    }
}

/// One work, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    pub id: ObjectId,
    pub user_id: ObjectId,
    pub file_name: String,
    /// As it was sent, when that is not the same; what people see, see [`shown_name`](crate::files::shown_name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_file_name: Option<String>,
    pub file_type: FileKind,
    /// Bytes.
    pub file_size: u64,
    /// The sniffed type, falling back to the declared one.
    pub mime_type: String,
    pub s3_key: String,
    pub s3_bucket: String,
    pub upload_status: UploadStatus,
    /// None before fingerprinting was asked for.
    #[serde(default)]
    pub processing_status: Option<ProcessingStatus>,
    /// Set only when a fingerprint completed: clients read any value as "done".
    #[serde(default)]
    pub fingerprint_id: Option<ObjectId>,
    #[serde(default)]
    pub error_message: Option<String>,
    #[serde(default)]
    pub url_source: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    /// Hex digest of the stored bytes.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<MoreDigests>,
    /// Pictures that were made of it; their objects lie beside its own, see [`picture_key`](crate::files::picture_key).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_touch_score: Option<f64>,
    #[serde(default)]
    pub metadata: Metadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Asset {
    /// The name that people see.
    pub fn shown_name(&self) -> &str {
        self.original_file_name.as_deref().unwrap_or(&self.file_name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssetSort {
    #[default]
    CreatedAt,
    FileName,
    FileSize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortDirection {
    Ascending,
    #[default]
    Descending,
}

/// What `GET /api/v1/assets` asks for, with all synonyms resolved. Ties are broken by id in the same direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetQuery {
    pub kind: Option<FileKind>,
    pub status: Option<UploadStatus>,
    pub sort: AssetSort,
    pub direction: SortDirection,
    pub skip: u64,
    pub limit: u32,
}
