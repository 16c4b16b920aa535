//! What finds a text again although it was edited.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::language::{Language, Sample};
use super::overlap::Shingles;
use super::words::Words;

/// Bytes of one shingle as stored.
const RECORD_BYTES: usize = 12;

/// What finds a text again although it was edited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextFeatures {
    /// SHA-256 of the normalised text, 64 hex digits: the same for texts that differ in case, punctuation, white space,
    /// encoding and compatibility forms only.
    pub normalized_hash: String,
    /// Missing when it can't be told reliably.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What finds passages.
    pub shingles: StoredShingles,
}

/// Shingles as they are stored: [`StoredShingles::load`] reads them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredShingles {
    /// Always 5: words of a shingle; ten Han or Kana characters, or twenty letters of Thai, Lao, Myanmar and Khmer, count
    /// as much.
    pub words: u32,
    /// Always 4: of so many shingles in a row one was selected.
    pub window: u32,
    /// Lowest bits that are zero in all hashes: 0 unless more than 65,536 were selected.
    pub zero_bits: u32,
    /// How many there are, at most 65,536.
    pub count: u32,
    /// Base64 (standard alphabet, padded) of 12 bytes each, by rising hash: the hash, an unsigned 64-bit number, and the
    /// offset of its first word in the text in Unicode scalar values, an unsigned 32-bit number, both little-endian.
    pub data: String,
}

impl StoredShingles {
    pub(super) fn store(shingles: &Shingles) -> Self {
        let mut bytes = Vec::with_capacity(shingles.entries.len() * RECORD_BYTES);
        for (hash, offset) in &shingles.entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        Self {
            words: super::shingles::SHINGLE_WORDS,
            window: super::shingles::WINDOW as u32,
            zero_bits: shingles.zero_bits,
            count: shingles.entries.len() as u32,
            data: STANDARD.encode(bytes),
        }
    }

    /// The shingles again; `None` when `data` is damaged.
    #[must_use]
    pub fn load(&self) -> Option<Shingles> {
        Shingles::decode(&self.data, self.zero_bits)
    }
}

impl Shingles {
    /// Reads [`StoredShingles::data`]; `None` when it is damaged.
    #[must_use]
    pub fn decode(data: &str, zero_bits: u32) -> Option<Self> {
        let bytes = STANDARD.decode(data).ok()?;
        let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
        let entry = |record: &[u8; RECORD_BYTES]| {
            let (hash, offset) = record.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*hash), u32::from_le_bytes(offset.try_into().ok()?)))
        };
        let entries: Vec<_> = records.iter().map(entry).collect::<Option<_>>()?;
        let rising = entries.is_sorted_by(|(before, _), (after, _)| before < after);
        let sampled = entries.iter().all(|(hash, _)| hash.trailing_zeros() >= zero_bits);
        (rest.is_empty() && rising && sampled).then_some(Self { entries, zero_bits })
    }
}

/// Features of decoded text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct FeatureStream {
    words: Words,
    sample: Sample,
}

impl FeatureStream {
    /// Adds `text`, which follows what was fed before.
    pub(crate) fn feed(&mut self, text: &str) {
        self.words.feed(text);
        self.sample.feed(text);
    }

    pub(crate) fn finish(self) -> TextFeatures {
        let (hash, shingler) = self.words.finish();
        let (entries, zero_bits) = shingler.kept();
        TextFeatures {
            normalized_hash: hex::encode(hash),
            language: self.sample.language(),
            shingles: StoredShingles::store(&Shingles { entries, zero_bits }),
        }
    }
}
