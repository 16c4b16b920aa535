//! Hash and counts of plain text, in one streaming pass and constant memory.
//!
//! The text is the input decoded as UTF-8, each malformed sequence replaced by U+FFFD as
//! [`String::from_utf8_lossy`] does, and trimmed of Unicode white space as [`str::trim`] does. A
//! byte order mark is part of the text. Whatever encoding is guessed for the metadata, the hash
//! is over this text.

mod encoding;
mod tally;

use std::io::BufRead;

use encoding_rs::{CoderResult, Decoder, UTF_8};
use serde::Serialize;
use serde_json::json;

use crate::algorithm::{Algorithms, TEXT_HASH};
use crate::progress::step;
use crate::{FingerprintError, Limits, Metadata, Progress};
use encoding::EncodingGuess;
pub(crate) use tally::{Tally, TextTotals};

/// Bytes between two progress reports.
const REPORT_BYTES: u64 = 1 << 20;
/// Bytes of decoded text per step; fits the CPU cache.
const DECODED_BYTES: usize = 16 << 10;

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextFingerprint {
    /// SHA-256 of the trimmed text in UTF-8, 64 lower-case hex digits.
    pub text_hash: String,
    /// Unicode scalar values of the trimmed text.
    pub text_length: u64,
    /// Runs of characters that are not white space.
    pub word_count: u64,
    /// Lines of the trimmed text, separated by line feeds; 0 for an empty text.
    pub line_count: u64,
    /// `encoding` and `encoding_confidence` (0 to 1, see below), `file_size` in bytes,
    /// `line_count`, `character_count`, `word_count`, `is_empty`.
    ///
    /// | what was seen | `encoding` | confidence |
    /// | --- | --- | --- |
    /// | byte order mark | utf-8-sig, utf-16le, utf-16be | 1.0 |
    /// | only ASCII | ascii | 1.0 |
    /// | only valid UTF-8 | utf-8 | 0.99 |
    /// | valid UTF-8 in the first 64 KiB, malformed later | utf-8 | 0.5 |
    /// | otherwise | best guess over the first 64 KiB | 0.5 |
    pub metadata: Metadata,
    /// Which algorithm made the hash.
    pub algorithms: Algorithms,
}

/// Fingerprint of the text that `reader` yields to its end. `total_bytes` is its size when known,
/// used for progress only.
///
/// # Errors
/// [`FingerprintError::LimitExceeded`] above `text_bytes_max`, [`FingerprintError::Io`] when the
/// reader fails. Any bytes are a text, so nothing is malformed.
pub fn fingerprint<R: BufRead>(
    mut reader: R,
    total_bytes: Option<u64>,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<TextFingerprint, FingerprintError> {
    step(progress, 0)?;
    let mut text = Utf8Text::new();
    let mut guess = EncodingGuess::new();
    let mut file_size = 0_u64;
    let mut next_report = REPORT_BYTES;
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            break;
        }
        // Callers may hand in all of it as one slice; the pieces keep the reports coming.
        let length = buffer.len().min(REPORT_BYTES as usize);
        file_size += length as u64;
        if file_size > limits.text_bytes_max {
            return Err(FingerprintError::limit(
                "text_bytes_max",
                format!("text is larger than the limit of {} bytes", limits.text_bytes_max),
            ));
        }
        guess.feed(&buffer[..length]);
        text.feed(&buffer[..length], false);
        reader.consume(length);
        if file_size >= next_report {
            next_report = file_size + REPORT_BYTES;
            step(progress, percent(file_size, total_bytes))?;
        }
    }
    text.feed(&[], true);
    step(progress, 100)?;
    Ok(finish(text, guess, file_size))
}

fn percent(done: u64, total: Option<u64>) -> u8 {
    match total {
        Some(total) if total > 0 => (done.min(total) as f64 / total as f64 * 99.0) as u8,
        // Unknown size: something that rises and never arrives.
        _ => (99.0 - 99.0 / (1.0 + done as f64 / (32.0 * REPORT_BYTES as f64))) as u8,
    }
}

fn finish(text: Utf8Text, guess: EncodingGuess, file_size: u64) -> TextFingerprint {
    let (encoding, confidence) = guess.finish(text.malformed);
    let totals = text.tally.finish();
    let mut metadata = Metadata::new();
    metadata.insert("encoding".into(), json!(encoding));
    metadata.insert("encoding_confidence".into(), json!(confidence));
    metadata.insert("file_size".into(), json!(file_size));
    metadata.insert("line_count".into(), json!(totals.lines));
    metadata.insert("character_count".into(), json!(totals.chars));
    metadata.insert("word_count".into(), json!(totals.words));
    metadata.insert("is_empty".into(), json!(totals.chars == 0));
    TextFingerprint {
        text_hash: totals.sha256_hex,
        text_length: totals.chars,
        word_count: totals.words,
        line_count: totals.lines,
        metadata,
        algorithms: Algorithms::from([("text_hash", TEXT_HASH)]),
    }
}

/// Decodes UTF-8 across buffer boundaries into a [`Tally`].
struct Utf8Text {
    decoder: Decoder,
    decoded: Box<str>,
    tally: Tally,
    /// A malformed sequence was replaced.
    malformed: bool,
}

impl Utf8Text {
    fn new() -> Self {
        Self {
            decoder: UTF_8.new_decoder_without_bom_handling(),
            decoded: "\0".repeat(DECODED_BYTES).into(),
            tally: Tally::default(),
            malformed: false,
        }
    }

    fn feed(&mut self, mut bytes: &[u8], last: bool) {
        loop {
            let (result, read, written, replaced) = self.decoder.decode_to_str(bytes, &mut self.decoded, last);
            self.malformed |= replaced;
            self.tally.feed(&self.decoded[..written]);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// What finds a text again although it was edited.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TextFeatures {
    /// SHA-256 of the normalised text, 64 hex digits.
    pub normalized_hash: String,
}
