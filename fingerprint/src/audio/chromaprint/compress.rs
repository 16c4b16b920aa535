//! The compressed form of a fingerprint, as fpcalc prints it.
//!
//! Header: algorithm minus one, then the number of items in 24 bits, big end first. Each item is
//! the difference (exclusive or) to the one before it, told by the gaps between its one bits: three
//! bits a gap, zero ends the item, seven means that five more bits follow in a second list behind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `CHROMAPRINT_ALGORITHM_TEST2`.
pub(super) const ALGORITHM: u8 = 1;
/// The largest gap of three bits; from here on there is a rest.
pub(super) const GAP_MAX: u8 = 7;

/// URL-safe base64 without padding.
pub(super) fn compress(items: &[u32]) -> String {
    let (mut gaps, mut rests) = (Bits::default(), Bits::default());
    let mut before = 0;
    for item in items {
        let mut bits = item ^ before;
        before = *item;
        while bits != 0 {
            let zeros = bits.trailing_zeros();
            let gap = zeros as u8 + 1;
            gaps.push(gap.min(GAP_MAX), 3);
            if gap >= GAP_MAX {
                rests.push(gap - GAP_MAX, 5);
            }
            // Two shifts, for the gap may be 32.
            bits = (bits >> zeros) >> 1;
        }
        gaps.push(0, 3);
    }
    let [_, a, b, c] = (items.len() as u32).to_be_bytes();
    let mut bytes = vec![ALGORITHM, a, b, c];
    bytes.append(&mut gaps.finish());
    bytes.append(&mut rests.finish());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bits, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u8, bits: u32) {
        self.pending |= u32::from(value) << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}
