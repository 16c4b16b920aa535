//! Guesses the encoding of a text and decodes it, in constant memory.
//!
//! The first [`HEAD_BYTES`] decide: byte order marks, UTF-16 and UTF-32 by the places of their zeros, valid UTF-8, and else
//! the statistical guess of `chardetng` (Latin, Cyrillic, Greek, Shift-JIS, EUC, GB18030, Big5, ISO-2022-JP and others).
//! When they are plain ASCII, as many bytes from the first other one on decide.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that decide.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Bytes of decoded text per step; fits the CPU cache.
const DECODED_BYTES: usize = 16 << 10;

/// How the bytes of a text become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Nothing but ASCII so far.
    Ascii,
    /// One that `encoding_rs` decodes.
    Known(&'static Encoding),
    Utf32Le,
    Utf32Be,
}

impl Charset {
    /// Lower-case name, as the WHATWG spells it.
    pub(super) fn name(self) -> String {
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
pub(super) struct Guess {
    pub(super) charset: Charset,
    /// A byte order mark said so.
    pub(super) marked: bool,
    /// 0 to 1; those of byte order marks and whole UTF-8 are told by the caller, who knows whether all of it was valid.
    pub(super) confidence: f64,
}

/// Receives decoded text.
pub(super) trait TextSink {
    /// `text` follows what came before.
    fn text(&mut self, text: &str);
}

/// Decodes a text by its own encoding.
pub(super) struct Decoding {
    state: State,
    decoded: Box<str>,
    guess: Guess,
    started: bool,
}

enum State {
    /// All is ASCII so far; else the bytes from the first one that is not.
    Ascii(Vec<u8>),
    Decoder(Decoder),
    Utf32 {
        big: bool,
        partial: Vec<u8>,
    },
}

impl Decoding {
    /// Decides by the first [`HEAD_BYTES`] of a text, or all of it: `whole`. They are to be fed all the same.
    pub(super) fn new(head: &[u8], whole: bool) -> Self {
        let guess = if head.iter().copied().any(decides) {
            decide(head, false, whole)
        } else {
            Guess { charset: Charset::Ascii, marked: false, confidence: 1.0 }
        };
        let decoded = "\0".repeat(DECODED_BYTES).into();
        Self { state: State::of(guess.charset, false), decoded, guess, started: false }
    }

    /// What was decided so far.
    pub(super) fn guess(&self) -> Guess {
        self.guess
    }

    /// Adds `bytes`, which follow what was fed before; `last` ends the text.
    pub(super) fn feed(&mut self, mut bytes: &[u8], last: bool, sink: &mut impl TextSink) {
        let State::Ascii(window) = &mut self.state else {
            return self.decode(bytes, last, sink);
        };
        if window.is_empty() {
            let ascii = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
            if let Ok(text) = std::str::from_utf8(&bytes[..ascii]) {
                sink.text(text);
            }
            bytes = &bytes[ascii..];
        }
        let wanted = HEAD_BYTES.saturating_sub(window.len()).min(bytes.len());
        window.extend_from_slice(&bytes[..wanted]);
        if window.is_empty() || window.len() < HEAD_BYTES && !last {
            return;
        }
        let window = std::mem::take(window);
        self.guess = decide(&window, true, last && wanted == bytes.len());
        self.state = State::of(self.guess.charset, true);
        self.decode(&window, false, sink);
        self.decode(&bytes[wanted..], last, sink);
    }

    fn decode(&mut self, mut bytes: &[u8], last: bool, sink: &mut impl TextSink) {
        match &mut self.state {
            State::Ascii(_) => {}
            State::Decoder(decoder) => loop {
                let (result, read, written, _) = decoder.decode_to_str(bytes, &mut self.decoded, last);
                sink.text(&self.decoded[..written]);
                bytes = &bytes[read..];
                if result == CoderResult::InputEmpty {
                    return;
                }
            },
            State::Utf32 { big, partial } => {
                partial.extend_from_slice(bytes);
                let whole = partial.len() & !3;
                let mut text = String::new();
                for unit in partial[..whole].chunks_exact(4) {
                    let unit = [unit[0], unit[1], unit[2], unit[3]];
                    let code = if *big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) };
                    text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                partial.drain(..whole);
                if last && !partial.is_empty() {
                    text.push(char::REPLACEMENT_CHARACTER);
                }
                let text = if self.started { &text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
                self.started |= whole > 0;
                sink.text(text);
            }
        }
    }
}

impl State {
    /// `late` when other text came before, so that no byte order mark can follow.
    fn of(charset: Charset, late: bool) -> Self {
        match charset {
            Charset::Ascii => Self::Ascii(Vec::new()),
            Charset::Known(encoding) if late => Self::Decoder(encoding.new_decoder_without_bom_handling()),
            Charset::Known(encoding) => Self::Decoder(encoding.new_decoder_with_bom_removal()),
            Charset::Utf32Le => Self::Utf32 { big: false, partial: Vec::new() },
            Charset::Utf32Be => Self::Utf32 { big: true, partial: Vec::new() },
        }
    }
}

/// Whether `byte` may mean something else than itself: not ASCII, a zero of UTF-16, or the escape of ISO-2022-JP.
pub(super) fn decides(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, 0 | 0x1b)
}

/// Decides by `window`; `late` when other text came before, `whole` when nothing follows.
fn decide(window: &[u8], late: bool, whole: bool) -> Guess {
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
    let encoding = detector.guess(None, allow);
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
