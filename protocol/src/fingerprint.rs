//! What a fingerprint is: the sections that works of a modality have, as engines make them, stores keep them and clients
//! see them.
//!
//! Each kind of section has a file of its own here: its members, the words people are shown of it, and what is known of
//! its versions. Members of a section stand in alphabetical order, which is the order they are written in. They may be
//! added to, never taken away, renamed or given another type: nodes of two versions read the same documents while one
//! takes the place of the other. What a newer version added survives reading and writing, in `rest`. Which version of an
//! algorithm made a value is told by [`algorithm`] ids, which are stored beside the values.

pub mod algorithm;
mod content;
mod digests;
mod image;
mod iscc;
mod lines;
mod picture;
mod section;
mod sound;
mod text;
mod video;

use serde::{Deserialize, Serialize};

pub use algorithm::Algorithms;
pub use content::{Evidence, FingerprintContent};
pub use digests::{Digests, MoreDigests};
pub use image::{OnWhite, PDQ_FORMS, Pdq, PerceptualHashes, TrimmedPdq};
pub use iscc::Iscc;
pub use lines::{LINES, Line, MAIN_HASHES, Show};
pub use picture::Picture;
pub use section::Section;
pub use sound::{Chromaprint, SpectralData};
pub use text::{Language, StoredShingles, TextFeatures};
pub use video::VideoHashes;

use crate::{FileKind, Object, ObjectId, ProcessingStatus, Timestamp};

/// The stored fingerprint of one asset: one per asset, created once as `pending`, then updated in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub id: ObjectId,
    pub asset_id: ObjectId,
    pub user_id: ObjectId,
    pub fingerprint_type: FileKind,
    pub processing_status: ProcessingStatus,
    #[serde(flatten)]
    pub content: FingerprintContent,
    /// Seconds, 3 decimals.
    #[serde(default)]
    pub processing_duration: Option<f64>,
    /// At most 1,000 characters.
    #[serde(default)]
    pub error_message: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// Sections and members of a newer version.
    #[serde(flatten)]
    pub rest: Object,
}

impl Fingerprint {
    pub fn pending(id: ObjectId, asset_id: ObjectId, user_id: ObjectId, kind: FileKind, now: Timestamp) -> Self {
        Self {
            id,
            asset_id,
            user_id,
            fingerprint_type: kind,
            processing_status: ProcessingStatus::Pending,
            content: FingerprintContent::default(),
            processing_duration: None,
            error_message: None,
            created_at: now,
            updated_at: now,
            completed_at: None,
            rest: Object::new(),
        }
    }
}

/// Cuts a message to what the contract allows, on a character boundary.
pub fn bounded_message(message: &str) -> String {
    message.chars().take(1_000).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
