//! All sections of a fingerprint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Algorithms, Chromaprint, Digests, Iscc, Pdq, PerceptualHashes, Picture, Section, SpectralData, TextFeatures,
    VideoHashes,
};
use crate::Object;

/// Output field (`phash`, `iscc_content`, ...) to how much of its value the work decides, in per cent of the bits; the
/// others are decided by rounding and noise. Of a picture of one colour that is nothing.
pub type Evidence = BTreeMap<String, u8>;

/// What was found out about one work. Sections that its modality does not have stay `None`, and are left out where they
/// are stored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FingerprintContent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perceptual_hashes: Option<Section<PerceptualHashes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdq: Option<Pdq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chromaprint: Option<Chromaprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iscc: Option<Iscc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_features: Option<TextFeatures>,
    /// Where a picture was taken: `latitude` and `longitude` in degrees, `altitude` in metres. For its owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Object>,
    /// Pictures made of the work, once they are stored beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_data: Option<Section<SpectralData>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_hashes: Option<Section<VideoHashes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_metadata: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_metadata: Option<Object>,
    /// SHA-256 of the trimmed text, 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    /// Unicode scalar values after trimming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_count: Option<u64>,
    /// What the modality knows about the file, also merged into the asset.
    pub metadata: Object,
    /// Id and version of every algorithm that took part.
    #[serde(skip_serializing_if = "Algorithms::is_empty")]
    pub algorithms: Algorithms,
    /// How much is behind the values, where that is measured.
    #[serde(skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
}

impl FingerprintContent {
    /// The hashes of a picture, when they are of the shape of today.
    #[must_use]
    pub fn perceptual_hashes(&self) -> Option<&PerceptualHashes> {
        self.perceptual_hashes.as_ref()?.current()
    }

    /// Measures of a sound, when they are of the shape of today.
    #[must_use]
    pub fn spectral_data(&self) -> Option<&SpectralData> {
        self.spectral_data.as_ref()?.current()
    }

    /// The hashes of frames, when they are of the shape of today.
    #[must_use]
    pub fn video_hashes(&self) -> Option<&VideoHashes> {
        self.video_hashes.as_ref()?.current()
    }

    /// The pHash of a picture, whatever the shape of its section.
    #[must_use]
    pub fn phash(&self) -> Option<&str> {
        match self.perceptual_hashes.as_ref()? {
            Section::Current(hashes) => Some(&hashes.phash),
            Section::Legacy(members) => members.get("phash")?.as_str(),
        }
    }
}
