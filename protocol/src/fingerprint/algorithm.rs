//! Identifiers of the algorithms behind stored fingerprints.
//!
//! An identifier is stored beside every fingerprint and never reused: two hashes may be compared
//! only when their identifiers are equal. `@n` rises whenever the bits of an existing algorithm
//! could change for any input. A name that turned out to say too little may get a fuller one: [`current`] knows both.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Output field (`phash`, `text_hash`, ...) to algorithm identifier (`phash/imagehash-16-pillow-12.2.0@2`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Algorithms(BTreeMap<Cow<'static, str>, Cow<'static, str>>);

impl Algorithms {
    /// The identifier behind `field`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(Borrow::borrow)
    }

    /// Says what made `field`, whatever was said before.
    pub fn insert(&mut self, field: &'static str, id: &'static str) {
        self.0.insert(field.into(), id.into());
    }

    pub fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Adds those of `more` whose field nothing is said of yet.
    pub fn fill(&mut self, more: Self) {
        for (field, id) in more.0 {
            self.0.entry(field).or_insert(id);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const N: usize> From<[(&'static str, &'static str); N]> for Algorithms {
    fn from(ids: [(&'static str, &'static str); N]) -> Self {
        let mut algorithms = Self::default();
        algorithms.extend(ids);
        algorithms
    }
}

impl Extend<(&'static str, &'static str)> for Algorithms {
    fn extend<T: IntoIterator<Item = (&'static str, &'static str)>>(&mut self, ids: T) {
        self.0.extend(ids.into_iter().map(|(field, id)| (field.into(), id.into())));
    }
}

/// DCT hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step of Pillow 12.2.0. The version is part of the
/// name: 12.0 and 13 resize tall and portrait pictures in another order of passes.
pub const PHASH: &str = "phash/imagehash-16-pillow-12.2.0@2";
/// Mean hash of imagehash with `hash_size` 16, after the same step.
pub const AHASH: &str = "ahash/imagehash-16-pillow-12.2.0@2";
/// Horizontal gradient hash of imagehash with `hash_size` 16, after the same step.
pub const DHASH: &str = "dhash/imagehash-16-pillow-12.2.0@2";
/// The same three of a picture with transparency, laid over white.
pub const PHASH_ON_WHITE: &str = "phash/imagehash-16-pillow-12.2.0-on-white@1";
pub const AHASH_ON_WHITE: &str = "ahash/imagehash-16-pillow-12.2.0-on-white@1";
pub const DHASH_ON_WHITE: &str = "dhash/imagehash-16-pillow-12.2.0-on-white@1";
/// What the three were called before their names told the version of Pillow; the bits are the same.
const RENAMED: [(&str, &str); 3] =
    [("phash/imagehash-16@2", PHASH), ("ahash/imagehash-16@2", AHASH), ("dhash/imagehash-16@2", DHASH)];

/// The name that an algorithm has today: two values may be compared when these are equal.
#[must_use]
pub fn current(id: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == id).map_or(id, |(_, new)| new)
}

/// PDQ of pdqhash over the full size of the picture, or of a sampled frame of a video.
pub const PDQ: &str = "pdq/pdqhash-full@1";
/// The same of the picture without its uniform border (tolerance 16).
pub const PDQ_TRIMMED: &str = "pdq/pdqhash-trimmed-16@1";
/// The same hashes of a JPEG decoded at a fraction of its size (PNG and WebP: at full size), for lookups only.
pub const PHASH_SCALED: &str = "phash/imagehash-16-scaled@1";
pub const AHASH_SCALED: &str = "ahash/imagehash-16-scaled@1";
pub const DHASH_SCALED: &str = "dhash/imagehash-16-scaled@1";
pub const PDQ_SCALED: &str = "pdq/pdqhash-scaled@1";
/// ISCC Image-Code, version 0, 64 bits, after the normalisation of iscc-sdk 0.9.7.
pub const ISCC_IMAGE: &str = "iscc/image-v0-64@1";
/// SHA-256 over the trimmed text in UTF-8, malformed input replaced.
pub const TEXT_HASH: &str = "text/sha256-utf8-trimmed@1";
/// SHA-256 over the trimmed text of all pages of a PDF.
pub const PDF_TEXT_HASH: &str = "pdf/sha256-text-trimmed@2";
/// SHA-256 over the bytes of a PDF without extractable text.
pub const PDF_BYTES_HASH: &str = "pdf/sha256-bytes@1";
/// Mean of the frame hashes as 256-bit integers, rounded down.
pub const VIDEO_AVERAGE: &str = "video/phash-integer-mean@1";
/// ISCC Video-Code, 64 bits, of ffmpeg's MPEG-7 signature at five frames a second.
pub const ISCC_VIDEO: &str = "iscc/video-v0-64@1";
/// SHA-256 of the file's bytes.
pub const SHA256: &str = "sha256@1";
/// BLAKE3 of the file's bytes, 256 bits.
pub const BLAKE3: &str = "blake3@1";
/// ISCC Meta-Code of ISO 24138:2024 over the title that iscc-sdk 0.9.7 takes.
pub const ISCC_META: &str = "iscc/meta-v0-64@1";
/// ISCC Data-Code of ISO 24138:2024.
pub const ISCC_DATA: &str = "iscc/data-v0-64@1";
/// ISCC Instance-Code of ISO 24138:2024.
pub const ISCC_INSTANCE: &str = "iscc/instance-v0-64@1";
/// SHA-256 of the words in normal form, joined by single spaces.
pub const TEXT_NORMALIZED_HASH: &str = "text/sha256-words@1";
/// Shingles of five words in normal form, XXH3, one of four winnowed.
pub const TEXT_SHINGLES: &str = "text/winnow-5-4-xxh3@1";
/// ISCC Text-Code of ISO 24138:2024, over the text that iscc-sdk 0.9.7 extracts of plain texts, and over that of the pages
/// of PDF documents as it is extracted here. Made to be compared across formats.
pub const ISCC_TEXT: &str = "iscc/text-v0-64@1";
/// Chromaprint's algorithm 2, resampled as fpcalc 1.5.1 does it, over the whole length.
pub const CHROMAPRINT: &str = "chromaprint/2-whole@1";
/// SHA-256 over the mel spectrogram in dB, frame after frame. Of this implementation only.
pub const MEL_SPECTROGRAM_HASH: &str = "mel/sha256-f32-frames@2";
/// SHA-256 over the chromagram, frame after frame. Of this implementation only.
pub const CHROMAGRAM_HASH: &str = "chroma/sha256-f32-frames@2";
/// Centroid and bandwidth as librosa 0.11 measures them at 22,050 Hz.
pub const SPECTRAL_DATA: &str = "spectral/librosa-22050@1";
/// ISCC Audio-Code of the Chromaprint of the whole length.
pub const ISCC_AUDIO: &str = "iscc/audio-v0-64@1";
