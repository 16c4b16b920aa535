//! Hashes of still pictures.

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// Three 256-bit hashes, each 64 lower-case hex digits, bits row by row, highest bit first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PerceptualHashes {
    /// Pixels against their mean.
    pub ahash: String,
    /// Each pixel against its left neighbour.
    pub dhash: String,
    /// Bits per side of each hash: 16.
    pub hash_size: u32,
    /// The same hashes of the picture laid over white, when it is transparent somewhere: the colours under transparency,
    /// which the others are made of, are often one and the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_white: Option<OnWhite>,
    /// Low frequencies of the DCT against their median.
    pub phash: String,
    #[serde(flatten)]
    pub rest: Object,
}

/// The three hashes of a transparent picture laid over white.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OnWhite {
    pub ahash: String,
    pub dhash: String,
    pub phash: String,
    #[serde(flatten)]
    pub rest: Object,
}

impl PerceptualHashes {
    pub(super) const LINES: &'static [Line] = &[
        Line::new("phash", "/perceptual_hashes/phash", Show::Text),
        Line::new("ahash", "/perceptual_hashes/ahash", Show::Text),
        Line::new("dhash", "/perceptual_hashes/dhash", Show::Text),
    ];
}

/// The forms of [`Pdq::dihedral`], in its order: the order in which pdqhash gives them.
pub const PDQ_FORMS: [&str; 8] = [
    "original",
    "rotate_90",
    "rotate_180",
    "rotate_270",
    "flip_vertical",
    "flip_horizontal",
    "rotate_90_flip",
    "rotate_270_flip",
];

/// PDQ (Facebook, 2019), 256 bits; equal to pdqhash 0.2.8. Compare only with quality of 50 and more; 31 bits or fewer
/// apart is a match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pdq {
    /// The hash of the picture turned and mirrored, as [`PDQ_FORMS`] names it.
    pub dihedral: Vec<String>,
    /// 64 lower-case hex digits.
    pub hash: String,
    /// 0 (flat) to 100.
    pub quality: u8,
    /// The same without a uniform border, when the picture has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<TrimmedPdq>,
    #[serde(flatten)]
    pub rest: Object,
}

/// PDQ of a picture without its border.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrimmedPdq {
    /// What is left: left, top, width, height in pixels.
    #[serde(rename = "box")]
    pub area: [u32; 4],
    pub dihedral: Vec<String>,
    pub hash: String,
    pub quality: u8,
    #[serde(flatten)]
    pub rest: Object,
}

impl Pdq {
    pub(super) const LINES: &'static [Line] = &[
        Line::new("pdq", "/pdq/hash", Show::WithQuality("/pdq/quality")),
        Line::new("pdq trimmed", "/pdq/trimmed/hash", Show::Text),
    ];
}
