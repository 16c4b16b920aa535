//! Sound.

use std::path::Path;

use serde::Serialize;

use crate::{Algorithms, FingerprintError, Limits, Metadata, Picture, Progress, Tools};

/// Chromaprint of the whole length, algorithm 2 (fpcalc's default).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chromaprint {
    /// As `fpcalc -length 0` prints it: compressed, URL-safe base64 without padding.
    pub fingerprint: String,
    /// As `fpcalc -raw -length 0` prints it: unsigned 32-bit items, 7.8 a second.
    pub raw: Vec<u32>,
}

/// The spectral block of the contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpectralData {
    pub mel_spectrogram_hash: String,
    pub chromagram_hash: String,
    pub mel_spectrogram_shape: [u64; 2],
    pub chromagram_shape: [u64; 2],
    pub spectral_centroid_mean: f64,
    pub spectral_centroid_std: f64,
    pub spectral_bandwidth_mean: f64,
    pub duration: f64,
    pub sample_rate: u32,
    pub n_mels: u32,
    pub n_chroma: u32,
}

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioFingerprint {
    pub chromaprint: Chromaprint,
    pub spectral_data: SpectralData,
    /// ISCC Audio-Code, 64 bits.
    pub iscc_content: String,
    pub metadata: Metadata,
    /// `waveform` and `spectrogram`.
    pub pictures: Vec<Picture>,
    pub algorithms: Algorithms,
}

/// Fingerprint of the audio file at `path`.
///
/// # Errors
/// See [`FingerprintError`].
pub fn fingerprint(
    _path: &Path,
    _tools: &Tools,
    _limits: &Limits,
    _progress: &mut dyn Progress,
) -> Result<AudioFingerprint, FingerprintError> {
    Err(FingerprintError::unsupported("this version can't fingerprint audio files yet"))
}
