//! International Standard Content Codes (ISO 24138:2024), as iscc-sdk 0.9.7 gives them for files.
//!
//! The units come from `iscc-lib`, the library that iscc-sdk itself uses, or are made here where that is several times
//! cheaper (Text-Code and Data-Code, tested to be equal to the library's); the rest here is what iscc-sdk does around it.

pub(crate) mod data;
mod gear;
pub(crate) mod minhash;
mod sequence;
mod title;

use serde::Serialize;

use crate::digest::Digests;
pub use sequence::{decode_sequence, encode_sequence};
pub use title::{TitleAndDescription, name_of_file};

/// Bits of each unit, as iscc-sdk makes them.
pub(crate) const BITS: u32 = 64;

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

impl Iscc {
    /// The code of a file whose original name was `file_name`. `content` is missing when the modality gave none, such as
    /// for an empty text; `None` when a unit is not one.
    #[must_use]
    pub fn compose(
        file_name: &str,
        embedded: &TitleAndDescription,
        content: Option<String>,
        digests: &Digests,
    ) -> Option<Self> {
        let meta = meta_code(file_name, embedded);
        let units: Vec<&str> =
            [meta.as_deref(), content.as_deref(), Some(&digests.iscc_data), Some(&digests.iscc_instance)]
                .into_iter()
                .flatten()
                .collect();
        let code = iscc_lib::gen_iscc_code_v0(&units, false).ok()?.iscc;
        Some(Self { code, meta, content, data: digests.iscc_data.clone(), instance: digests.iscc_instance.clone() })
    }
}

/// Meta-Code of the embedded title, else of the file's name; `None` when both are empty once cleaned.
#[must_use]
pub fn meta_code(file_name: &str, embedded: &TitleAndDescription) -> Option<String> {
    let description = embedded.description.as_deref();
    let of = |name: &str| iscc_lib::gen_meta_code_v0(name, description, None, BITS).ok().map(|code| code.iscc);
    embedded.title.as_deref().and_then(of).or_else(|| of(&name_of_file(file_name)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
