//! Character codes of PDF fonts to text.
//!
//! A `ToUnicode` map is read here (ISO 32000-1, 9.10.3): lopdf expands its ranges, and one range
//! may claim four billion codes. Fonts without one use lopdf's encodings.

use std::collections::BTreeMap;

use lopdf::{Dictionary, Document, Encoding, Object};

use super::lexer::{Lexer, Token, decode_hex};

/// Bytes of a map once decompressed.
const MAP_BYTES_MAX: usize = 4 << 20;
/// UTF-16 units one code may stand for; ligatures take two to four.
const TARGET_UNITS_MAX: usize = 32;

/// How the strings of one font are read.
pub(super) enum FontText<'a> {
    Map(CharacterMap),
    Encoding(Encoding<'a>),
    /// Nothing tells which characters the codes stand for.
    Unknown,
}

/// A `ToUnicode` map. Codes are 1 to 4 bytes long, and equal numbers of different lengths differ.
#[derive(Default)]
pub(super) struct CharacterMap {
    /// Lowest and highest code, byte by byte.
    code_spaces: Vec<(Vec<u8>, Vec<u8>)>,
    /// (length, first code) to (last code, UTF-16 of the first code).
    ranges: BTreeMap<(usize, u32), (u32, Vec<u16>)>,
}

/// Reads how `font` encodes text. Also returns the size of its map in bytes, for the caller's
/// account.
pub(super) fn read<'a>(font: &'a Dictionary, document: &'a Document) -> (FontText<'a>, usize) {
    if let Ok(stream) = font.get_deref(b"ToUnicode", document).and_then(Object::as_stream) {
        let Ok(content) = stream.get_plain_content_with_limit(MAP_BYTES_MAX) else {
            return (FontText::Unknown, MAP_BYTES_MAX);
        };
        let map = CharacterMap::parse(&content);
        let text = if map.ranges.is_empty() { FontText::Unknown } else { FontText::Map(map) };
        return (text, content.len());
    }
    // Glyph numbers without a map; lopdf would read them as Latin letters.
    if font.get_deref(b"Encoding", document).and_then(Object::as_name).is_ok_and(|name| name.starts_with(b"Identity")) {
        return (FontText::Unknown, 0);
    }
    // Without a map nothing is decompressed, so that limit does not matter.
    let encoding = font.get_font_encoding_with_limit(document, MAP_BYTES_MAX);
    (encoding.map_or(FontText::Unknown, FontText::Encoding), 0)
}

impl FontText<'_> {
    /// Appends what `codes` stand for; unknown codes are left out.
    pub(super) fn decode(&self, codes: &[u8], text: &mut String) {
        match self {
            Self::Map(map) => map.decode(codes, text),
            Self::Encoding(encoding) => {
                // What was decoded before an error stays.
                let _ = encoding.write_to_string(codes, text);
            }
            Self::Unknown => {}
        }
    }
}

impl CharacterMap {
    fn parse(content: &[u8]) -> Self {
        let mut map = Self::default();
        let mut lexer = Lexer::new(content, 0);
        while let Some(token) = lexer.next() {
            match token {
                Token::Word(b"begincodespacerange") => map.parse_code_spaces(&mut lexer),
                Token::Word(b"beginbfchar") => map.parse_chars(&mut lexer),
                Token::Word(b"beginbfrange") => map.parse_ranges(&mut lexer),
                _ => {}
            }
        }
        map
    }

    fn parse_code_spaces(&mut self, lexer: &mut Lexer) {
        while let (Some(Token::Hex(low)), Some(Token::Hex(high))) = (lexer.next(), lexer.next()) {
            let (low, high) = (decode_hex(low), decode_hex(high));
            // More than a handful is an attack on the time it takes to decode.
            if low.len() == high.len() && (1..=4).contains(&low.len()) && self.code_spaces.len() < 64 {
                self.code_spaces.push((low, high));
            }
        }
    }

    fn parse_chars(&mut self, lexer: &mut Lexer) {
        while let (Some(Token::Hex(code)), Some(Token::Hex(target))) = (lexer.next(), lexer.next()) {
            let code = decode_hex(code);
            self.insert(&code, &code, target);
        }
    }

    fn parse_ranges(&mut self, lexer: &mut Lexer) {
        while let (Some(Token::Hex(low)), Some(Token::Hex(high))) = (lexer.next(), lexer.next()) {
            let (low, high) = (decode_hex(low), decode_hex(high));
            match lexer.next() {
                Some(Token::Hex(target)) => self.insert(&low, &high, target),
                Some(Token::ArrayStart) => self.parse_array(&low, lexer),
                _ => return,
            }
        }
    }

    /// One target for each code from `low` on.
    fn parse_array(&mut self, low: &[u8], lexer: &mut Lexer) {
        for (offset, token) in (0..).zip(lexer) {
            let Token::Hex(target) = token else { return };
            if let Some(code) = number(low).and_then(|code| code.checked_add(offset)) {
                let code = &code.to_be_bytes()[4 - low.len()..];
                self.insert(code, code, target);
            }
        }
    }

    fn insert(&mut self, low: &[u8], high: &[u8], target: &[u8]) {
        let (Some(first), Some(last)) = (number(low), number(high)) else { return };
        let target = decode_hex(target);
        let units: Vec<u16> = match target.as_slice() {
            [byte] => vec![u16::from(*byte)],
            bytes => bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
        };
        if first <= last && low.len() == high.len() && (1..=TARGET_UNITS_MAX).contains(&units.len()) {
            self.ranges.insert((low.len(), first), (last, units));
        }
    }

    fn decode(&self, mut codes: &[u8], text: &mut String) {
        while !codes.is_empty() {
            let length = self.code_length(codes);
            let (code, rest) = codes.split_at(length);
            self.push(code, text);
            codes = rest;
        }
    }

    /// Length of the next code: by its code space, else by what is mapped, else the shortest known.
    fn code_length(&self, codes: &[u8]) -> usize {
        let in_space = |(low, high): &&(Vec<u8>, Vec<u8>)| {
            codes.len() >= low.len()
                && codes.iter().zip(low).zip(high).all(|((code, low), high)| (low..=high).contains(&code))
        };
        let by_space = self.code_spaces.iter().filter(in_space).map(|(low, _)| low.len()).min();
        let mapped = || (1..=codes.len().min(4)).find(|&length| self.find(&codes[..length]).is_some());
        let shortest = || self.ranges.keys().next().map_or(1, |(length, _)| *length);
        by_space.or_else(mapped).unwrap_or_else(shortest).min(codes.len())
    }

    /// UTF-16 of the range of `code`, and how far behind its start it is.
    fn find(&self, code: &[u8]) -> Option<(&[u16], u32)> {
        let code = (code.len(), number(code)?);
        let ((length, first), (last, units)) = self.ranges.range(..=code).next_back()?;
        (*length == code.0 && code.1 <= *last).then(|| (units.as_slice(), code.1 - first))
    }

    fn push(&self, code: &[u8], text: &mut String) {
        let Some((units, offset)) = self.find(code) else { return };
        let last = units.len() - 1;
        // The last unit counts up through a range.
        let unit = |(at, unit): (usize, &u16)| if at == last { unit.wrapping_add(offset as u16) } else { *unit };
        let chars = char::decode_utf16(units.iter().enumerate().map(unit));
        text.extend(chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
}

/// Big-endian number of 1 to 4 bytes.
fn number(code: &[u8]) -> Option<u32> {
    (1..=4).contains(&code.len()).then(|| code.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}
