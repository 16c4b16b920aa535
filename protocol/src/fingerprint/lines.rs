//! What people are shown of a fingerprint, line by line: the table the command line prints from.
//!
//! Values are named by JSON pointers into a fingerprint as the API spells it, so that what other versions of a node
//! answer can be printed too. Each section tells its own lines, beside its members.

use super::{Chromaprint, Digests, Iscc, Pdq, PerceptualHashes, SpectralData, TextFeatures, VideoHashes};

/// One line. It is left out when its value is missing, null or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub label: &'static str,
    /// JSON pointer (RFC 6901) to the value.
    pub path: &'static str,
    pub show: Show,
}

/// How a value is put into words. What it names are pointers to further values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// As it is.
    Text,
    /// The beginning of a long text.
    Beginning,
    /// With the quality of the hash.
    WithQuality(&'static str),
    /// How many there are in a list of frames.
    Frames,
    /// Counts of a text: the value its characters.
    TextCounts { words: &'static str, lines: &'static str },
}

impl Line {
    pub(super) const fn new(label: &'static str, path: &'static str, show: Show) -> Self {
        Self { label, path, show }
    }
}

/// The lines of all sections, in the order they are printed in.
pub const LINES: [&[Line]; 8] = [
    PerceptualHashes::LINES,
    Pdq::LINES,
    Chromaprint::LINES,
    SpectralData::LINES,
    VideoHashes::LINES,
    TextFeatures::LINES,
    Iscc::LINES,
    Digests::LINES,
];

/// The first of these that a work has stands for the whole where there is room for one hash only.
pub const MAIN_HASHES: [&str; 4] =
    ["/perceptual_hashes/phash", "/video_hashes/average_hash", "/spectral_data/mel_spectrogram_hash", "/text_hash"];
