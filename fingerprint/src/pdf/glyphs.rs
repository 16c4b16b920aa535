//! Names of glyphs to text (Adobe Glyph List Specification, 2): the list itself is lopdf's.

use lopdf::{Document, Object, dictionary};

/// Bytes of the longest name that is looked at.
const NAME_BYTES_MAX: usize = 127;

/// What a glyph stands for: `fi`, `Adieresis`, `uni00C4`, `u1F600`, `f_t`, `a.sc`. `None` for names that only its font
/// understands, such as `g23`.
pub(super) fn text(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES_MAX)?;
    // What follows a point tells variants apart.
    let base = name.split('.').next().filter(|base| !base.is_empty())?;
    base.split('_').map(component).collect()
}

fn component(name: &str) -> Option<String> {
    listed(name).or_else(|| units(name)).or_else(|| scalar(name).map(String::from))
}

/// A name of the list. lopdf keeps it to itself, but for what it makes of an encoding.
fn listed(name: &str) -> Option<String> {
    let font = dictionary! {
        "Type" => "Font",
        "Encoding" => dictionary! {
            "Differences" => vec![Object::Integer(0), Object::Name(name.as_bytes().to_vec())],
        },
    };
    let document = Document::new();
    let text = font.get_font_encoding(&document).ok()?.bytes_to_string(&[0]).ok()?;
    let text: String = text.chars().map(letters).collect::<Vec<_>>().concat();
    (!text.is_empty()).then_some(text)
}

/// The letters of a ligature that has a character of its own: those who write `ToUnicode` maps write letters.
fn letters(c: char) -> String {
    let letters = match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        _ => return c.into(),
    };
    letters.to_owned()
}

/// `uni` and UTF-16 units of four digits each.
fn units(name: &str) -> Option<String> {
    let digits = name.strip_prefix("uni")?;
    if digits.is_empty() || digits.len() % 4 != 0 || !is_upper_hex(digits) {
        return None;
    }
    let units: Vec<u16> = digits.as_bytes().chunks(4).filter_map(|unit| hex(unit).map(|unit| unit as u16)).collect();
    let text: String = String::from_utf16(&units).ok()?;
    Some(text.chars().map(letters).collect::<Vec<_>>().concat())
}

/// `u` and a code point of four to six digits.
fn scalar(name: &str) -> Option<char> {
    let digits = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()) && is_upper_hex(digits))?;
    char::from_u32(hex(digits.as_bytes())?)
}

fn is_upper_hex(digits: &str) -> bool {
    digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn names_become_text() {
        let cases = [
            ("A", Some("A")),
            ("fi", Some("fi")),
            ("ffi", Some("ffi")),
            ("f_t", Some("ft")),
            ("f_f_i", Some("ffi")),
            ("Adieresis", Some("Ä")),
            ("a.sc", Some("a")),
            ("f_i.alt", Some("fi")),
            ("uni00C4", Some("Ä")),
            ("uni00410042", Some("AB")),
            ("u1F600", Some("\u{1f600}")),
            ("u00C4.x", Some("Ä")),
            ("g23", None),
            ("cid:23", None),
            (".notdef", None),
            ("uni00c4", None),
            ("uD800", None),
            ("", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(text(name.as_bytes()).as_deref(), wanted, "{name}");
        }
    }
}
