//! What finds a text again although it was edited.

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// What finds a text again although it was edited.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextFeatures {
    /// Missing when it can't be told reliably.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// SHA-256 of the normalised text, 64 hex digits: the same for texts that differ in case, punctuation, white space,
    /// encoding and compatibility forms only.
    pub normalized_hash: String,
    /// What finds passages.
    pub shingles: StoredShingles,
    #[serde(flatten)]
    pub rest: Object,
}

impl TextFeatures {
    /// With those of the members that stand beside the section.
    pub(super) const LINES: &'static [Line] = &[
        Line::new("text hash", "/text_hash", Show::Text),
        Line::new("text normalised", "/text_features/normalized_hash", Show::Text),
        Line::new("text", "/text_length", Show::TextCounts { words: "/word_count", lines: "/line_count" }),
    ];
}

/// Language of a text, when it can be told reliably.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Language {
    /// ISO 639-1 (`en`), or ISO 639-3 where that has no code.
    pub code: String,
    /// 0 to 1.
    pub confidence: f64,
    #[serde(flatten)]
    pub rest: Object,
}

/// Shingles as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredShingles {
    /// How many there are, at most 65,536.
    pub count: u32,
    /// Base64 (standard alphabet, padded) of 12 bytes each, by rising hash: the hash, an unsigned 64-bit number, and the
    /// offset of its first word in the text in Unicode scalar values, an unsigned 32-bit number, both little-endian.
    pub data: String,
    /// Always 4: of so many shingles in a row one was selected.
    pub window: u32,
    /// Always 5: words of a shingle; ten Han or Kana characters, or twenty letters of Thai, Lao, Myanmar and Khmer, count
    /// as much.
    pub words: u32,
    /// Lowest bits that are zero in all hashes: 0 unless more than 65,536 were selected.
    pub zero_bits: u32,
    #[serde(flatten)]
    pub rest: Object,
}
