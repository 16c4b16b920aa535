//! Fingerprints as clients see them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PictureLink, PictureView, enveloped};
use crate::fingerprint::FingerprintContent;
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
    /// An empty object when the modality has none. Of a video its `frame_hashes`, once more.
    perceptual_hashes: Cow<'a, Object>,
    pdq: Option<&'a Object>,
    chromaprint: Option<&'a Object>,
    iscc: Option<&'a Object>,
    digests: Option<&'a Object>,
    text_features: Option<&'a Object>,
    gps: Option<&'a Object>,
    pictures: Vec<PictureView<'a>>,
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
    /// `progress` is the latest word of a running job, and `first` its first answer, if there are any.
    pub fn new(
        fingerprint: &'a Fingerprint,
        progress: Option<Progress>,
        first: Option<&'a FingerprintContent>,
        link: PictureLink,
    ) -> Self {
        let status = fingerprint.processing_status;
        let content = match (status, first) {
            (ProcessingStatus::Processing, Some(first)) => first,
            _ => &fingerprint.content,
        };
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
            perceptual_hashes: perceptual_hashes(content),
            pdq: content.pdq.as_ref(),
            chromaprint: content.chromaprint.as_ref(),
            iscc: content.iscc.as_ref(),
            digests: content.digests.as_ref(),
            text_features: content.text_features.as_ref(),
            gps: content.gps.as_ref(),
            pictures: PictureView::all(&content.pictures, fingerprint.asset_id, link),
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

fn perceptual_hashes(content: &FingerprintContent) -> Cow<'_, Object> {
    let frames = content.video_hashes.as_ref().and_then(|video| video.get("frame_hashes"));
    match (&content.perceptual_hashes, frames) {
        (Some(hashes), _) => Cow::Borrowed(hashes),
        (None, Some(frames)) => Cow::Owned(Object::from_iter([("frame_hashes".to_owned(), frames.clone())])),
        (None, None) => Cow::Owned(Object::new()),
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
