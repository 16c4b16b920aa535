//! International Standard Content Codes (ISO 24138:2024).

use serde::{Deserialize, Serialize};

use super::{Line, Show};
use crate::Object;

/// The code of a file and the units it is made of, each in canonical form (`ISCC:…`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Iscc {
    /// Composite ISCC-CODE, as iscc-sdk gives it for the file.
    pub code: String,
    /// Content-Code of the modality: Text, Image, Audio or Video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Data-Code.
    pub data: String,
    /// Instance-Code.
    pub instance: String,
    /// Meta-Code of title or file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<String>,
    #[serde(flatten)]
    pub rest: Object,
}

impl Iscc {
    pub(super) const LINES: &'static [Line] = &[
        Line::new("iscc", "/iscc/code", Show::Text),
        Line::new("  meta", "/iscc/meta", Show::Text),
        Line::new("  content", "/iscc/content", Show::Text),
        Line::new("  data", "/iscc/data", Show::Text),
        Line::new("  instance", "/iscc/instance", Show::Text),
    ];
}
