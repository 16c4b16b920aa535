//! A fingerprint out of its compressed form: the way back of [`compress`](super::compress).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::compress::{ALGORITHM, GAP_MAX};

/// The items of a fingerprint as `fpcalc` prints it; `None` for anything else. Memory is at most eleven times that of
/// `text`, whatever length it claims.
pub fn decompress(text: &str) -> Option<Vec<u32>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let [algorithm, a, b, c, body @ ..] = bytes.as_slice() else { return None };
    let count = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    // an item takes three bits at least
    if *algorithm != ALGORITHM || count > body.len() * 8 / 3 {
        return None;
    }
    let mut gaps = Vec::new();
    let mut bits = Bits { bytes: body, at: 0 };
    let mut ended = 0;
    while ended < count {
        let gap = bits.take(3)?;
        ended += usize::from(gap == 0);
        gaps.push(gap);
    }
    // the second list begins with a byte of its own
    let mut rests = Bits { bytes: body, at: bits.at.div_ceil(8) * 8 };
    let mut items = Vec::with_capacity(count);
    let (mut before, mut item, mut position) = (0_u32, 0_u32, 0_u32);
    for gap in gaps {
        if gap == 0 {
            before ^= std::mem::take(&mut item);
            position = 0;
            items.push(before);
            continue;
        }
        let rest = if gap == GAP_MAX { rests.take(5)? } else { 0 };
        position += u32::from(gap + rest);
        item |= 1_u32.checked_shl(position - 1)?;
    }
    Some(items)
}

/// Bits, lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u8> {
        let mut value = 0;
        for bit in 0..count {
            let at = self.at + bit;
            value |= (self.bytes.get(at / 8)? >> (at % 8) & 1) << bit;
        }
        self.at += count;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::compress::compress;
    use super::*;

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(items in proptest::collection::vec(any::<u32>(), 0..200)) {
            prop_assert_eq!(decompress(&compress(&items)), Some(items));
        }

        #[test]
        fn no_text_does_harm(text in "[A-Za-z0-9_-]{0,200}") {
            let _ = decompress(&text);
        }
    }

    #[test]
    fn the_example_of_the_reference_and_cut_ones() {
        // all bits, no bits, and one far away
        let items = [u32::MAX, 0, 1 << 31, 1];
        let text = compress(&items);
        assert_eq!(decompress(&text), Some(items.to_vec()));
        for length in 0..text.len() - 1 {
            assert_eq!(decompress(&text[..length]), None, "{length}");
        }
        assert_eq!(decompress("AgAAAA"), None, "another algorithm");
        assert_eq!(decompress("Af___w"), None, "a length that is not there");
    }
}
