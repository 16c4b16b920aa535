//! What finds a text again although it was edited.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::{StoredShingles, TextFeatures};

use super::language::Sample;
use super::overlap::Shingles;
use super::words::Words;

/// Bytes of one shingle as stored.
const RECORD_BYTES: usize = 12;

impl Shingles {
    /// As they are stored.
    pub(super) fn store(&self) -> StoredShingles {
        let mut bytes = Vec::with_capacity(self.entries.len() * RECORD_BYTES);
        for (hash, offset) in &self.entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        StoredShingles {
            count: self.entries.len() as u32,
            data: STANDARD.encode(bytes),
            window: super::shingles::WINDOW as u32,
            words: super::shingles::SHINGLE_WORDS,
            zero_bits: self.zero_bits,
            rest: Object::new(),
        }
    }

    /// The shingles again; `None` when their `data` is damaged.
    #[must_use]
    pub fn load(stored: &StoredShingles) -> Option<Self> {
        Self::decode(&stored.data, stored.zero_bits)
    }

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
            language: self.sample.language(),
            normalized_hash: hex::encode(hash),
            shingles: Shingles { entries, zero_bits }.store(),
            rest: Object::new(),
        }
    }
}
