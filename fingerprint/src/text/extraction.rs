//! The text that iscc-sdk 0.9.7 makes a Text-Code of: what its extractor (Apache Tika, through iscc-tika 0.6) gives for a
//! plain text file. The codes of a file are equal only when its habits are kept, odd ones too:
//!
//! * Characters that XML does not allow, and those from U+007F to U+009F, become U+FFFD.
//! * Characters above U+FFFF become six U+FFFD each (each half of the surrogate pair as three broken bytes).
//! * Only 10,000,000 UTF-16 units are read.
//! * A text whose first 16,384 bytes hold no whole non-ASCII character of UTF-8 is not taken for UTF-8, whatever comes
//!   later: it is read as ISO-8859-1, or as windows-1252 when there is a carriage return among these bytes.

use encoding_rs::WINDOWS_1252;

use super::code::TextCode;

/// Bytes that decide about the encoding.
pub(super) const HEAD_BYTES: usize = 16_384;
/// UTF-16 units that are read.
const UNITS_MAX: u64 = 10_000_000;
/// What one half of a surrogate pair turns into, twice.
const BROKEN_PAIR: &str = "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}";

/// How the extractor reads the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadAs {
    /// By the encoding that was found.
    Decoded,
    Latin1,
    Windows1252,
}

impl ReadAs {
    /// Decides by the first [`HEAD_BYTES`] of a file, or all of it.
    pub(super) fn of(head: &[u8]) -> Self {
        let ascii = match head.iter().position(|byte| !byte.is_ascii()) {
            None => true,
            Some(at) => match std::str::from_utf8(&head[at..]) {
                Ok(_) => false,
                // Cut within its only character.
                Err(error) => error.valid_up_to() == 0 && error.error_len().is_none() && head.len() == HEAD_BYTES,
            },
        };
        if ascii { Self::single_byte(head) } else { Self::Decoded }
    }

    /// What a text in a single-byte Latin encoding is taken for.
    pub(super) fn single_byte(head: &[u8]) -> Self {
        if head.contains(&b'\r') { Self::Windows1252 } else { Self::Latin1 }
    }
}

/// Passes on to a [`TextCode`] what the extractor would.
#[derive(Debug)]
pub(super) struct Extraction {
    code: TextCode,
    units_left: u64,
    text: String,
}

impl Extraction {
    pub(super) fn new() -> Self {
        Self { code: TextCode::new(), units_left: UNITS_MAX, text: String::new() }
    }

    /// Adds decoded text.
    pub(super) fn feed(&mut self, text: &str) {
        let plain = plain_length(text.as_bytes());
        if text.len() as u64 > self.units_left {
            self.chars(text.chars());
        } else if plain == text.len() {
            self.units_left -= text.len() as u64;
            self.code.feed(text);
        } else {
            self.mostly_plain(text);
        }
    }

    /// As [`Self::chars`], for what is read whole.
    fn mostly_plain(&mut self, mut rest: &str) {
        let mut text = std::mem::take(&mut self.text);
        while !rest.is_empty() {
            let (plain, other) = rest.split_at(plain_length(rest.as_bytes()));
            text.push_str(plain);
            self.units_left -= plain.len() as u64;
            let mut chars = other.chars();
            if let Some(c) = chars.next() {
                self.units_left -= c.len_utf16() as u64;
                push(&mut text, c);
            }
            rest = chars.as_str();
        }
        self.code.feed(&text);
        text.clear();
        self.text = text;
    }

    /// Adds bytes of a text that is read as a single-byte encoding.
    pub(super) fn feed_bytes(&mut self, bytes: &[u8], read_as: ReadAs) {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => self.feed(text),
            _ if read_as == ReadAs::Windows1252 => {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
                self.chars(text.chars());
            }
            _ => self.chars(bytes.iter().map(|&byte| char::from(byte))),
        }
    }

    fn chars(&mut self, chars: impl Iterator<Item = char>) {
        let mut text = std::mem::take(&mut self.text);
        for c in chars {
            let units = c.len_utf16() as u64;
            if units > self.units_left {
                self.units_left = 0;
                break;
            }
            self.units_left -= units;
            push(&mut text, c);
        }
        self.code.feed(&text);
        text.clear();
        self.text = text;
    }

    pub(super) fn finish(self) -> Option<String> {
        self.code.finish()
    }
}

/// Adds what the extractor makes of `c`.
fn push(text: &mut String, c: char) {
    match c {
        '\u{10000}'.. => text.push_str(BROKEN_PAIR),
        '\t' | '\n' | '\r' => text.push(c),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => text.push(char::REPLACEMENT_CHARACTER),
        c => text.push(c),
    }
}

/// How many of the first bytes pass as they are.
fn plain_length(bytes: &[u8]) -> usize {
    // Many bytes at once first.
    let (chunks, _) = bytes.as_chunks::<32>();
    let whole =
        chunks.iter().take_while(|chunk| chunk.iter().fold(true, |all, &byte| all & is_plain(byte))).count() * 32;
    whole + bytes[whole..].iter().take_while(|&&byte| is_plain(byte)).count()
}

/// Passes as it is: all that is printed of ASCII, tabs and line ends. Without branches.
fn is_plain(byte: u8) -> bool {
    (byte.wrapping_sub(b' ') < 0x5f) | (byte == b'\t') | (byte == b'\n') | (byte == b'\r')
}
