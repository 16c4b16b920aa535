//! The stored fingerprint of one asset.

use serde::{Deserialize, Serialize};

use crate::{FileKind, Object, ObjectId, Picture, ProcessingStatus, Timestamp};

/// One per asset. Created once as `pending`, then updated in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub id: ObjectId,
    pub asset_id: ObjectId,
    pub user_id: ObjectId,
    pub fingerprint_type: FileKind,
    pub processing_status: ProcessingStatus,
    #[serde(flatten)]
    pub content: FingerprintContent,
    /// Seconds, 3 decimals.
    #[serde(default)]
    pub processing_duration: Option<f64>,
    /// At most 1,000 characters.
    #[serde(default)]
    pub error_message: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

/// What an engine found. Sections that a modality does not have stay `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FingerprintContent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perceptual_hashes: Option<Object>,
    /// PDQ with quality and its eight dihedral forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdq: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chromaprint: Option<Object>,
    /// International Standard Content Codes: of the whole, and of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iscc: Option<Object>,
    /// SHA-256, BLAKE3 and the like of the stored bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_features: Option<Object>,
    /// Where a picture was taken. For its owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_data: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_hashes: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_metadata: Option<Object>,
    /// SHA-256 hex of the trimmed text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    /// Unicode scalar values after trimming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_count: Option<u64>,
    /// Metadata of the modality, also merged into the asset.
    pub metadata: Object,
    /// Id and version of every algorithm that took part.
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub algorithms: Object,
}

impl Fingerprint {
    pub fn pending(id: ObjectId, asset_id: ObjectId, user_id: ObjectId, kind: FileKind, now: Timestamp) -> Self {
        Self {
            id,
            asset_id,
            user_id,
            fingerprint_type: kind,
            processing_status: ProcessingStatus::Pending,
            content: FingerprintContent::default(),
            processing_duration: None,
            error_message: None,
            created_at: now,
            updated_at: now,
            completed_at: None,
        }
    }
}

/// Cuts a message to what the contract allows, on a character boundary.
pub fn bounded_message(message: &str) -> String {
    message.chars().take(1_000).collect()
}
