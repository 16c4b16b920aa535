//! Pictures that people look at: made beside the fingerprint, stored beside the asset.

use serde::{Deserialize, Serialize};

/// A picture that was made of a work, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// `thumbnail` (every visual work has one), `waveform` and `spectrogram` (sound), `contact_sheet` (video).
    pub name: String,
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes.
    pub size: u64,
}

impl Picture {
    /// All names there are, the one first that stands for the work in a list.
    pub const NAMES: [&str; 4] = ["thumbnail", "waveform", "spectrogram", "contact_sheet"];

    /// Of several, the one that stands for the work.
    pub fn face(pictures: &[Picture]) -> Option<&Picture> {
        Self::NAMES.iter().find_map(|name| pictures.iter().find(|picture| picture.name == *name))
    }
}
