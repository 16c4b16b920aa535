//! In which encoding a text is: decided once for the door, which lets texts in, and for the engine, which reads them.
//!
//! Byte order marks, UTF-16 and UTF-32 by the places of their zeros, UTF-16 by the alphabet that its units spell, valid UTF-8,
//! and else the statistical guess of `chardetng` (Latin, Cyrillic, Greek, Shift-JIS, EUC, GB18030, Big5, ISO-2022-JP and
//! others), corrected where it knows nothing of an encoding.

mod narrow;
mod wide;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that decide.
pub const HEAD_BYTES: usize = 64 << 10;

/// How the bytes of a text become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Nothing but ASCII so far.
    Ascii,
    /// One that `encoding_rs` decodes.
    Known(&'static Encoding),
    Utf32Le,
    Utf32Be,
}

impl Charset {
    /// Lower-case name, as the WHATWG spells it.
    pub fn name(self) -> String {
        match self {
            Self::Ascii => "ascii".to_owned(),
            Self::Known(encoding) => encoding.name().to_lowercase(),
            Self::Utf32Le => "utf-32le".to_owned(),
            Self::Utf32Be => "utf-32be".to_owned(),
        }
    }
}

/// What [`Decoding`] has decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    pub charset: Charset,
    /// A byte order mark said so.
    pub marked: bool,
    /// 0 to 1; those of byte order marks and whole UTF-8 are told by the caller, who knows whether all of it was valid.
    pub confidence: f64,
}

/// Whether `byte` may mean something else than itself: not ASCII, a zero of UTF-16, or the escape of ISO-2022-JP.
pub fn decides(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, 0 | 0x1b)
}

/// Decides by `window`; `late` when other text came before, `whole` when nothing follows.
pub fn decide(window: &[u8], late: bool, whole: bool) -> Guess {
    let sure = |charset| Guess { charset, marked: true, confidence: 1.0 };
    if !late {
        match window {
            [0xff, 0xfe, 0, 0, ..] => return sure(Charset::Utf32Le),
            [0, 0, 0xfe, 0xff, ..] => return sure(Charset::Utf32Be),
            _ => {}
        }
        if let Some((encoding, _)) = Encoding::for_bom(window) {
            return sure(Charset::Known(encoding));
        }
        if let Some(charset) = by_zeros(window) {
            return Guess { charset, marked: false, confidence: 0.9 };
        }
    }
    if !late && let Some(encoding) = wide::guess(window) {
        return Guess { charset: Charset::Known(encoding), marked: false, confidence: 0.9 };
    }
    let is_utf8 = match std::str::from_utf8(window) {
        Ok(_) => true,
        // The window may end within a character.
        Err(error) => error.error_len().is_none() && !whole && window.len() - error.valid_up_to() < 4,
    };
    if is_utf8 && !window.contains(&0x1b) {
        let charset = if window.is_ascii() { Charset::Ascii } else { Charset::Known(UTF_8) };
        return Guess { charset, marked: false, confidence: 0.99 };
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(window, true);
    let allow = if is_utf8 { Utf8Detection::Allow } else { Utf8Detection::Deny };
    let encoding = match is_utf8 {
        true => detector.guess(None, allow),
        false => narrow::corrected(window, detector.guess(None, allow)),
    };
    // Plain ASCII with an escape in it is still ASCII.
    let charset = if is_utf8 && !encoding.name().starts_with("ISO-2022") && window.is_ascii() {
        Charset::Ascii
    } else {
        Charset::Known(encoding)
    };
    Guess { charset, marked: false, confidence: 0.5 }
}

/// UTF-16 and UTF-32 without a mark: most characters of most texts are below 256 or 65,536, so one or three of the bytes
/// of each unit are zero.
fn by_zeros(window: &[u8]) -> Option<Charset> {
    let mut zeros = [0_usize; 4];
    for unit in window.chunks_exact(4) {
        for (zeros, &byte) in zeros.iter_mut().zip(unit) {
            *zeros += usize::from(byte == 0);
        }
    }
    let units = window.len() / 4;
    if units == 0 {
        return None;
    }
    let all = |count: usize| count == units;
    let [first, second, third, fourth] = zeros;
    if all(fourth) && third * 10 >= units * 9 && first * 10 < units {
        return Some(Charset::Utf32Le);
    }
    if all(first) && second * 10 >= units * 9 && fourth * 10 < units {
        return Some(Charset::Utf32Be);
    }
    let (even, odd) = (first + third, second + fourth);
    // A third of the characters is plenty even of a text in other scripts, with its spaces, digits and line ends; binary
    // data has zeros in both places.
    let many = |count: usize| count * 6 >= units * 2;
    let few = |count: usize| count * 50 <= units * 2;
    match (even, odd) {
        (even, odd) if many(odd) && few(even) => Some(Charset::Known(UTF_16LE)),
        (even, odd) if many(even) && few(odd) => Some(Charset::Known(UTF_16BE)),
        _ => None,
    }
}

/// Whether these first bytes are UTF-16 although none of them is beyond ASCII: Cyrillic without a blank.
pub fn is_wide(head: &[u8]) -> bool {
    wide::guess(head).is_some()
}

/// Whether these first bytes are those of a text; `whole` when there are no others.
pub fn is_text(head: &[u8], whole: bool) -> bool {
    let guess = decide(head, false, whole);
    match guess.charset {
        _ if head.is_empty() => false,
        Charset::Utf32Le | Charset::Utf32Be => wide::is_text_of_32(head, guess.charset == Charset::Utf32Be),
        Charset::Known(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
            wide::is_text(head, encoding, guess.marked)
        }
        Charset::Ascii | Charset::Known(_) if narrow::has_binary(head) => false,
        Charset::Ascii => true,
        Charset::Known(encoding) => narrow::is_text(head, encoding),
    }
}

#[cfg(test)]
mod tests;
