//! Pictures that people look at: made beside the fingerprint, stored beside the asset.

/// One picture, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `thumbnail` (every visual work has one), `waveform` and `spectrogram` (sound), `contact_sheet` (video).
    pub name: &'static str,
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The encoded file.
    pub bytes: Vec<u8>,
}
