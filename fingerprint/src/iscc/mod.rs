//! International Standard Content Codes (ISO 24138:2024).

use serde::Serialize;

/// The code of a file and the units it is made of, each in canonical form (`ISCC:…`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Iscc {
    /// Composite ISCC-CODE, as iscc-sdk gives it for the file.
    pub code: String,
    /// Meta-Code of title or file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<String>,
    /// Content-Code of the modality: Text, Image, Audio or Video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Data-Code.
    pub data: String,
    /// Instance-Code.
    pub instance: String,
}
