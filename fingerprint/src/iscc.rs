//! International Standard Content Codes (ISO 24138:2024), as iscc-sdk 0.9.7 gives them for files.
//!
//! The units come from `iscc-lib`, the library that iscc-sdk itself uses, or are made here where that is several times
//! cheaper (Text-Code and Data-Code, tested to be equal to the library's); the rest here is what iscc-sdk does around it.

pub(crate) mod data;
mod gear;
pub(crate) mod minhash;
mod sequence;
mod title;

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::{Digests, Iscc};

pub use sequence::{decode_sequence, encode_sequence};
pub use title::{TitleAndDescription, name_of_file};

/// Bits of each unit, as iscc-sdk makes them.
pub(crate) const BITS: u32 = 64;

/// The code of a file whose original name was `file_name`, and its units. `content` is missing when the modality gave
/// none, such as for an empty text; `None` when a unit is not one.
#[must_use]
pub fn compose(
    file_name: &str,
    embedded: &TitleAndDescription,
    content: Option<String>,
    digests: &Digests,
) -> Option<Iscc> {
    let meta = meta_code(file_name, embedded);
    let units: Vec<&str> =
        [meta.as_deref(), content.as_deref(), Some(&digests.iscc_data), Some(&digests.iscc_instance)]
            .into_iter()
            .flatten()
            .collect();
    let code = iscc_lib::gen_iscc_code_v0(&units, false).ok()?.iscc;
    let (data, instance) = (digests.iscc_data.clone(), digests.iscc_instance.clone());
    Some(Iscc { code, content, data, instance, meta, rest: Object::new() })
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
