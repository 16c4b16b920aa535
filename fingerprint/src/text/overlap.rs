//! How much of one text is in another, and where.

/// Shingles of a text, ready to be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shingles {
    /// Hash, and offset of the first word in Unicode scalar values; by rising hash, no hash twice.
    pub(super) entries: Vec<(u64, u32)>,
    /// Lowest bits that are zero in all hashes.
    pub(super) zero_bits: u32,
}

/// What two texts share.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// Shingles of both.
    pub shared: usize,
    /// Shingles of the first text that took part.
    pub of_a: usize,
    /// Shingles of the second text that took part.
    pub of_b: usize,
    /// Shared ones among all, 0 to 1.
    pub jaccard: f64,
    /// Part of the first text that is in the second one, 0 to 1.
    pub a_in_b: f64,
    /// Part of the second text that is in the first one, 0 to 1.
    pub b_in_a: f64,
    /// Where shared shingles begin, in the first text and in the second one, by rising place in the first.
    pub matches: Vec<(u32, u32)>,
}

/// A passage that two texts share: where it begins in both, and where its last shingle begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// First and last place in the first text.
    pub a: (u32, u32),
    /// First and last place in the second text.
    pub b: (u32, u32),
    /// Shared shingles in it.
    pub shingles: usize,
}

/// Characters between two shared shingles of one passage at most; edits leave such gaps.
const GAP_CHARS_MAX: u32 = 400;
/// Characters that an edit may add or take between two shared shingles of one passage.
const SHIFT_CHARS_MAX: u32 = 100;

impl Shingles {
    /// Shingles there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none: the text has no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hashes, rising.
    pub fn hashes(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries.iter().map(|(hash, _)| *hash)
    }

    /// Those that a sample with `zero_bits` would have.
    fn sampled(&self, zero_bits: u32) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.entries.iter().copied().filter(move |(hash, _)| hash.trailing_zeros() >= zero_bits)
    }
}

/// What `a` and `b` share. Both are thinned out as the longer one is, which leaves of a short text only a part.
#[must_use]
pub fn overlap(a: &Shingles, b: &Shingles) -> Overlap {
    let zero_bits = a.zero_bits.max(b.zero_bits);
    let mut matches = Vec::new();
    let (mut of_a, mut of_b) = (0, 0);
    let mut others = b.sampled(zero_bits).inspect(|_| of_b += 1).peekable();
    for (hash, at) in a.sampled(zero_bits) {
        of_a += 1;
        while others.next_if(|(other, _)| *other < hash).is_some() {}
        if let Some((_, other_at)) = others.next_if(|(other, _)| *other == hash) {
            matches.push((at, other_at));
        }
    }
    others.for_each(drop);
    matches.sort_unstable();
    let shared = matches.len();
    let part = |of: usize| if of == 0 { 0.0 } else { shared as f64 / of as f64 };
    Overlap { shared, of_a, of_b, jaccard: part(of_a + of_b - shared), a_in_b: part(of_a), b_in_a: part(of_b), matches }
}

impl Overlap {
    /// The matches put together: those that follow each other in both texts, edits allowed. The one with the most
    /// shingles comes first.
    #[must_use]
    pub fn passages(&self) -> Vec<Passage> {
        let mut passages: Vec<Passage> = Vec::new();
        for &(a, b) in &self.matches {
            // The ones that a match can continue end close before it, so they are among the last.
            let continued = passages.iter_mut().rev().take(32).find(|passage| {
                let (gap_a, gap_b) = (a.checked_sub(passage.a.1), b.checked_sub(passage.b.1));
                gap_a.zip(gap_b).is_some_and(|(gap_a, gap_b)| {
                    gap_a.max(gap_b) <= GAP_CHARS_MAX && gap_a.abs_diff(gap_b) <= SHIFT_CHARS_MAX
                })
            });
            match continued {
                Some(passage) => {
                    (passage.a.1, passage.b.1) = (a, b);
                    passage.shingles += 1;
                }
                None => passages.push(Passage { a: (a, a), b: (b, b), shingles: 1 }),
            }
        }
        passages.sort_by_key(|passage| (std::cmp::Reverse(passage.shingles), passage.a));
        passages
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::FeatureStream;

    fn shingles(text: &str) -> Shingles {
        let mut stream = FeatureStream::default();
        stream.feed(text);
        Shingles::load(&stream.finish().shingles).unwrap()
    }

    /// Words that do not repeat.
    fn words(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("word{} ", n.wrapping_mul(2_654_435_761) % 1_000_003)).collect()
    }

    #[test]
    fn an_excerpt_is_found_with_its_place() {
        let (before, excerpt, after) = (words(0, 500), words(500, 600), words(600, 1_000));
        let whole = shingles(&format!("{before}{excerpt}{after}"));
        // In other clothes, and within other words.
        let quoted = format!("Someone said: «{}» And went away.", excerpt.to_uppercase().replace(' ', ",\n"));
        let part = shingles(&quoted);
        let overlap = overlap(&part, &whole);
        assert!(overlap.a_in_b > 0.9 && overlap.b_in_a < 0.2 && overlap.jaccard < 0.2, "{overlap:?}");
        let passage = overlap.passages()[0];
        assert!(passage.shingles > 20);
        assert!(passage.b.0 as usize >= before.len() && passage.b.0 as usize <= before.len() + 40, "{passage:?}");
        assert!((passage.b.1 as usize) < before.len() + excerpt.len(), "{passage:?}");
    }

    #[test]
    fn strangers_share_nothing_and_nothing_shares_nothing() {
        let found = overlap(&shingles(&words(0, 500)), &shingles(&words(5_000, 6_000)));
        assert_eq!((found.shared, found.jaccard), (0, 0.0));
        let nothing = overlap(&shingles(""), &shingles("..."));
        assert_eq!((nothing.of_a, nothing.jaccard, nothing.a_in_b), (0, 0.0, 0.0));
        assert!(nothing.passages().is_empty());
    }

    #[test]
    fn long_texts_are_thinned_out_and_stay_comparable() {
        let long = words(0, 400_000);
        let (whole, half) = (shingles(&long), shingles(&words(0, 200_000)));
        assert!(whole.zero_bits > half.zero_bits);
        assert!(whole.len() <= 65_536 && half.len() <= 65_536);
        let overlap = overlap(&half, &whole);
        assert!(
            overlap.a_in_b > 0.99 && (0.45..0.55).contains(&overlap.b_in_a),
            "{} {}",
            overlap.a_in_b,
            overlap.b_in_a
        );
    }

    #[test]
    fn damaged_shingles_are_refused() {
        let good = {
            let mut stream = FeatureStream::default();
            stream.feed(&words(0, 100));
            stream.finish().shingles
        };
        assert_eq!(Shingles::decode(&good.data, 0).unwrap().len(), good.count as usize);
        assert_eq!(Shingles::decode(&good.data[4..], 0), None);
        assert_eq!(Shingles::decode("no base64!", 0), None);
        assert_eq!(Shingles::decode(&good.data, 30), None);
        assert_eq!(Shingles::decode(&(good.data.clone() + &good.data), 0), None);
        assert!(Shingles::decode("", 0).unwrap().is_empty());
    }

    proptest! {
        /// Any run of eight words that two texts share is found (Schleimer, Wilkerson, Aiken 2003).
        #[test]
        fn eight_shared_words_are_found(at in 0_usize..300, before in 0_usize..20, after in 0_usize..20) {
            let text = shingles(&words(0, 400));
            let other = words(1_000, 1_000 + before) + &words(at, at + 8) + &words(2_000, 2_000 + after);
            prop_assert!(overlap(&shingles(&other), &text).shared > 0);
        }
    }
}
