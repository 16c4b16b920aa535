//! Fingerprints and metadata of what creators upload: bytes in, hashes out.
//!
//! Every function here is blocking: no network, no async, and no threads beyond one that gives the PDF parser a deep
//! stack and one for the sound of a video. What decodes videos, `ffmpeg`, runs as a child process within bounds. Callers
//! run it on a bounded pool, best in a process of its own: see [`worker`].
//!
//! * [`file::fingerprint_file`]: any file, everything there is to know of it: a
//!   [`FingerprintContent`](metastamp_protocol::fingerprint::FingerprintContent), whose sections `protocol` defines.
//! * [`image`]: PNG, JPEG and WebP to pHash, aHash, dHash and PDQ (256 bits each), ISCC Image-Code, thumbnail.
//! * [`audio`]: sounds to Chromaprint, the spectral block, ISCC Audio-Code, waveform and spectrogram.
//! * [`video`]: pHash and PDQ of a frame a second, ISCC Video-Code, the sound, contact sheet.
//! * [`text`] and [`pdf`]: digests, winnowed shingles, language, ISCC Text-Code.
//! * [`digest`]: SHA-256, BLAKE3, ISCC Data- and Instance-Code of a stream of bytes, in one pass.
//! * [`compare`]: how alike two works are, algorithm by algorithm.
//!
//! Inputs are hostile until proven otherwise: each function takes [`Limits`], refuses what passes
//! them with a reason the creator can read ([`FingerprintError`]), and turns a panic of a decoder
//! into an error. Progress and cancellation go through [`Progress`].

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
pub mod text;
mod tools;
mod vector;
pub mod video;
pub mod worker;

pub use error::FingerprintError;
pub use file::{Found, fingerprint_file};
pub use image::ImageFingerprint;
pub use limits::Limits;
pub use pdf::PdfFingerprint;
pub use picture::EncodedPicture;
pub use progress::{NoProgress, Progress};
pub use text::TextFingerprint;
pub use tools::Tools;

/// What a modality knows about a file, ready to be stored as a JSON object.
pub type Metadata = metastamp_protocol::Object;

/// Parsers that only fuzz targets call directly.
#[doc(hidden)]
pub mod fuzzing {
    /// The MPEG-7 signature of a video.
    pub fn video_signature(bytes: &[u8]) -> Result<String, crate::FingerprintError> {
        crate::video::signature::iscc_code(bytes)
    }
}
