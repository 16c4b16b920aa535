//! ISCC Text-Code (ISO 24138:2024) of a text that arrives in pieces, in constant memory.
//!
//! The same code as `gen_text_code_v0(text_clean(text))` of iscc-core: NFKC, control characters dropped, NFD, lower case,
//! white space, marks and punctuation dropped, NFKC, runs of 13 characters, MinHash. The text is worked on in blocks that
//! are cut where none of these steps looks across. Only a text that has no such place within [`BLOCK_BYTES_MAX`] (none
//! but made for the purpose) may get another code.

use iscc_lib::codec::{MainType, SubType, Version, encode_component};
use unicode_normalization::UnicodeNormalization;

use super::collapse::{Fate, Fates, collapse_ascii, is_control, is_dropped, is_newline};
use super::ngrams::{Ngrams, ascii_length};
use super::normal::starts_cluster;
use crate::iscc::BITS;

/// Bytes of text worked on at once.
const BLOCK_BYTES: usize = 16 << 10;
/// Bytes of text that wait for a place to cut; more are cut anywhere.
const BLOCK_BYTES_MAX: usize = 128 << 10;
/// Bytes of a part of a block that is worked on at once when it can be cut.
const PART_BYTES: usize = 2 << 10;

/// A Text-Code in the making.
#[derive(Debug)]
pub(crate) struct TextCode {
    /// Text that is not worked on yet.
    block: String,
    /// Letters and digits whose normal form may depend on what follows.
    collapsed: String,
    ngrams: Ngrams,
    fates: Fates,
    /// What was kept of a part.
    kept: Vec<u8>,
    /// Something else than white space was there.
    any: bool,
}

impl TextCode {
    pub(crate) fn new() -> Self {
        Self {
            block: String::new(),
            collapsed: String::new(),
            ngrams: Ngrams::new(),
            fates: Fates::default(),
            kept: Vec::new(),
            any: false,
        }
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
        let digest = self.ngrams.finish();
        let code = encode_component(MainType::Content, SubType::TEXT, Version::V0, BITS, &digest).ok()?;
        self.any.then(|| format!("ISCC:{code}"))
    }

    /// Works on the first `length` bytes of the block.
    fn work(&mut self, length: usize) {
        let mut block = std::mem::take(&mut self.block);
        let now = &block[..length];
        self.any = self.any || !now.trim_ascii().is_empty() && !now.trim().is_empty();
        let mut rest = now;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(part_length(rest));
            rest = after;
            if !self.simple(part) {
                self.any_text(part);
            }
        }
        block.drain(..length);
        self.block = block;
    }

    /// Works on a part of a block unless it has characters whose neighbours make a difference; `false` then.
    fn simple(&mut self, part: &str) -> bool {
        self.kept.clear();
        let mut rest = part;
        loop {
            let (ascii, other) = rest.split_at(ascii_length(rest.as_bytes()));
            collapse_ascii(ascii.as_bytes(), &mut self.kept);
            let mut chars = other.chars();
            let Some(c) = chars.next() else { break };
            match self.fates.of(c) {
                Fate::Kept(kept) => self.kept.extend_from_slice(kept.encode_utf8(&mut [0; 4]).as_bytes()),
                Fate::Dropped => {}
                Fate::Other => return false,
            }
            rest = chars.as_str();
        }
        if self.kept.is_empty() {
            return true;
        }
        self.normalize(self.collapsed.len());
        // What follows may combine with the last one, unless that is ASCII.
        let last = self.kept.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
        let last = if self.kept[last].is_ascii() { self.kept.len() } else { last };
        self.ngrams.feed_utf8(&self.kept[..last]);
        self.collapsed.push_str(str::from_utf8(&self.kept[last..]).unwrap_or_default());
        true
    }

    /// Works on a part of a block, all steps one after the other.
    fn any_text(&mut self, part: &str) {
        let clean: String = part.nfkc().filter(|&c| is_newline(c) || !is_control(c)).collect();
        let lower = clean.nfd().collect::<String>().to_lowercase();
        self.collapsed.extend(lower.chars().filter(|&c| !is_dropped(c)));
        let last = self.collapsed.char_indices().rev().find(|&(_, c)| starts_cluster(c)).map_or(0, |(at, _)| at);
        // A block that ended in an ASCII character could not be told from one that ended in a part of Hangul.
        self.normalize(if self.collapsed.len() - last > BLOCK_BYTES_MAX { self.collapsed.len() } else { last });
    }

    /// Passes on the first `length` bytes of what is collapsed.
    fn normalize(&mut self, length: usize) {
        self.ngrams.feed(self.collapsed[..length].nfkc());
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

/// Bytes of `block` that are worked on at once: up to a place where it may be cut, or all of it.
fn part_length(block: &str) -> usize {
    let end = char_boundary(block, PART_BYTES);
    if end == block.len() { end } else { last_cut(&block[..end]).unwrap_or(block.len()) }
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
