//! Identifiers of the algorithms behind stored fingerprints.
//!
//! An identifier is stored beside every fingerprint and never reused: two hashes may be compared
//! only when their identifiers are equal. `@n` rises whenever the bits of an existing algorithm
//! could change for any input.

use std::collections::BTreeMap;

/// Output field (`phash`, `text_hash`, ...) to algorithm identifier (`phash/imagehash-16@2`).
pub type Algorithms = BTreeMap<&'static str, &'static str>;

/// DCT hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const PHASH: &str = "phash/imagehash-16@2";
/// Mean hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const AHASH: &str = "ahash/imagehash-16@2";
/// Horizontal gradient hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const DHASH: &str = "dhash/imagehash-16@2";
/// PDQ of pdqhash over the full size of the picture.
pub(crate) const PDQ: &str = "pdq/pdqhash-full@1";
/// The same of the picture without its uniform border (tolerance 16).
pub(crate) const PDQ_TRIMMED: &str = "pdq/pdqhash-trimmed-16@1";
/// The same hashes of a JPEG decoded at a fraction of its size (PNG and WebP: at full size), for lookups only.
pub(crate) const PHASH_SCALED: &str = "phash/imagehash-16-scaled@1";
pub(crate) const AHASH_SCALED: &str = "ahash/imagehash-16-scaled@1";
pub(crate) const DHASH_SCALED: &str = "dhash/imagehash-16-scaled@1";
pub(crate) const PDQ_SCALED: &str = "pdq/pdqhash-scaled@1";
/// ISCC Image-Code, version 0, 64 bits, after the normalisation of iscc-sdk 0.9.7.
pub(crate) const ISCC_IMAGE: &str = "iscc-image/v0-64-sdk-0.9.7@1";
/// SHA-256 over the trimmed text in UTF-8, malformed input replaced.
pub(crate) const TEXT_HASH: &str = "text/sha256-utf8-trimmed@1";
/// SHA-256 over the trimmed text of all pages of a PDF.
pub(crate) const PDF_TEXT_HASH: &str = "pdf/sha256-text-trimmed@1";
/// SHA-256 over the bytes of a PDF without extractable text.
pub(crate) const PDF_BYTES_HASH: &str = "pdf/sha256-bytes@1";
