//! Hash and counts of plain text, in one streaming pass and constant memory.
//!
//! The text is the input decoded as UTF-8, each malformed sequence replaced by U+FFFD as
//! [`String::from_utf8_lossy`] does, and trimmed of Unicode white space as [`str::trim`] does. A
//! byte order mark is part of the text. Whatever encoding is guessed for the metadata, the hash
//! is over this text.

mod code;
mod collapse;
mod encoding;
mod extraction;
mod features;
mod language;
mod memo;
mod ngrams;
mod normal;
mod overlap;
mod shingles;
mod tally;
mod words;

use std::io::BufRead;

use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use metastamp_protocol::fingerprint::{Algorithms, TextFeatures, algorithm};
use serde::Serialize;
use serde_json::json;

use crate::digest::percent;
use crate::progress::step;
use crate::{FingerprintError, Limits, Metadata, Progress};
pub(crate) use code::TextCode;
use encoding::{Charset, Decoding, HEAD_BYTES, TextSink};
use extraction::{Extraction, ReadAs};
pub(crate) use features::FeatureStream;
pub use overlap::{Overlap, Passage, Shingles, overlap};
use tally::WordCount;
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
    /// Over the text in its own encoding, as it was detected.
    pub features: TextFeatures,
    /// ISCC Text-Code, 64 bits, as iscc-sdk gives it for the file; `None` for a text without anything visible.
    pub iscc_content: Option<String>,
    /// `encoding` and `encoding_confidence` (0 to 1, see below), `file_size` in bytes, `line_count`, `character_count`,
    /// `word_count`, `is_empty`; `wordCount` of the text in its own encoding, and `language` when it can be told.
    ///
    /// | what was seen | `encoding` | confidence |
    /// | --- | --- | --- |
    /// | byte order mark | utf-8-sig, utf-16le, utf-16be, utf-32le, utf-32be | 1.0 |
    /// | only ASCII | ascii | 1.0 |
    /// | only valid UTF-8 | utf-8 | 0.99 |
    /// | UTF-16 or UTF-32 by the places of zeros | utf-16le, utf-16be, utf-32le, utf-32be | 0.9 |
    /// | valid UTF-8 where it was decided, malformed later | utf-8 | 0.5 |
    /// | otherwise | best guess over 64 KiB | 0.5 |
    pub metadata: Metadata,
    /// Which algorithm made what.
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
    let mut pieces = Pieces { reader: &mut reader, read: 0, bytes_max: limits.text_bytes_max };
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES {
        let more = pieces.next(HEAD_BYTES - head.len(), |piece| head.extend_from_slice(piece))?;
        if !more {
            break;
        }
    }
    let mut work = Work::new(&head, head.len() < HEAD_BYTES);
    work.feed(&head);
    let mut next_report = REPORT_BYTES;
    while pieces.next(REPORT_BYTES as usize, |piece| work.feed(piece))? {
        if pieces.read >= next_report {
            next_report = pieces.read + REPORT_BYTES;
            step(progress, percent(pieces.read, total_bytes))?;
        }
    }
    let file_size = pieces.read;
    let fingerprint = work.finish(file_size);
    step(progress, 100)?;
    Ok(fingerprint)
}

/// The bytes of a reader, in pieces, up to a limit.
struct Pieces<'a, R> {
    reader: &'a mut R,
    read: u64,
    bytes_max: u64,
}

impl<R: BufRead> Pieces<'_, R> {
    /// Hands the next bytes to `take`, at most `length_max` of them; `false` at the end.
    fn next(&mut self, length_max: usize, take: impl FnOnce(&[u8])) -> Result<bool, FingerprintError> {
        let buffer = loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // The borrow of a returned buffer would last for the whole loop.
                Err(error) => return Err(error.into()),
                Ok(_) => break self.reader.fill_buf()?,
            }
        };
        // Callers may hand in all of it as one slice; the pieces keep the reports coming.
        let length = buffer.len().min(length_max);
        self.read += length as u64;
        if self.read > self.bytes_max {
            return Err(FingerprintError::limit(
                "text_bytes_max",
                format!("text is larger than the limit of {} bytes", self.bytes_max),
            ));
        }
        take(&buffer[..length]);
        self.reader.consume(length);
        Ok(length > 0)
    }
}

/// All that is made of a text, side by side.
struct Work {
    /// The text as UTF-8, whatever it is.
    utf8: Utf8Text,
    /// The text in its own encoding.
    decoding: Decoding,
    own: OwnText,
}

/// What is made of the text in its own encoding.
struct OwnText {
    features: FeatureStream,
    words: WordCount,
    extraction: Extraction,
    read_as: ReadAs,
}

impl TextSink for OwnText {
    fn text(&mut self, text: &str) {
        self.features.feed(text);
        self.words.feed(text);
        if self.read_as == ReadAs::Decoded {
            self.extraction.feed(text);
        }
    }
}

impl Work {
    /// `head` are the first bytes, all of them when `whole`; they are to be fed all the same.
    fn new(head: &[u8], whole: bool) -> Self {
        let decoding = Decoding::new(head, whole);
        let extracted = &head[..head.len().min(extraction::HEAD_BYTES)];
        let read_as = match decoding.guess().charset {
            Charset::Known(encoding) if encoding == WINDOWS_1252 => ReadAs::single_byte(extracted),
            Charset::Known(encoding) if encoding != UTF_8 && extracted.iter().any(|&byte| encoding::decides(byte)) => {
                ReadAs::Decoded
            }
            Charset::Known(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => ReadAs::Decoded,
            Charset::Utf32Le | Charset::Utf32Be => ReadAs::Decoded,
            Charset::Ascii | Charset::Known(_) => ReadAs::of(extracted),
        };
        let own = OwnText {
            features: FeatureStream::default(),
            words: WordCount::default(),
            extraction: Extraction::new(),
            read_as,
        };
        Self { utf8: Utf8Text::new(), decoding, own }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.utf8.feed(bytes, false);
        self.decoding.feed(bytes, false, &mut self.own);
        if self.own.read_as != ReadAs::Decoded {
            self.own.extraction.feed_bytes(bytes, self.own.read_as);
        }
    }

    fn finish(mut self, file_size: u64) -> TextFingerprint {
        self.utf8.feed(&[], true);
        self.decoding.feed(&[], true, &mut self.own);
        let (encoding, confidence) = encoding_of(&self.decoding, self.utf8.malformed);
        let totals = self.utf8.tally.finish();
        let features = self.own.features.finish();
        let iscc_content = self.own.extraction.finish();
        let mut metadata = Metadata::new();
        metadata.insert("encoding".into(), json!(encoding));
        metadata.insert("encoding_confidence".into(), json!(confidence));
        metadata.insert("file_size".into(), json!(file_size));
        metadata.insert("line_count".into(), json!(totals.lines));
        metadata.insert("character_count".into(), json!(totals.chars));
        metadata.insert("word_count".into(), json!(totals.words));
        metadata.insert("is_empty".into(), json!(totals.chars == 0));
        metadata.insert("wordCount".into(), json!(self.own.words.count()));
        if let Some(language) = &features.language {
            metadata.insert("language".into(), json!(language.code));
        }
        let mut algorithms = Algorithms::from([
            ("text_hash", algorithm::TEXT_HASH),
            ("normalized_hash", algorithm::TEXT_NORMALIZED_HASH),
            ("shingles", algorithm::TEXT_SHINGLES),
        ]);
        algorithms.extend(iscc_content.as_ref().map(|_| ("iscc_content", algorithm::ISCC_TEXT)));
        TextFingerprint {
            text_hash: totals.sha256_hex,
            text_length: totals.chars,
            word_count: totals.words,
            line_count: totals.lines,
            features,
            iscc_content,
            metadata,
            algorithms,
        }
    }
}

/// Name and confidence; `malformed` says whether the whole text failed to decode as UTF-8 somewhere. The table is in the
/// documentation of [`TextFingerprint::metadata`].
fn encoding_of(decoding: &Decoding, malformed: bool) -> (String, f64) {
    let guess = decoding.guess();
    match guess.charset {
        Charset::Known(encoding) if encoding == UTF_8 => match (guess.marked, malformed) {
            (true, _) => ("utf-8-sig".to_owned(), 1.0),
            (false, true) => ("utf-8".to_owned(), 0.5),
            (false, false) => ("utf-8".to_owned(), 0.99),
        },
        charset => (charset.name(), guess.confidence),
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
