//! Identifiers of the algorithms behind stored fingerprints.
//!
//! An identifier is stored beside every fingerprint and never reused: two hashes may be compared
//! only when their identifiers are equal. `@n` rises whenever the bits of an existing algorithm
//! could change for any input.

use std::collections::BTreeMap;

/// Output field (`phash`, `text_hash`, ...) to algorithm identifier (`phash/imagehash-16@1`).
pub type Algorithms = BTreeMap<&'static str, &'static str>;

/// DCT hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const PHASH: &str = "phash/imagehash-16@1";
/// Mean hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const AHASH: &str = "ahash/imagehash-16@1";
/// Horizontal gradient hash of imagehash with `hash_size` 16, after the 256x256 Lanczos step.
pub(crate) const DHASH: &str = "dhash/imagehash-16@1";
/// SHA-256 over the trimmed text in UTF-8, malformed input replaced.
pub(crate) const TEXT_HASH: &str = "text/sha256-utf8-trimmed@1";
/// SHA-256 over the trimmed text of all pages of a PDF.
pub(crate) const PDF_TEXT_HASH: &str = "pdf/sha256-text-trimmed@1";
/// SHA-256 over the bytes of a PDF without extractable text.
pub(crate) const PDF_BYTES_HASH: &str = "pdf/sha256-bytes@1";
/// PDQ of each sampled frame of a video: that of the same pixels in an image.
pub(crate) const VIDEO_PDQ: &str = "pdq/pdqhash-full@1";
/// Mean of the frame hashes as 256-bit integers, rounded down.
pub(crate) const VIDEO_AVERAGE: &str = "video/phash-integer-mean@1";
/// ISCC Video-Code, 64 bits, of ffmpeg's MPEG-7 signature at five frames a second.
pub(crate) const ISCC_VIDEO: &str = "iscc-video/v0-64-sdk-0.9.7@1";
