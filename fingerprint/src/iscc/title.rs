//! What a Meta-Code is made of: the title within a file, or the file's name.

use serde_json::Value;

use crate::Metadata;

/// Bytes of an embedded text that are looked at; the Meta-Code takes 128 of a title and 4,096 of a description.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// What a file says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TitleAndDescription {
    /// Title of the work.
    pub title: Option<String>,
    /// What iscc-sdk takes for a description.
    pub description: Option<String>,
}

impl TitleAndDescription {
    /// Takes `title_key` and `description_keys` (the first that is there) from `metadata`.
    #[must_use]
    pub(crate) fn from_metadata(metadata: &Metadata, title_key: &str, description_keys: &[&str]) -> Self {
        let text = |key: &str| match metadata.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(cut(text).to_owned()),
            _ => None,
        };
        Self { title: text(title_key), description: description_keys.iter().find_map(|key| text(key)) }
    }

    /// The same without markup, as iscc-sdk takes what documents and images say.
    #[must_use]
    pub(crate) fn sanitized(self) -> Self {
        let clean = |text: Option<String>| text.map(|text| sanitize(&text)).filter(|text| !text.is_empty());
        Self { title: clean(self.title), description: clean(self.description) }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Name of a work whose file is called `file_name`: without directories and extension, `-` and `_` as spaces.
#[must_use]
pub fn name_of_file(file_name: &str) -> String {
    let base = file_name.rsplit('/').next().unwrap_or(file_name);
    // Dots at the start are part of the name (`.txt` has no extension).
    let dots = base.len() - base.trim_start_matches('.').len();
    let stem = match base[dots..].rfind('.') {
        Some(at) => &base[..dots + at],
        None => base,
    };
    stem.replace(['-', '_'], " ")
}

/// Markup dropped, the commonest entities resolved, white space collapsed.
fn sanitize(text: &str) -> String {
    let mut text = text.to_owned();
    for element in ["script", "style"] {
        text = without_element(&text, element);
    }
    let text = unescape(&without_tags(&text));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` without `<element …>…</element>`, in any case.
fn without_element(text: &str, element: &str) -> String {
    // ASCII only, so that offsets stay the same.
    let lower = text.to_ascii_lowercase();
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(start) = lower[at..].find(&open).map(|found| at + found) {
        let Some(end) = lower[start..].find(&close).map(|found| start + found + close.len()) else { break };
        kept.push_str(&text[at..start]);
        at = end;
    }
    kept.push_str(&text[at..]);
    kept
}

/// `text` without tags and comments. A `<` that no letter, `/` or `!` follows is text.
fn without_tags(text: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('<') {
        kept.push_str(&rest[..start]);
        let tag = &rest[start..];
        let is_tag = tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        let end =
            if tag.starts_with("<!--") { tag.find("-->").map(|end| end + 3) } else { tag.find('>').map(|end| end + 1) };
        match end {
            Some(end) if is_tag => rest = &tag[end..],
            _ => {
                kept.push('<');
                rest = &tag[1..];
            }
        }
    }
    kept.push_str(rest);
    kept
}

fn unescape(text: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('&') {
        kept.push_str(&rest[..start]);
        let entity = &rest[start..];
        match entity.find(';').filter(|&end| end <= 10).and_then(|end| Some((resolve(&entity[1..end])?, end))) {
            Some((c, end)) => {
                kept.push(c);
                rest = &entity[end + 1..];
            }
            None => {
                kept.push('&');
                rest = &entity[1..];
            }
        }
    }
    kept.push_str(rest);
    kept
}

fn resolve(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&c| c != '\0')?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let cases = [
            ("report-2024_final.txt", "report 2024 final"),
            ("a/b/c.tar.gz", "c.tar"),
            (".hidden.txt", ".hidden"),
            (".txt", ".txt"),
            ("..txt", "..txt"),
            ("name", "name"),
            ("Grüße.md", "Grüße"),
            ("", ""),
        ];
        for (file, name) in cases {
            assert_eq!(name_of_file(file), name, "{file}");
        }
    }

    #[test]
    fn markup_goes() {
        let cases = [
            ("Tom &amp; Jerry", "Tom & Jerry"),
            ("AT&T", "AT&T"),
            ("a < b > c", "a < b > c"),
            ("<b>bold</b>  and\n<i>more</i>", "bold and more"),
            ("x<SCRIPT src=a>alert(1)</script>y", "xy"),
            ("x<!-- no -->y", "xy"),
            ("&#x41;&#66;&bogus; &", "AB&bogus; &"),
            ("<script", "<script"),
        ];
        for (given, expected) in cases {
            assert_eq!(sanitize(given), expected, "{given}");
        }
    }

    #[test]
    fn metadata_gives_strings_only() {
        let metadata = serde_json::json!({"title": "T", "subject": null, "comment": "", "description": "D"});
        let serde_json::Value::Object(metadata) = metadata else { unreachable!() };
        let found = TitleAndDescription::from_metadata(&metadata, "title", &["subject", "comment", "description"]);
        assert_eq!(found, TitleAndDescription { title: Some("T".into()), description: Some("D".into()) });
        assert_eq!(TitleAndDescription::from_metadata(&metadata, "comment", &[]), TitleAndDescription::default());
    }
}
