//! Fingerprints and metadata of what creators upload: bytes in, hashes out.
//!
//! Every function here is pure and blocking: no clock, no network, no threads of its own beyond the
//! one that gives the PDF parser a deep stack. Callers run it on a bounded pool.
//!
//! * [`image::fingerprint`]: PNG, JPEG and WebP to pHash, aHash, dHash and PDQ (256 bits each), ISCC Image-Code, thumbnail.
//! * [`text::fingerprint`]: a stream of bytes to a SHA-256 of its trimmed text, in constant memory.
//! * [`pdf::fingerprint`]: a PDF document to a SHA-256 of its text, and its information dictionary.
//!
//! Inputs are hostile until proven otherwise: each function takes [`Limits`], refuses what passes
//! them with a reason the creator can read ([`FingerprintError`]), and turns a panic of a decoder
//! into an error. Progress and cancellation go through [`Progress`].

mod algorithm;
pub mod audio;
pub mod compare;
pub mod digest;
mod error;

pub mod file;
mod guard;
pub mod image;
pub mod iscc;
mod limits;
pub mod pdf;
mod picture;
mod progress;
mod report;
pub mod text;
mod tools;
mod vector;
pub mod video;
pub mod worker;

pub use algorithm::Algorithms;
pub use error::FingerprintError;
pub use file::{Kind, fingerprint_file};
pub use image::{ImageFingerprint, PerceptualHashes};
pub use limits::Limits;
pub use pdf::PdfFingerprint;
pub use picture::Picture;
pub use progress::{NoProgress, Progress};
pub use report::Report;
pub use text::TextFingerprint;
pub use tools::Tools;

/// What a modality knows about a file, ready to be stored as a JSON object.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// Parsers that only fuzz targets call directly.
#[doc(hidden)]
pub mod fuzzing {
    /// The MPEG-7 signature of a video.
    pub fn video_signature(bytes: &[u8]) -> Result<String, crate::FingerprintError> {
        crate::video::signature::iscc_code(bytes)
    }
}
