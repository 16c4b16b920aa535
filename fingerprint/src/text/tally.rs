//! Hash and counts of a text that arrives in pieces, as if it were trimmed first.

use sha2::{Digest, Sha256};

use super::ngrams::ascii_length;

/// Everything that ends at some character of the text.
#[derive(Clone, Default)]
struct Running {
    hasher: Sha256,
    chars: u64,
    line_feeds: u64,
}

/// Hashes and counts a text piece by piece. White space may turn out to be trailing, so the state
/// is kept twice: up to the last character that is not white space, and including what follows.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    trimmed: Running,
    with_space: Running,
    words: WordCount,
    started: bool,
}

/// Runs of characters that are not white space.
#[derive(Clone, Default)]
pub(crate) struct WordCount {
    words: u64,
    in_word: bool,
}

impl WordCount {
    /// Adds `text`, which follows what was fed before.
    pub(crate) fn feed(&mut self, mut text: &str) {
        while !text.is_empty() {
            let (ascii, other) = text.split_at(ascii_length(text.as_bytes()));
            self.feed_ascii(ascii.as_bytes());
            let mut chars = other.chars();
            if let Some(c) = chars.next() {
                let in_word = !c.is_whitespace();
                self.words += u64::from(in_word && !self.in_word);
                self.in_word = in_word;
            }
            text = chars.as_str();
        }
    }

    fn feed_ascii(&mut self, bytes: &[u8]) {
        let is_space = |byte: u8| byte == b' ' || byte.wrapping_sub(b'\t') < 5;
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return };
        self.words += u64::from(!self.in_word && !is_space(first));
        // Small sums, so that many bytes are compared at once.
        for chunk in 0..bytes.len().div_ceil(128) {
            let end = (chunk * 128 + 129).min(bytes.len());
            let chunk = &bytes[chunk * 128..end];
            let begins = |(&before, &byte): (&u8, &u8)| u8::from(is_space(before) & !is_space(byte));
            self.words += u64::from(chunk.iter().zip(&chunk[1..]).map(begins).sum::<u8>());
        }
        self.in_word = !is_space(last);
    }

    pub(crate) fn count(&self) -> u64 {
        self.words
    }
}

/// Result of a [`Tally`].
pub(crate) struct TextTotals {
    /// SHA-256 of the trimmed text in UTF-8, lower-case hex.
    pub(crate) sha256_hex: String,
    /// Unicode scalar values of the trimmed text.
    pub(crate) chars: u64,
    /// Runs of characters that are not white space.
    pub(crate) words: u64,
    /// Lines of the trimmed text, 0 when it is empty.
    pub(crate) lines: u64,
}

impl Running {
    fn feed(&mut self, text: &str) {
        self.hasher.update(text.as_bytes());
        self.chars += text.chars().count() as u64;
        self.line_feeds += text.bytes().filter(|&byte| byte == b'\n').count() as u64;
    }
}

impl Tally {
    /// Adds `text`, which follows what was fed before.
    pub(crate) fn feed(&mut self, text: &str) {
        self.words.feed(text);
        let text = if self.started { text } else { text.trim_start() };
        if text.is_empty() {
            return;
        }
        self.started = true;
        let core = text.trim_end();
        if !core.is_empty() {
            self.with_space.feed(core);
            self.trimmed = self.with_space.clone();
        }
        self.with_space.feed(&text[core.len()..]);
    }

    /// Unicode scalar values fed so far, leading white space not counted.
    pub(crate) fn chars_so_far(&self) -> u64 {
        self.with_space.chars
    }

    pub(crate) fn finish(self) -> TextTotals {
        let Running { hasher, chars, line_feeds } = self.trimmed;
        TextTotals {
            sha256_hex: hex::encode(hasher.finalize()),
            chars,
            words: self.words.count(),
            lines: if chars == 0 { 0 } else { line_feeds + 1 },
        }
    }
}
