//! Exact mean of 256-bit integers.

/// Half of a 64-bit word each, highest first, with room for the carries of 2^32 summands.
const LIMBS: usize = 8;
const LIMB_BITS: u32 = 32;

/// Sum and number of 256-bit integers.
#[derive(Debug, Default)]
pub(super) struct Mean {
    sums: [u64; LIMBS],
    count: u32,
}

impl Mean {
    /// Adds a hash of 64 hex digits; another text counts as 0.
    pub(super) fn add(&mut self, hash: &str) {
        let mut bytes = [0; 32];
        if hex::decode_to_slice(hash, &mut bytes).is_err() {
            bytes = [0; 32];
        }
        let (limbs, _) = bytes.as_chunks::<4>();
        for (sum, &limb) in self.sums.iter_mut().zip(limbs) {
            *sum += u64::from(u32::from_be_bytes(limb));
        }
        self.count += 1;
    }

    /// The mean, rounded down, as 64 hex digits; empty when nothing was added.
    pub(super) fn hex(&self) -> String {
        if self.count == 0 {
            return String::new();
        }
        let mut sums = self.sums;
        for at in (1..LIMBS).rev() {
            sums[at - 1] += sums[at] >> LIMB_BITS;
            sums[at] &= u64::from(u32::MAX);
        }
        // Long division; the first limb may hold more than 32 bits, its quotient does not.
        let count = u64::from(self.count);
        let mut rest = 0;
        let mut bytes = Vec::with_capacity(LIMBS * 4);
        for sum in sums {
            let dividend = (rest << LIMB_BITS) + sum;
            bytes.extend_from_slice(&((dividend / count) as u32).to_be_bytes());
            rest = dividend % count;
        }
        hex::encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(hashes: &[&str]) -> String {
        let mut mean = Mean::default();
        hashes.iter().for_each(|hash| mean.add(hash));
        mean.hex()
    }

    #[test]
    fn the_mean_is_exact_and_rounded_down() {
        let (zero, ones, one) = ("0".repeat(64), "f".repeat(64), format!("{:0>64}", 1));
        assert_eq!(mean(&[]), "");
        assert_eq!(mean(&[&ones]), ones);
        assert_eq!(mean(&[&ones, &ones, &ones]), ones);
        assert_eq!(mean(&[&zero, &ones]), format!("7{}", "f".repeat(63)));
        assert_eq!(mean(&[&zero, &one]), zero);
        assert_eq!(mean(&[&one, &one, &one]), one);
        // 2^255 / 3, a carry through all limbs.
        assert_eq!(mean(&[&format!("8{}", "0".repeat(63)), &zero, &zero]), format!("2{}", "a".repeat(63)));
    }
}
