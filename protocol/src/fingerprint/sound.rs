//! What sound gives, that of films too.

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// Chromaprint of the whole length, algorithm 2 (fpcalc's default).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Chromaprint {
    /// As `fpcalc -length 0` prints it: compressed, URL-safe base64 without padding.
    pub fingerprint: String,
    /// As `fpcalc -raw -length 0` prints it: unsigned 32-bit items, 7.8 a second. Not stored: the compressed form says
    /// the same in a quarter of the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Vec<u32>>,
    #[serde(flatten)]
    pub rest: Object,
}

impl Chromaprint {
    pub(super) const LINES: &'static [Line] = &[Line::new("chromaprint", "/chromaprint/fingerprint", Show::Beginning)];

    /// The raw items; none where they are not at hand.
    #[must_use]
    pub fn items(&self) -> &[u32] {
        self.raw.as_deref().unwrap_or_default()
    }
}

/// The spectral block of the contract.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpectralData {
    /// As [`mel_spectrogram_hash`](Self::mel_spectrogram_hash), over 12 notes per frame, C first, the strongest 1.
    pub chromagram_hash: String,
    /// Notes and frames.
    pub chromagram_shape: [u64; 2],
    /// Seconds.
    pub duration: f64,
    /// SHA-256 over 128 mel bands per frame in dB below the loudest: frame after frame, lowest band first, as
    /// 32-bit floats with the little end first.
    pub mel_spectrogram_hash: String,
    /// Bands and frames.
    pub mel_spectrogram_shape: [u64; 2],
    pub n_chroma: u32,
    pub n_mels: u32,
    pub sample_rate: u32,
    /// Hz, as the next two. All three or none: they are left out where the noise of the resampler would decide them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectral_bandwidth_mean: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectral_centroid_mean: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectral_centroid_std: Option<f64>,
    #[serde(flatten)]
    pub rest: Object,
}

impl SpectralData {
    pub(super) const LINES: &'static [Line] = &[
        Line::new("mel hash", "/spectral_data/mel_spectrogram_hash", Show::Text),
        Line::new("chroma hash", "/spectral_data/chromagram_hash", Show::Text),
    ];
}
