//! What came back, and the parts of it that the harness reads.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{FileKind, Picture, ProcessingStatus, UploadStatus};
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One whole HTTP answer with the request it belongs to.
#[derive(Debug, Clone)]
pub struct Answer {
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Itself when the status is the expected one.
    pub fn expect(&self, status: u16) -> Result<&Self> {
        ensure!(self.status == status, "{self} instead of {status}");
        Ok(self)
    }

    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {self}"))
    }

    /// The JSON string at a pointer such as `/data/id`.
    pub fn text(&self, pointer: &str) -> Result<String> {
        let body = self.json()?;
        let text = body.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}: {self}"))?;
        Ok(text.to_owned())
    }

    /// `code` of an error body, empty when there is none.
    pub fn code(&self) -> String {
        self.text("/code").unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn as_asset(&self) -> Result<AssetInfo> {
        serde_json::from_slice(&self.body).with_context(|| format!("not an asset: {self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let shown: String = body.chars().take(600).collect();
        write!(f, "{} {} answered {}: {shown}", self.method, self.path, self.status)
    }
}

/// An asset as the harness needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetInfo {
    pub id: String,
    pub file_name: String,
    pub file_size: u64,
    pub sha256: String,
    pub s3_key: String,
    pub s3_bucket: String,
    pub mime_type: String,
    pub upload_status: UploadStatus,
    pub fingerprint_status: ProcessingStatus,
    pub fingerprint_id: Option<String>,
    pub error_message: Option<String>,
    #[serde(default)]
    pub pictures: Vec<PictureInfo>,
}

/// A picture that was made of a work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureInfo {
    pub name: String,
    pub media_type: String,
    pub width: u32,
    pub height: u32,
}

impl AssetInfo {
    /// The keys of all objects that belong to it, its own first.
    pub fn keys(&self) -> Vec<String> {
        let picture = |info: &PictureInfo| {
            let PictureInfo { name, media_type, width, height } = info.clone();
            picture_key(&self.s3_key, &Picture { name, media_type, width, height, size: 0 })
        };
        std::iter::once(self.s3_key.clone()).chain(self.pictures.iter().map(picture)).collect()
    }

    /// Nothing will change it any more by itself.
    pub fn is_settled(&self) -> bool {
        matches!(self.upload_status, UploadStatus::Ready | UploadStatus::Failed)
    }
}

/// A fingerprint as the harness needs it.
#[derive(Debug, Clone, Deserialize)]
pub struct FingerprintInfo {
    pub id: String,
    pub asset_id: String,
    pub fingerprint_type: FileKind,
    pub status: ProcessingStatus,
    pub error_message: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: metastamp_protocol::Object,
}
