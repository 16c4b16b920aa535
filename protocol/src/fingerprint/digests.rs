//! Digests of the bytes of any file, all made in one pass.

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// All digests of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Digests {
    /// BLAKE3, 64 lower-case hex digits.
    pub blake3: String,
    /// ISCC Data-Code, 64 bits, `ISCC:GA…`: similar for similar bytes.
    pub iscc_data: String,
    /// ISCC Instance-Code, 64 bits, `ISCC:IA…`: a check sum.
    pub iscc_instance: String,
    /// SHA-256, 64 lower-case hex digits.
    pub sha256: String,
    #[serde(flatten)]
    pub rest: Object,
}

/// Those beside the SHA-256, which uploads, assets and jobs keep as a member of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoreDigests {
    /// As in [`Digests`], like the others.
    pub blake3: String,
    pub iscc_data: String,
    pub iscc_instance: String,
}

impl MoreDigests {
    /// With the SHA-256 of the same bytes.
    #[must_use]
    pub fn with(self, sha256: String) -> Digests {
        let Self { blake3, iscc_data, iscc_instance } = self;
        Digests { blake3, iscc_data, iscc_instance, sha256, rest: Object::new() }
    }
}

impl Digests {
    pub(super) const LINES: &'static [Line] =
        &[Line::new("sha-256", "/digests/sha256", Show::Text), Line::new("blake3", "/digests/blake3", Show::Text)];

    /// The SHA-256 and the others apart.
    #[must_use]
    pub fn split(self) -> (String, MoreDigests) {
        let Self { blake3, iscc_data, iscc_instance, sha256, rest: _ } = self;
        (sha256, MoreDigests { blake3, iscc_data, iscc_instance })
    }
}
