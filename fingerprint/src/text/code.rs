//! ISCC Text-Code (ISO 24138:2024) of a text that arrives in pieces, in constant memory.
//!
//! The same code as `gen_text_code_v0(text_clean(text))` of iscc-core: NFKC, control characters dropped, NFD, lower case,
//! white space, marks and punctuation dropped, NFKC, runs of 13 characters, MinHash. The text is worked on in blocks that
//! are cut where none of these steps looks across. Only a text that has no such place within [`BLOCK_BYTES_MAX`] (none
//! but made for the purpose) may get another code.

use iscc_lib::codec::{MainType, SubType, Version, encode_component};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh32::xxh32;

use super::normal::starts_cluster;
use crate::iscc::BITS;
use crate::iscc::minhash::MinHash;

/// Characters of a feature.
const FEATURE_CHARS: usize = iscc_lib::TEXT_NGRAM_SIZE;
/// Bytes of text worked on at once.
const BLOCK_BYTES: usize = 16 << 10;
/// Bytes of text that wait for a place to cut; more are cut anywhere.
const BLOCK_BYTES_MAX: usize = 128 << 10;
/// Features that go into the MinHash at once.
const FEATURES: usize = 4 << 10;

/// A Text-Code in the making.
#[derive(Debug)]
pub(crate) struct TextCode {
    /// Text that is not worked on yet.
    block: String,
    /// Letters and digits whose normal form may depend on what follows.
    collapsed: String,
    windows: Windows,
    /// Something else than white space was there.
    any: bool,
}

impl TextCode {
    pub(crate) fn new() -> Self {
        Self { block: String::new(), collapsed: String::new(), windows: Windows::new(), any: false }
    }

    /// Adds `text`, which follows what was fed before.
    pub(crate) fn feed(&mut self, mut text: &str) {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(char_boundary(text, BLOCK_BYTES));
            text = rest;
            self.block.push_str(piece);
            if self.block.len() < BLOCK_BYTES {
                continue;
            }
            let cut = match last_cut(&self.block) {
                Some(cut) => cut,
                None if self.block.len() >= BLOCK_BYTES_MAX => self.block.len(),
                None => continue,
            };
            self.work(cut);
        }
    }

    /// The code, `ISCC:EAA…`; `None` for a text of nothing but white space, which iscc-sdk refuses.
    pub(crate) fn finish(mut self) -> Option<String> {
        self.work(self.block.len());
        self.normalize(self.collapsed.len());
        let digest = self.windows.finish();
        let code = encode_component(MainType::Content, SubType::TEXT, Version::V0, BITS, &digest).ok()?;
        self.any.then(|| format!("ISCC:{code}"))
    }

    /// Works on the first `length` bytes of the block.
    fn work(&mut self, length: usize) {
        let block = &self.block[..length];
        self.any = self.any || !block.trim_ascii().is_empty() && !block.trim().is_empty();
        if block.is_ascii() && self.collapsed.is_empty() {
            self.windows.feed_ascii(block.bytes().filter_map(collapse_ascii));
        } else {
            let clean: String = block.nfkc().filter(|&c| is_newline(c) || !is_control(c)).collect();
            let lower = clean.nfd().collect::<String>().to_lowercase();
            self.collapsed.extend(lower.chars().filter(|&c| !is_dropped(c)));
            let last = self.collapsed.char_indices().rev().find(|&(_, c)| starts_cluster(c)).map_or(0, |(at, _)| at);
            // A block that ended in an ASCII character could not be told from one that ended in a part of Hangul.
            self.normalize(if self.collapsed.len() - last > BLOCK_BYTES_MAX { self.collapsed.len() } else { last });
        }
        self.block.drain(..length);
    }

    /// Passes on the first `length` bytes of what is collapsed.
    fn normalize(&mut self, length: usize) {
        self.windows.feed(self.collapsed[..length].nfkc());
        self.collapsed.drain(..length);
    }
}

fn char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The last place where `block` may be cut: before a space or line feed, or a letter that no script gives a case and that
/// combines with nothing before it.
fn last_cut(block: &str) -> Option<usize> {
    let cuts = block.char_indices().rev().find(|&(_, c)| {
        matches!(c, ' ' | '\n' | '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{3041}'..='\u{3096}'
            | '\u{30a1}'..='\u{30fa}' | '\u{ac00}'..='\u{d7a3}' | '\u{e01}'..='\u{e2e}')
    });
    cuts.map(|(at, _)| at).filter(|&at| at > 0)
}

/// What cleaning keeps of the control characters, as line ends.
fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_control(c: char) -> bool {
    !c.is_ascii_graphic()
        && matches!(
            get_general_category(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Unassigned
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
        )
}

/// White space, control characters, marks, punctuation.
fn is_dropped(c: char) -> bool {
    use GeneralCategory as Category;
    if c.is_ascii() {
        return collapse_ascii(c as u8).is_none();
    }
    c.is_whitespace()
        || is_control(c)
        || matches!(
            get_general_category(c),
            Category::NonspacingMark
                | Category::SpacingMark
                | Category::EnclosingMark
                | Category::ConnectorPunctuation
                | Category::DashPunctuation
                | Category::OpenPunctuation
                | Category::ClosePunctuation
                | Category::InitialPunctuation
                | Category::FinalPunctuation
                | Category::OtherPunctuation
        )
}

/// All steps for one ASCII character: letters in lower case, digits, and the symbols, which Unicode does not count as
/// punctuation.
fn collapse_ascii(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'$' | b'+' | b'<' | b'=' | b'>' | b'^' | b'`' | b'|' | b'~' => Some(byte),
        b'A'..=b'Z' => Some(byte.to_ascii_lowercase()),
        _ => None,
    }
}

/// Runs of characters and their MinHash.
#[derive(Debug)]
struct Windows {
    /// The last characters, at most one fewer than a feature has before more are added.
    text: Vec<u8>,
    /// Where the characters of `text` start.
    starts: Vec<usize>,
    features: Vec<u32>,
    minhash: MinHash,
    any: bool,
}

impl Windows {
    fn new() -> Self {
        Self { text: Vec::new(), starts: Vec::new(), features: Vec::new(), minhash: MinHash::new(), any: false }
    }

    fn feed_ascii(&mut self, bytes: impl Iterator<Item = u8>) {
        let before = self.text.len();
        self.text.extend(bytes);
        self.starts.extend(before..self.text.len());
        self.slide();
    }

    fn feed(&mut self, chars: impl Iterator<Item = char>) {
        for c in chars {
            self.starts.push(self.text.len());
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.slide();
    }

    /// Takes all whole features off.
    fn slide(&mut self) {
        let whole = (self.starts.len() + 1).saturating_sub(FEATURE_CHARS);
        if whole == 0 {
            return;
        }
        self.any = true;
        for first in 0..whole {
            let end = self.starts.get(first + FEATURE_CHARS).copied().unwrap_or(self.text.len());
            self.features.push(xxh32(&self.text[self.starts[first]..end], 0));
            if self.features.len() == FEATURES {
                self.minhash.update(&self.features);
                self.features.clear();
            }
        }
        let done = self.starts.get(whole).copied().unwrap_or(self.text.len());
        self.text.drain(..done);
        self.starts.drain(..whole);
        self.starts.iter_mut().for_each(|start| *start -= done);
    }

    /// A text that is shorter than a feature is one, even an empty one.
    fn finish(&mut self) -> [u8; 32] {
        if !self.any {
            self.features.push(xxh32(&self.text, 0));
        }
        self.minhash.update(&self.features);
        self.minhash.digest()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected(text: &str) -> Option<String> {
        let clean = iscc_lib::text_clean(text);
        (!text.trim().is_empty()).then(|| iscc_lib::gen_text_code_v0(&clean, 64).unwrap().iscc)
    }

    fn actual(text: &str, step: usize) -> Option<String> {
        let mut code = TextCode::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(char_boundary(rest, step));
            code.feed(piece);
            rest = after;
        }
        code.finish()
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-zA-Z]{1,12}",
            2 => Just(" ".to_owned()),
            1 => Just("\n\t ".to_owned()),
            1 => any::<char>().prop_map(String::from),
            1 => Just("Σς ΟΔΟΣ \u{301}ΑΣ\u{ad}Α'Σ".to_owned()),
            1 => Just("가 \u{11a8}\u{1100} \u{1161}\u{11a8}".to_owned()),
            1 => Just("が\u{3099}か \u{3099}ｶﾞ".to_owned()),
            1 => Just("\u{fdfa}ﬃ℡Å\u{1e9b}\u{323}".to_owned()),
            1 => Just("é e\u{301}\u{300}\u{316} 漢字😀".to_owned()),
            1 => "\\PC{1,8}",
        ]
    }

    proptest! {
        #[test]
        fn equals_the_library(pieces in proptest::collection::vec(piece(), 0..60), step in 1_usize..50) {
            let text = pieces.concat();
            prop_assert_eq!(actual(&text, step), expected(&text));
        }

    }

    proptest! {
        // Each case is worth thousands of short ones.
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Long enough for several blocks.
        #[test]
        fn blocks_do_not_show(pieces in proptest::collection::vec(piece(), 1..40), pad in 0_usize..40) {
            let text = "x".repeat(pad) + &pieces.concat().repeat(60_000 / pieces.concat().len().max(1));
            prop_assert_eq!(actual(&text, usize::MAX), expected(&text));
        }
    }

    #[test]
    fn short_and_blank_texts() {
        for text in ["", " ", "\u{2003}\n", "a", "!", "\u{200b}", "abcdefghijkl", "abcdefghijklm", "abcdefghijklmn"] {
            assert_eq!(actual(text, 5), expected(text), "{text:?}");
        }
    }

    #[test]
    fn what_never_ends_is_cut() {
        let bomb = "a".to_owned() + &"\u{301}".repeat(400_000);
        assert!(actual(&bomb, usize::MAX).is_some());
        let jamo = "\u{1161}".repeat(300_000);
        assert!(actual(&jamo, usize::MAX).is_some());
    }
}
