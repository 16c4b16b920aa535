//! Encodings of fonts without a `ToUnicode` map (ISO 32000-1, 9.6.6 and 9.7.5).

use encoding_rs::{BIG5, EUC_JP, EUC_KR, GB18030, SHIFT_JIS, UTF_16BE};
use lopdf::{Dictionary, Document, Object, dictionary};

use super::glyphs;

/// Codes and names that are read of one font: twice as many as there are codes of one byte are plenty.
const DIFFERENCES_MAX: usize = 1_024;

/// What each code of one byte stands for.
pub(super) type Table = Vec<Option<Box<str>>>;

/// The table of a font whose `Encoding` is a name or a dictionary, or missing: then, as of a font that has no encoding of
/// its own, the standard one. `None` where it can't be known.
pub(super) fn table(font: &Dictionary, document: &Document) -> Option<Table> {
    let Ok(encoding) = font.get_deref(b"Encoding", document) else { return base(b"StandardEncoding") };
    match encoding {
        Object::Name(name) => base(name),
        Object::Dictionary(encoding) => {
            let name = encoding.get_deref(b"BaseEncoding", document).and_then(Object::as_name);
            let mut table = base(name.unwrap_or(b"StandardEncoding"))?;
            if let Ok(differences) = encoding.get_deref(b"Differences", document).and_then(Object::as_array) {
                differ(&mut table, differences, document);
            }
            Some(table)
        }
        _ => None,
    }
}

/// One of the encodings that have a name.
fn base(name: &[u8]) -> Option<Table> {
    let font = dictionary! { "Type" => "Font", "Encoding" => Object::Name(name.to_vec()) };
    let document = Document::new();
    let encoding = font.get_font_encoding(&document).ok()?;
    let text = |code: u8| encoding.bytes_to_string(&[code]).ok().filter(|text| !text.is_empty());
    Some((0..=255).map(|code| text(code).map(String::into_boxed_str)).collect())
}

/// Codes and the names of the glyphs from each on.
fn differ(table: &mut Table, differences: &[Object], document: &Document) {
    let mut code = 0_usize;
    for object in differences.iter().take(DIFFERENCES_MAX) {
        match document.dereference(object).map(|(_, object)| object) {
            Ok(Object::Integer(first)) => code = usize::try_from(*first).unwrap_or(usize::MAX),
            Ok(Object::Name(name)) => {
                if let Some(place) = table.get_mut(code) {
                    *place = glyphs::text(name).map(String::into_boxed_str);
                }
                code = code.saturating_add(1);
            }
            _ => {}
        }
    }
}

/// The encoding behind one of the predefined CMaps of Chinese, Japanese and Korean (ISO 32000-1, table 118); `None` for
/// those that are glyph numbers.
pub(super) fn predefined(name: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.strip_suffix("-H").or_else(|| name.strip_suffix("-V"))?;
    let is = |part: &str| name.contains(part);
    if name.starts_with("Uni") {
        return (is("UCS2") || is("UTF16")).then_some(UTF_16BE);
    }
    Some(match name {
        "EUC" => EUC_JP,
        _ if is("RKSJ") => SHIFT_JIS,
        _ if is("GB-EUC") || is("GBpc-EUC") || is("GBK") => GB18030,
        _ if is("B5") => BIG5,
        _ if is("KSC-EUC") || is("KSCms-UHC") || is("KSCpc-EUC") => EUC_KR,
        _ => return None,
    })
}
