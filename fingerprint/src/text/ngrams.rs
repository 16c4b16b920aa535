//! Features of a Text-Code: XXH32 (seed 0) of each run of 13 characters in UTF-8.

use xxhash_rust::xxh32::xxh32;

use crate::iscc::minhash::MinHash;
use crate::vector::fast;

/// Characters of a feature.
const FEATURE_CHARS: usize = iscc_lib::TEXT_NGRAM_SIZE;
const _: () = assert!(FEATURE_CHARS == 13);
/// Characters that two features in a row share.
const SHARED: usize = FEATURE_CHARS - 1;
/// Bytes of text that are looked at together.
const TEXT_BYTES: usize = 8 << 10;
/// Features hashed side by side.
const LANES: usize = 64;

/// Runs of characters and their MinHash.
#[derive(Debug)]
pub(super) struct Ngrams {
    /// UTF-8 that is not worked on yet: at least the last characters, one fewer than a feature has.
    text: Vec<u8>,
    features: Vec<u32>,
    minhash: MinHash,
    any: bool,
}

impl Ngrams {
    pub(super) fn new() -> Self {
        Self { text: Vec::new(), features: Vec::new(), minhash: MinHash::new(), any: false }
    }

    /// Adds `text`, whole characters in UTF-8.
    pub(super) fn feed_utf8(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        if self.text.len() >= TEXT_BYTES {
            self.slide();
        }
    }

    pub(super) fn feed(&mut self, chars: impl Iterator<Item = char>) {
        for c in chars {
            self.feed_utf8(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Takes all whole features off.
    fn slide(&mut self) {
        let text = &self.text[..];
        // What all features from `at` on share with the next: up to `end`.
        let (mut at, mut end) = (0, 0);
        for _ in 0..SHARED {
            end += text.get(end).map_or(1, |&byte| char_length(byte));
        }
        while end < text.len() {
            let ascii = ascii_length(&text[at..]);
            if ascii >= FEATURE_CHARS {
                ascii_features(&text[at..at + ascii], &mut self.features);
                at += ascii - SHARED;
                end = at + SHARED;
            } else {
                end += char_length(text[end]);
                self.features.push(xxh32(&text[at..end], 0));
                at += char_length(text[at]);
            }
        }
        self.text.drain(..at);
        self.any |= !self.features.is_empty();
        self.minhash.update(&self.features);
        self.features.clear();
    }

    /// The digest. A text that is shorter than a feature is one, even an empty one.
    pub(super) fn finish(&mut self) -> [u8; 32] {
        self.slide();
        if !self.any {
            self.minhash.update(&[xxh32(&self.text, 0)]);
        }
        self.minhash.digest()
    }
}

/// Bytes of the character that `byte` begins.
#[inline(always)]
fn char_length(byte: u8) -> usize {
    match byte {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    }
}

/// How many of the first bytes are ASCII.
pub(super) fn ascii_length(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<32>();
    let whole = chunks.iter().take_while(|chunk| chunk.is_ascii()).count() * 32;
    whole + bytes[whole..].iter().take_while(|byte| byte.is_ascii()).count()
}

/// Adds the features of an ASCII text of [`FEATURE_CHARS`] or more.
fn ascii_features(text: &[u8], features: &mut Vec<u32>) {
    let count = text.len() - SHARED;
    features.reserve(count);
    for first in (0..count).step_by(LANES) {
        let rest = &text[first..];
        let hashes = match rest.first_chunk::<{ LANES + SHARED }>() {
            Some(bytes) => fast!(hash_all(bytes)),
            None => {
                let mut bytes = [0; LANES + SHARED];
                bytes[..rest.len()].copy_from_slice(rest);
                fast!(hash_all(&bytes))
            }
        };
        features.extend_from_slice(&hashes[..LANES.min(count - first)]);
    }
}

/// XXH32 of all runs of 13 bytes (`xxhash_spec.md` in Cyan4973/xxHash, inputs below 16 bytes).
#[inline(always)]
fn hash_all(bytes: &[u8; LANES + SHARED]) -> [u32; LANES] {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let mut wide = [0_u32; LANES + SHARED];
    for (wide, &byte) in wide.iter_mut().zip(bytes) {
        *wide = u32::from(byte);
    }
    // The four bytes from each place on, and their product.
    let mut words = [0_u32; LANES + 8];
    for at in 0..LANES + 8 {
        let word = wide[at] | wide[at + 1] << 8 | wide[at + 2] << 16 | wide[at + 3] << 24;
        words[at] = word.wrapping_mul(PRIMES[2]);
    }
    let mut hashes = [PRIMES[4].wrapping_add(FEATURE_CHARS as u32); LANES];
    for at in 0..LANES {
        let mut hash = hashes[at];
        for word in [words[at], words[at + 4], words[at + 8]] {
            hash = hash.wrapping_add(word).rotate_left(17).wrapping_mul(PRIMES[3]);
        }
        hash = hash.wrapping_add(wide[at + 12].wrapping_mul(PRIMES[4])).rotate_left(11).wrapping_mul(PRIMES[0]);
        hash = (hash ^ hash >> 15).wrapping_mul(PRIMES[1]);
        hash = (hash ^ hash >> 13).wrapping_mul(PRIMES[2]);
        hashes[at] = hash ^ hash >> 16;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_equal_the_library(text in proptest::collection::vec(any::<u8>(), 13..300)) {
            let mut features = Vec::new();
            ascii_features(&text, &mut features);
            let expected: Vec<u32> = text.windows(13).map(|bytes| xxh32(bytes, 0)).collect();
            prop_assert_eq!(features, expected);
        }
    }
}
