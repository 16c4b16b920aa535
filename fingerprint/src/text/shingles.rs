//! Winnowed shingles: what finds a passage of a text within another text.
//!
//! A shingle is a run of words in normal form (see [`super::words`]), five of them, its hash XXH3 (64 bits, seed 0) of
//! the words joined by single spaces. Of each four shingles in a row the one with the smallest hash is selected (robust
//! winnowing: S. Schleimer, D. S. Wilkerson, A. Aiken, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD
//! 2003), so any run of eight words that two texts share is found. When more than [`SHINGLES_MAX`] are selected, only
//! those whose hash is divisible by a power of two are kept: texts of any length stay comparable, see
//! [`super::overlap`].

use std::collections::VecDeque;

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
        let mut sample = self.winnow.sample;
        sample.tidy();
        (sample.kept, sample.zero_bits)
    }
}

/// Selects shingles.
#[derive(Debug, Default)]
struct Winnow {
    /// The last shingles, each at its number modulo [`WINDOW`].
    window: [Shingle; WINDOW],
    /// Shingles so far.
    pushed: usize,
    /// Number of the one selected last.
    selected: Option<usize>,
    sample: Sample,
}

impl Winnow {
    #[inline]
    fn push(&mut self, shingle: Shingle) {
        self.window[self.pushed % WINDOW] = shingle;
        self.pushed += 1;
        if let Some(at) = self.selected.filter(|at| at + WINDOW >= self.pushed) {
            // The one selected before is still there: it is the smallest unless the new one is smaller.
            if shingle.0 < self.window[at % WINDOW].0 {
                self.selected = Some(self.pushed - 1);
                self.sample.insert(shingle);
            }
        } else if self.pushed >= WINDOW {
            self.select();
        }
    }

    /// The last smallest one.
    fn select(&mut self) {
        let window = self.pushed.saturating_sub(WINDOW)..self.pushed;
        // Of equal ones the first of this order is the last.
        self.selected = window.rev().min_by_key(|at| self.window[at % WINDOW].0);
        if let Some(at) = self.selected {
            self.sample.insert(self.window[at % WINDOW]);
        }
    }

    fn finish(&mut self) {
        if self.pushed < WINDOW {
            self.select();
        }
    }
}

/// Shingles by hash, each at its first place.
#[derive(Debug, Default)]
struct Sample {
    /// Sorted and thinned out from time to time only; each hash may be there several times until then.
    kept: Vec<Shingle>,
    zero_bits: u32,
}

impl Sample {
    fn insert(&mut self, shingle: Shingle) {
        if shingle.0.trailing_zeros() < self.zero_bits {
            return;
        }
        self.kept.push(shingle);
        if self.kept.len() >= 2 * SHINGLES_MAX {
            self.tidy();
        }
    }

    /// Each hash once, and not too many of them. Later ones have later places.
    fn tidy(&mut self) {
        sort(&mut self.kept);
        self.kept.dedup_by_key(|(hash, _)| *hash);
        while self.kept.len() > SHINGLES_MAX {
            self.zero_bits += 1;
            self.kept.retain(|(hash, _)| hash.trailing_zeros() >= self.zero_bits);
        }
    }
}

/// Sorts by hash and then place. Hashes are spread evenly, unless someone made them up, so most of the order is found by
/// putting each where its highest bits belong.
fn sort(shingles: &mut Vec<Shingle>) {
    /// Few enough for the counts to stay in the nearest cache.
    const BUCKET_BITS: u32 = 12;
    const BUCKETS: usize = 1 << BUCKET_BITS;
    if shingles.len() < BUCKETS {
        return shingles.sort_unstable();
    }
    let bucket = |(hash, _): &Shingle| (hash >> (u64::BITS - BUCKET_BITS)) as usize;
    let mut ends = [0_u32; BUCKETS];
    for shingle in &*shingles {
        ends[bucket(shingle)] += 1;
    }
    let mut end = 0;
    for place in &mut ends {
        // Where the bucket starts, until its members are put there.
        (*place, end) = (end, end + *place);
    }
    let mut sorted = vec![(0, 0); shingles.len()];
    for shingle in &*shingles {
        let place = &mut ends[bucket(shingle)];
        sorted[*place as usize] = *shingle;
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        sorted[start..end as usize].sort_unstable();
        start = end as usize;
    }
    *shingles = sorted;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// The definition: each hash once at its first place, and the sample as dense as it may be.
        #[test]
        fn samples_as_defined(count in 0_usize..400_000, different in 1_u64..300_000, spread: bool) {
            let mut sample = Sample::default();
            let mut first = BTreeMap::new();
            for offset in 0..count as u32 {
                let number = u64::from(offset).wrapping_mul(0x9e37_79b9_7f4a_7c15) % different;
                let hash = if spread { xxh3_64(&number.to_le_bytes()) } else { number };
                sample.insert((hash, offset));
                first.entry(hash).or_insert(offset);
            }
            sample.tidy();
            let dense = |bits: u32| first.keys().filter(|hash| hash.trailing_zeros() >= bits).count() <= SHINGLES_MAX;
            let zero_bits = (0..).find(|&bits| dense(bits)).unwrap_or(0);
            let expected: Vec<_> = first.into_iter().filter(|(hash, _)| hash.trailing_zeros() >= zero_bits).collect();
            prop_assert_eq!((sample.kept, sample.zero_bits), (expected, zero_bits));
        }
    }
}
