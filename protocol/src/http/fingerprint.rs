//! Fingerprints as clients see them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::enveloped;
use crate::{FileKind, Fingerprint, Object, ObjectId, ProcessingStatus, Timestamp};

/// How far a running job is. Kept in the cache, never in the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0..=100.
    pub percent: u8,
    /// What it is doing, for people.
    pub message: String,
}

#[derive(Debug, Serialize)]
pub struct FingerprintView<'a> {
    id: ObjectId,
    fingerprint_id: ObjectId,
    asset_id: ObjectId,
    fingerprint_type: FileKind,
    processing_status: ProcessingStatus,
    status: ProcessingStatus,
    progress_percent: u8,
    message: String,
    /// An empty object when the modality has none.
    perceptual_hashes: &'a Object,
    spectral_data: Option<&'a Object>,
    video_hashes: Option<&'a Object>,
    embeddings: Option<&'a Object>,
    text_hash: Option<&'a str>,
    text_length: Option<u64>,
    word_count: Option<u64>,
    line_count: Option<u64>,
    image_metadata: Option<&'a Object>,
    audio_metadata: Option<&'a Object>,
    video_metadata: Option<&'a Object>,
    url_metadata: Option<&'a Object>,
    metadata: Object,
    algorithms: &'a Object,
    processing_duration: Option<f64>,
    error_message: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
    completed_at: Option<Timestamp>,
    // Reserved for phase 2, always null.
    training_detected: Option<bool>,
    dataset_matches: Option<Vec<String>>,
    similarity_scores: Option<Object>,
    legal_status: Option<String>,
}

impl<'a> FingerprintView<'a> {
    /// `progress` is the latest word of a running job, if there is one.
    pub fn new(fingerprint: &'a Fingerprint, progress: Option<Progress>) -> Self {
        static EMPTY: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        let content = &fingerprint.content;
        let status = fingerprint.processing_status;
        let (progress_percent, message) = match (status, progress) {
            (ProcessingStatus::Pending, _) => (0, "Waiting for a free worker".to_owned()),
            (ProcessingStatus::Processing, Some(progress)) => (progress.percent.min(99), progress.message),
            (ProcessingStatus::Processing, None) => (0, "Started".to_owned()),
            (ProcessingStatus::Completed, _) => (100, "Fingerprint completed".to_owned()),
            (ProcessingStatus::Failed, _) => (100, "Fingerprint failed".to_owned()),
        };
        let mut metadata = content.metadata.clone();
        metadata.insert("file_type".to_owned(), json!(fingerprint.fingerprint_type));
        Self {
            id: fingerprint.id,
            fingerprint_id: fingerprint.id,
            asset_id: fingerprint.asset_id,
            fingerprint_type: fingerprint.fingerprint_type,
            processing_status: status,
            status,
            progress_percent,
            message,
            perceptual_hashes: content.perceptual_hashes.as_ref().unwrap_or(&EMPTY),
            spectral_data: content.spectral_data.as_ref(),
            video_hashes: content.video_hashes.as_ref(),
            embeddings: None,
            text_hash: content.text_hash.as_deref(),
            text_length: content.text_length,
            word_count: content.word_count,
            line_count: content.line_count,
            image_metadata: content.image_metadata.as_ref(),
            audio_metadata: content.audio_metadata.as_ref(),
            video_metadata: content.video_metadata.as_ref(),
            url_metadata: content.url_metadata.as_ref(),
            metadata,
            algorithms: &content.algorithms,
            processing_duration: fingerprint.processing_duration,
            error_message: fingerprint.error_message.as_deref(),
            created_at: fingerprint.created_at,
            updated_at: fingerprint.updated_at,
            completed_at: fingerprint.completed_at,
            training_detected: None,
            dataset_matches: None,
            similarity_scores: None,
            legal_status: None,
        }
    }
}

/// 202 of a request to (re)do a fingerprint.
pub fn fingerprint_queued(fingerprint: &Fingerprint, estimated_s: u64) -> Value {
    enveloped(&json!({
        "fingerprint_id": fingerprint.id,
        "asset_id": fingerprint.asset_id,
        "status": fingerprint.processing_status,
        "message": "Fingerprint generation queued",
        "estimated_completion_seconds": estimated_s,
        "created_at": fingerprint.created_at,
    }))
}
