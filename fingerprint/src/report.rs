//! Everything that one file gave, under the names of the HTTP contract.

use serde::Serialize;

use crate::audio::{Chromaprint, SpectralData};
use crate::digest::Digests;
use crate::image::{Pdq, PerceptualHashes};
use crate::iscc::Iscc;
use crate::text::TextFeatures;
use crate::video::VideoHashes;
use crate::{Algorithms, Metadata, Picture};

/// Sections that a modality does not have stay `None` and are left out.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(default)]
pub struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perceptual_hashes: Option<PerceptualHashes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdq: Option<Pdq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_data: Option<SpectralData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chromaprint: Option<Chromaprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_hashes: Option<VideoHashes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_features: Option<TextFeatures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iscc: Option<Iscc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
    /// Where a picture was taken; for its owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Metadata>,
    /// What the modality knows about the file, also merged into the asset.
    pub metadata: Metadata,
    /// Output field to algorithm id.
    pub algorithms: Algorithms,
    /// Not part of the document: stored as objects of their own.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
}
