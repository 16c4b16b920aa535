//! Guesses the encoding of a text and decodes it, in constant memory.
//!
//! The first [`HEAD_BYTES`] decide, see [`charset`](metastamp_protocol::files::charset): the same that lets a text in. When
//! they are plain ASCII, as many bytes from the first other one on decide.

use encoding_rs::{CoderResult, Decoder};
pub(super) use metastamp_protocol::files::charset::{Charset, Guess, HEAD_BYTES, decide, decides, is_wide};

/// Bytes of decoded text per step; fits the CPU cache.
const DECODED_BYTES: usize = 16 << 10;

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
        let guess = if head.iter().copied().any(decides) || is_wide(head) {
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
