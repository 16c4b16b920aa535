//! Winnowed shingles: what finds a passage of a text within another text.
//!
//! A shingle is a run of words in normal form (see [`super::words`]), five of them, its hash XXH3 (64 bits, seed 0) of
//! the words joined by single spaces. Of each four shingles in a row the one with the smallest hash is selected (robust
//! winnowing: S. Schleimer, D. S. Wilkerson, A. Aiken, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD
//! 2003), so any run of eight words that two texts share is found. When more than [`SHINGLES_MAX`] are selected, only
//! those whose hash is divisible by a power of two are kept: texts of any length stay comparable, see
//! [`super::overlap`].

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// Words of one shingle.
pub(super) const SHINGLE_WORDS: u32 = 5;
/// Weight of the words of one shingle together; a plain word has 4.
pub(super) const SHINGLE_WEIGHT: u32 = 20;
/// Shingles in a row of which one is selected.
pub(crate) const WINDOW: usize = 4;
/// Shingles kept of one text.
pub(crate) const SHINGLES_MAX: usize = 65_536;

/// A word within the normalised text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Offset of its first character in the text, in Unicode scalar values.
    pub(super) offset: u32,
    pub(super) weight: u32,
}

/// Hash and offset of one shingle.
type Shingle = (u64, u32);

/// Makes shingles of words and keeps a sample of them.
#[derive(Debug, Default)]
pub(super) struct Shingler {
    words: VecDeque<Token>,
    weight: u32,
    any: bool,
    winnow: Winnow,
}

impl Shingler {
    /// Adds a word; `normal` is the text its bounds lie in.
    pub(super) fn push(&mut self, word: Token, normal: &[u8]) {
        self.weight += word.weight;
        self.words.push_back(word);
        while let Some(first) = self.words.front().filter(|first| self.weight - first.weight >= SHINGLE_WEIGHT) {
            self.weight -= first.weight;
            self.words.pop_front();
        }
        if self.weight >= SHINGLE_WEIGHT {
            self.shingle(normal);
        }
    }

    fn shingle(&mut self, normal: &[u8]) {
        if let (Some(first), Some(last)) = (self.words.front(), self.words.back()) {
            self.any = true;
            self.winnow.push((xxh3_64(&normal[first.start..last.end]), first.offset));
        }
    }

    /// The beginning of the normalised text, whose length is `length`, goes: as much as no shingle needs. Returns how
    /// much that is.
    pub(super) fn forget_before(&mut self, length: usize) -> usize {
        let done = self.words.front().map_or(length, |first| first.start);
        for word in &mut self.words {
            word.start -= done;
            word.end -= done;
        }
        done
    }

    /// The text is over. One that is shorter than a shingle is one.
    pub(super) fn finish(&mut self, normal: &[u8]) {
        if !self.any {
            self.shingle(normal);
        }
        self.winnow.finish();
    }

    /// What was kept, by hash, and how many of its lowest bits are zero.
    pub(super) fn kept(self) -> (Vec<Shingle>, u32) {
        let Sample { kept, zero_bits } = self.winnow.sample;
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_unstable();
        (kept, zero_bits)
    }
}

/// Selects shingles.
#[derive(Debug, Default)]
struct Winnow {
    window: VecDeque<Shingle>,
    /// Place in the window of the one selected last.
    selected: Option<usize>,
    sample: Sample,
}

impl Winnow {
    fn push(&mut self, shingle: Shingle) {
        if self.window.len() == WINDOW {
            self.window.pop_front();
            self.selected = self.selected.and_then(|at| at.checked_sub(1));
        }
        self.window.push_back(shingle);
        if self.window.len() == WINDOW {
            self.select();
        }
    }

    /// Robust winnowing: the one selected before, if it is still the smallest, else the last smallest.
    fn select(&mut self) {
        let Some(&(least, _)) = self.window.iter().min_by_key(|(hash, _)| *hash) else { return };
        if self.selected.is_some_and(|at| self.window[at].0 == least) {
            return;
        }
        self.selected = self.window.iter().rposition(|(hash, _)| *hash == least);
        if let Some(at) = self.selected {
            self.sample.insert(self.window[at]);
        }
    }

    fn finish(&mut self) {
        if self.window.len() < WINDOW {
            self.select();
        }
    }
}

/// Shingles by hash, each at its first place.
#[derive(Debug, Default)]
struct Sample {
    kept: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    zero_bits: u32,
}

impl Sample {
    fn insert(&mut self, (hash, offset): Shingle) {
        if hash.trailing_zeros() < self.zero_bits {
            return;
        }
        self.kept.entry(hash).or_insert(offset);
        while self.kept.len() > SHINGLES_MAX {
            self.zero_bits += 1;
            self.kept.retain(|hash, _| hash.trailing_zeros() >= self.zero_bits);
        }
    }
}

/// The keys are hashes already. Their lowest bits may all be zero, so the highest ones come first.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash.rotate_left(32) ^ hash;
    }
}
