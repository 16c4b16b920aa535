//! Hashes of 256 bits and the number of bits that differ.

/// A hash of 256 bits, 64 hex digits in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits256([u64; 4]);

impl Bits256 {
    /// `None` for anything but 64 hex digits.
    pub(super) fn parse(hex_digits: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(hex_digits, &mut bytes).ok()?;
        let mut words = [0_u64; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        Some(Self(words))
    }

    /// Ones or zeros, whichever are fewer: 0 to 128.
    pub(super) fn rarer(self) -> u32 {
        let ones: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        ones.min(256 - ones)
    }

    /// Bits that differ, 0 to 256.
    pub(super) fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Bits256;

    #[test]
    fn hex_becomes_bits_and_bits_are_counted() {
        let zero = Bits256::parse(&"0".repeat(64)).unwrap();
        let ones = Bits256::parse(&"F".repeat(64)).unwrap();
        assert_eq!(zero.distance(zero), 0);
        assert_eq!(zero.distance(ones), 256);
        let one = Bits256::parse(&format!("{}1", "0".repeat(63))).unwrap();
        assert_eq!(zero.distance(one), 1);
        for wrong in ["", "0", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"é".repeat(32)] {
            assert!(Bits256::parse(wrong).is_none(), "{wrong}");
        }
    }
}
