//! Information dictionary of a PDF document (ISO 32000-1, 14.3.3).

use lopdf::{Dictionary, Document, Object, decode_text_string};
use serde_json::Value;

use super::date::to_rfc3339;
use crate::Metadata;

/// Characters kept of one entry.
const TEXT_CHARS_MAX: usize = 1_000;
/// Bytes of an entry that are looked at.
const TEXT_BYTES_MAX: usize = 8 * TEXT_CHARS_MAX;

/// Key of the metadata, key of the dictionary.
const TEXTS: [(&str, &[u8]); 5] = [
    ("author", b"Author"),
    ("title", b"Title"),
    ("subject", b"Subject"),
    ("creator", b"Creator"),
    ("producer", b"Producer"),
];
const DATES: [(&str, &[u8]); 2] = [("creation_date", b"CreationDate"), ("modification_date", b"ModDate")];

/// All keys, with null for values.
pub(super) fn empty() -> Metadata {
    TEXTS.iter().chain(&DATES).map(|(key, _)| ((*key).to_owned(), Value::Null)).collect()
}

/// Texts and dates of `document`, null where absent or unreadable.
pub(super) fn read(document: &Document) -> Metadata {
    let mut metadata = empty();
    let info = document.trailer.get_deref(b"Info", document).and_then(Object::as_dict);
    let Ok(info) = info else { return metadata };
    for (key, name) in TEXTS {
        if let Some(text) = text(document, info, name) {
            metadata.insert(key.to_owned(), text.into());
        }
    }
    for (key, name) in DATES {
        if let Some(date) = text(document, info, name) {
            metadata.insert(key.to_owned(), to_rfc3339(&date).unwrap_or(date).into());
        }
    }
    metadata
}

fn text(document: &Document, info: &Dictionary, key: &[u8]) -> Option<String> {
    let object = info.get_deref(key, document).ok()?;
    if object.as_str().ok()?.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = decode_text_string(object).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let text: String = text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}
