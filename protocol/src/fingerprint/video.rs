//! Hashes of the frames of moving pictures.

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// Hashes of sampled frames.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VideoHashes {
    /// Exact mean of the frame hashes as 256-bit integers; empty without frames.
    pub average_hash: String,
    pub fps: f64,
    /// pHash 16 of each sampled frame, 64 hex digits.
    pub frame_hashes: Vec<String>,
    /// PDQ of each sampled frame, 64 hex digits.
    pub frame_pdq: Vec<String>,
    /// PDQ quality of each sampled frame, 0 to 100.
    pub frame_pdq_quality: Vec<u8>,
    /// Presentation time of each sampled frame, seconds.
    pub frame_timestamps: Vec<f64>,
    /// `keyframes` while only those were looked at (a first answer), `complete` at the end.
    pub sampling: String,
    /// Seconds.
    pub sampling_interval: f64,
    pub total_frames_analyzed: u64,
    pub total_video_frames: u64,
    #[serde(flatten)]
    pub rest: Object,
}

impl VideoHashes {
    pub(super) const LINES: &'static [Line] = &[
        Line::new("average hash", "/video_hashes/average_hash", Show::Text),
        Line::new("frames", "/video_hashes/frame_hashes", Show::Frames),
    ];

    /// Leaves frames out evenly until no more than `frames_max` are listed.
    pub fn thin_out(&mut self, frames_max: usize) {
        let step = self.frame_hashes.len().div_ceil(frames_max.max(1)).max(1);
        every(step, &mut self.frame_hashes);
        every(step, &mut self.frame_pdq);
        every(step, &mut self.frame_pdq_quality);
        every(step, &mut self.frame_timestamps);
    }
}

/// Keeps the first of each `step` elements.
fn every<T>(step: usize, list: &mut Vec<T>) {
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        (at - 1) % step == 0
    });
}
