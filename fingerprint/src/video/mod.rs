//! Moving pictures.

#[allow(dead_code)] // Its users come next.
pub(crate) mod child;

use std::path::Path;

use serde::Serialize;

use crate::audio::AudioFingerprint;
use crate::{Algorithms, FingerprintError, Limits, Metadata, Picture, Progress, Tools};

/// Hashes of sampled frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoHashes {
    /// pHash 16 of each sampled frame, 64 hex digits.
    pub frame_hashes: Vec<String>,
    /// Presentation time of each sampled frame, seconds.
    pub frame_timestamps: Vec<f64>,
    /// PDQ of each sampled frame, 64 hex digits.
    pub frame_pdq: Vec<String>,
    /// PDQ quality of each sampled frame, 0 to 100.
    pub frame_pdq_quality: Vec<u8>,
    /// Exact mean of the frame hashes as 256-bit integers; empty without frames.
    pub average_hash: String,
    /// Seconds.
    pub sampling_interval: f64,
    pub total_frames_analyzed: u64,
    pub total_video_frames: u64,
    pub fps: f64,
    /// `keyframes` while only those were looked at (a first answer), `complete` at the end.
    pub sampling: &'static str,
}

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFingerprint {
    pub video_hashes: VideoHashes,
    /// Of the first audio track, when there is one.
    pub audio: Option<AudioFingerprint>,
    /// ISCC Video-Code, 64 bits.
    pub iscc_content: String,
    pub metadata: Metadata,
    /// `thumbnail` and `contact_sheet`.
    pub pictures: Vec<Picture>,
    pub algorithms: Algorithms,
}

/// Fingerprint of the video file at `path`. A first answer, from keyframes, goes to [`Progress::first`].
///
/// # Errors
/// See [`FingerprintError`].
pub fn fingerprint(
    _path: &Path,
    _tools: &Tools,
    _limits: &Limits,
    _progress: &mut dyn Progress,
) -> Result<VideoFingerprint, FingerprintError> {
    Err(FingerprintError::unsupported("this version can't fingerprint video files yet"))
}
