//! Character codes of PDF fonts to text.
//!
//! A `ToUnicode` map is read here (ISO 32000-1, 9.10.3): lopdf expands its ranges, and one range
//! may claim four billion codes. Fonts without one go by their [`encoding`].

use std::collections::BTreeMap;

use lopdf::{Dictionary, Document, Object};

use super::encoding::{self, Table};
use super::lexer::{Lexer, Token, decode_hex};
use super::widths::Widths;

/// Bytes of a map once decompressed.
const MAP_BYTES_MAX: usize = 4 << 20;
/// UTF-16 units one code may stand for; ligatures take two to four.
const TARGET_UNITS_MAX: usize = 32;
/// Bytes of a string that are decoded at once; each may become about a hundred bytes of text.
const PIECE_BYTES: usize = 4 << 10;
/// The same of an encoding of characters, where each becomes three at most.
const STRING_BYTES_MAX: usize = 1 << 20;
/// What a table of 256 codes takes.
const TABLE_BYTES: usize = 8 << 10;

/// What is known of one font.
pub(super) struct Font {
    pub(super) text: FontText,
    pub(super) widths: Widths,
}

/// How the strings of one font are read.
pub(super) enum FontText {
    Map(CharacterMap),
    /// Codes of one byte.
    Table(Table),
    /// A predefined CMap that is an encoding of characters.
    Characters(&'static encoding_rs::Encoding),
    /// Nothing tells which characters the codes stand for; how many bytes a code has.
    Unknown(usize),
}

/// A `ToUnicode` map. Codes are 1 to 4 bytes long, and equal numbers of different lengths differ.
#[derive(Default)]
pub(super) struct CharacterMap {
    /// Lowest and highest code, byte by byte.
    code_spaces: Vec<(Vec<u8>, Vec<u8>)>,
    /// (length, first code) to (last code, UTF-16 of the first code).
    ranges: BTreeMap<(usize, u32), (u32, Vec<u16>)>,
}

/// Reads how `font` encodes text. Also returns the size of its maps in bytes, for the caller's
/// account.
pub(super) fn read(font: &Dictionary, document: &Document) -> (Font, usize) {
    let (text, bytes) = read_text(font, document);
    let (widths, more) = Widths::read(font, document);
    (Font { text, widths }, bytes + more)
}

fn read_text(font: &Dictionary, document: &Document) -> (FontText, usize) {
    let composite = font.has(b"DescendantFonts");
    let unknown = FontText::Unknown(if composite { 2 } else { 1 });
    if let Ok(stream) = font.get_deref(b"ToUnicode", document).and_then(Object::as_stream) {
        let Ok(content) = stream.get_plain_content_with_limit(MAP_BYTES_MAX) else {
            return (unknown, MAP_BYTES_MAX);
        };
        let map = CharacterMap::parse(&content);
        if !map.ranges.is_empty() {
            return (FontText::Map(map), content.len());
        }
    }
    // Glyph numbers without a map; lopdf would read them as Latin letters.
    let encoding = font.get_deref(b"Encoding", document).and_then(Object::as_name).unwrap_or_default();
    if let Some(characters) = encoding::predefined(encoding) {
        return (FontText::Characters(characters), 0);
    }
    if composite || encoding.starts_with(b"Identity") {
        return (FontText::Unknown(2), 0);
    }
    (encoding::table(font, document).map_or(unknown, FontText::Table), TABLE_BYTES)
}

impl FontText {
    /// Appends what `codes` stand for. Unknown codes are left out; returns how many there were.
    pub(super) fn decode(&self, codes: &[u8], text: &mut String) -> u64 {
        match self {
            Self::Map(map) => map.decode(codes, text),
            Self::Table(table) => decode_bytes(table, codes, text),
            Self::Characters(encoding) => {
                let (decoded, _) = encoding.decode_without_bom_handling(codes);
                let mut unknown = 0;
                text.extend(decoded.chars().filter(|&c| {
                    unknown += u64::from(c == char::REPLACEMENT_CHARACTER);
                    c != char::REPLACEMENT_CHARACTER
                }));
                unknown
            }
            Self::Unknown(length) => (codes.len() / length) as u64,
        }
    }

    /// Bytes of a string that are decoded at once: all of it where a code may have one byte or two.
    pub(super) fn piece_bytes(&self) -> usize {
        if matches!(self, Self::Characters(_)) { STRING_BYTES_MAX } else { PIECE_BYTES }
    }
}

fn decode_bytes(table: &Table, codes: &[u8], text: &mut String) -> u64 {
    let mut unknown = 0;
    for &code in codes {
        match table.get(usize::from(code)).and_then(Option::as_deref) {
            Some(known) => text.push_str(known),
            None => unknown += 1,
        }
    }
    unknown
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

    fn decode(&self, mut codes: &[u8], text: &mut String) -> u64 {
        let mut unknown = 0;
        while !codes.is_empty() {
            let length = self.code_length(codes);
            let (code, rest) = codes.split_at(length);
            unknown += u64::from(!self.push(code, text));
            codes = rest;
        }
        unknown
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

    /// False for a code that is not in the map.
    fn push(&self, code: &[u8], text: &mut String) -> bool {
        let Some((units, offset)) = self.find(code) else { return false };
        let last = units.len() - 1;
        // The last unit counts up through a range.
        let unit = |(at, unit): (usize, &u16)| if at == last { unit.wrapping_add(offset as u16) } else { *unit };
        let chars = char::decode_utf16(units.iter().enumerate().map(unit));
        text.extend(chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        true
    }
}

/// Big-endian number of 1 to 4 bytes.
fn number(code: &[u8]) -> Option<u32> {
    (1..=4).contains(&code.len()).then(|| code.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}
