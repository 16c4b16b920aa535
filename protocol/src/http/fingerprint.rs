//! Fingerprints as clients see them.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PictureLink, PictureView, enveloped};
use crate::fingerprint::{FingerprintContent, Section, VideoHashes};
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
    #[serde(flatten)]
    content: ContentView<'a>,
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
        let (progress_percent, message) = progress_of(status, progress);
        Self {
            id: fingerprint.id,
            fingerprint_id: fingerprint.id,
            asset_id: fingerprint.asset_id,
            fingerprint_type: fingerprint.fingerprint_type,
            processing_status: status,
            status,
            progress_percent,
            message,
            content: ContentView {
                content,
                kind: fingerprint.fingerprint_type,
                pictures: PictureView::all(&content.pictures, fingerprint.asset_id, link),
            },
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

fn progress_of(status: ProcessingStatus, progress: Option<Progress>) -> (u8, String) {
    match (status, progress) {
        (ProcessingStatus::Pending, _) => (0, "Waiting for a free worker".to_owned()),
        (ProcessingStatus::Processing, Some(progress)) => (progress.percent.min(99), progress.message),
        (ProcessingStatus::Processing, None) => (0, "Started".to_owned()),
        (ProcessingStatus::Completed, _) => (100, "Fingerprint completed".to_owned()),
        (ProcessingStatus::Failed, _) => (100, "Fingerprint failed".to_owned()),
    }
}

/// All sections, with null for those that the work does not have.
#[derive(Debug)]
struct ContentView<'a> {
    content: &'a FingerprintContent,
    kind: FileKind,
    pictures: Vec<PictureView<'a>>,
}

impl Serialize for ContentView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every section is named, so that one which is not listed below does not compile.
        let FingerprintContent {
            perceptual_hashes,
            pdq,
            chromaprint,
            iscc,
            digests,
            text_features,
            gps,
            pictures: _,
            spectral_data,
            video_hashes,
            image_metadata,
            audio_metadata,
            video_metadata,
            url_metadata,
            text_hash,
            text_length,
            word_count,
            line_count,
            metadata,
            algorithms,
            evidence,
        } = self.content;
        let mut map = serializer.serialize_map(None)?;
        // An empty object when the modality has none. Of a video its `frame_hashes`, once more.
        match (perceptual_hashes, video_hashes) {
            (Some(hashes), _) => map.serialize_entry("perceptual_hashes", hashes)?,
            (None, Some(video)) => map.serialize_entry("perceptual_hashes", &FrameHashes(video))?,
            (None, None) => map.serialize_entry("perceptual_hashes", &Object::new())?,
        }
        map.serialize_entry("pdq", pdq)?;
        map.serialize_entry("chromaprint", chromaprint)?;
        map.serialize_entry("iscc", iscc)?;
        map.serialize_entry("digests", digests)?;
        map.serialize_entry("text_features", text_features)?;
        map.serialize_entry("gps", gps)?;
        map.serialize_entry("pictures", &self.pictures)?;
        map.serialize_entry("spectral_data", spectral_data)?;
        map.serialize_entry("video_hashes", video_hashes)?;
        map.serialize_entry("embeddings", &())?;
        map.serialize_entry("text_hash", text_hash)?;
        map.serialize_entry("text_length", text_length)?;
        map.serialize_entry("word_count", word_count)?;
        map.serialize_entry("line_count", line_count)?;
        map.serialize_entry("image_metadata", image_metadata)?;
        map.serialize_entry("audio_metadata", audio_metadata)?;
        map.serialize_entry("video_metadata", video_metadata)?;
        map.serialize_entry("url_metadata", url_metadata)?;
        let mut metadata = metadata.clone();
        metadata.insert("file_type".to_owned(), json!(self.kind));
        map.serialize_entry("metadata", &metadata)?;
        map.serialize_entry("algorithms", algorithms)?;
        if !evidence.is_empty() {
            map.serialize_entry("evidence", evidence)?;
        }
        map.end()
    }
}

/// `frame_hashes` of a video, alone.
struct FrameHashes<'a>(&'a Section<VideoHashes>);

impl Serialize for FrameHashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Section::Current(video) => map.serialize_entry("frame_hashes", &video.frame_hashes)?,
            Section::Legacy(video) => {
                if let Some(frames) = video.get("frame_hashes") {
                    map.serialize_entry("frame_hashes", frames)?;
                }
            }
        }
        map.end()
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
