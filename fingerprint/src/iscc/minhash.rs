//! MinHash of ISO 24138:2024, as Text-Codes and Data-Codes need it, in constant memory.
//!
//! The library in use takes all features at once, which for a text are one for each character, and divides for each of
//! them and each permutation; this takes them as they come and keeps 64 numbers. The permutations are those of the
//! standard (`minhash.py` of iscc-core).

use crate::vector::fast;

/// Permutations.
const PERMUTATIONS: usize = 64;
/// The Mersenne prime 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;
/// Lowest bits of each minimum that make up the digest.
const DIGEST_BITS: usize = 4;
/// What [`permute`] may add to the lowest 32 bits of its sum: the highest 3 bits, and 1 for the prime.
const CARRY_MAX: u32 = 8;
/// Features looked at together: they stay in the nearest cache, and few such blocks hold a new minimum.
const BLOCK: usize = 512;

/// Smallest value of each permutation so far.
#[derive(Debug, Clone)]
pub(crate) struct MinHash {
    smallest: [u32; PERMUTATIONS],
}

impl MinHash {
    pub(crate) fn new() -> Self {
        Self { smallest: [u32::MAX; PERMUTATIONS] }
    }

    /// Adds features; order and repetition do not matter.
    pub(crate) fn update(&mut self, features: &[u32]) {
        for block in features.chunks(BLOCK) {
            let bounds = fast!(lower_bounds(block));
            let permutations = self.smallest.iter_mut().zip(bounds).zip(MULTIPLIERS).zip(ADDENDS);
            for (((smallest, bound), a), b) in permutations {
                // Rare, but for the first blocks.
                if bound <= smallest.saturating_add(CARRY_MAX) {
                    *smallest = block.iter().fold(*smallest, |least, &feature| least.min(permute(feature, a, b)));
                }
            }
        }
    }

    /// The lowest bit of all minima, then the second lowest, and so on: 256 bits, the first one highest.
    pub(crate) fn digest(&self) -> [u8; PERMUTATIONS * DIGEST_BITS / 8] {
        let mut digest = [0; PERMUTATIONS * DIGEST_BITS / 8];
        for bit in 0..DIGEST_BITS {
            for (index, smallest) in self.smallest.iter().enumerate() {
                let at = bit * PERMUTATIONS + index;
                digest[at / 8] |= ((smallest >> bit & 1) as u8) << (7 - at % 8);
            }
        }
        digest
    }
}

/// The lowest 32 bits of `(a * feature + b mod 2^64) mod (2^61 - 1)`.
#[inline(always)]
fn permute(feature: u32, a: u64, b: u64) -> u32 {
    let value = a.wrapping_mul(u64::from(feature)).wrapping_add(b);
    // 2^61 is 1 modulo the prime; the sum is below twice the prime.
    let folded = (value & PRIME) + (value >> 61);
    let reduced = if folded >= PRIME { folded - PRIME } else { folded };
    reduced as u32
}

/// For each permutation a number that is at most [`CARRY_MAX`] above its smallest value in `block`.
///
/// The lowest 32 bits of `a * feature + b` need the lowest 32 bits of `a` and `b` only, and [`permute`] adds 0 to
/// [`CARRY_MAX`] to them, modulo 2^32. With [`CARRY_MAX`] added here, sums that such a carry would take past 2^32 are small
/// here, too.
#[inline(always)]
fn lower_bounds(block: &[u32]) -> [u32; PERMUTATIONS] {
    /// Permutations that share the loads of features.
    const TOGETHER: usize = 4;
    /// Features side by side.
    const LANES: usize = 8;
    let (vectors, rest) = block.as_chunks::<LANES>();
    let mut bounds = [u32::MAX; PERMUTATIONS];
    for (group, bounds) in bounds.as_chunks_mut::<TOGETHER>().0.iter_mut().enumerate() {
        let a: [u32; TOGETHER] = std::array::from_fn(|index| MULTIPLIERS[group * TOGETHER + index] as u32);
        let b: [u32; TOGETHER] =
            std::array::from_fn(|index| (ADDENDS[group * TOGETHER + index] as u32).wrapping_add(CARRY_MAX));
        let mut least = [[u32::MAX; LANES]; TOGETHER];
        for features in vectors {
            for index in 0..TOGETHER {
                for lane in 0..LANES {
                    let sum = a[index].wrapping_mul(features[lane]).wrapping_add(b[index]);
                    least[index][lane] = least[index][lane].min(sum);
                }
            }
        }
        for index in 0..TOGETHER {
            bounds[index] = least[index].iter().copied().fold(u32::MAX, u32::min);
            for feature in rest {
                bounds[index] = bounds[index].min(a[index].wrapping_mul(*feature).wrapping_add(b[index]));
            }
        }
    }
    bounds
}

#[rustfmt::skip]
const MULTIPLIERS: [u64; PERMUTATIONS] = [
    853_146_490_016_488_653, 1_849_332_765_672_628_665, 1_131_688_930_666_554_379, 1_936_485_333_668_353_377,
    890_837_126_813_020_267, 1_988_249_303_247_129_861, 1_408_894_512_544_874_755, 2_140_251_716_176_616_185,
    1_755_124_413_189_049_421, 1_355_916_793_659_431_597, 546_586_563_822_844_083, 497_603_761_441_203_021,
    2_000_709_902_557_454_173, 1_057_597_903_350_092_207, 1_576_204_252_850_880_253, 2_078_784_234_495_706_739,
    1_022_616_668_454_863_635, 2_150_082_342_606_334_489, 712_341_150_087_765_807, 1_511_757_510_246_096_559,
    1_525_853_819_909_660_573, 1_263_771_796_138_990_131, 1_215_963_627_200_985_263, 590_069_150_281_426_443,
    130_824_646_248_385_081, 962_725_325_544_728_503, 1_702_561_325_943_522_847, 296_074_222_435_072_629,
    490_211_158_716_051_523, 1_255_327_197_241_792_767, 699_458_998_727_907_367, 32_930_168_991_409_845,
    1_985_097_843_455_124_585, 362_027_841_570_125_531, 1_903_252_144_040_897_835, 900_391_845_076_405_289,
    547_470_123_601_853_551, 1_689_373_724_032_359_119, 845_594_231_933_442_371, 400_331_968_021_206_285,
    174_967_108_345_233_429, 876_513_700_861_085_019, 505_848_386_844_809_885, 1_920_468_508_342_256_199,
    1_292_611_725_303_815_789, 963_317_239_501_343_903, 1_730_880_032_297_268_007, 284_614_929_850_059_717,
    1_185_026_248_283_273_081, 2_167_288_823_816_985_197, 1_214_905_315_086_686_483, 1_555_253_098_157_439_857,
    1_048_013_650_291_539_723, 1_238_618_594_841_147_605, 1_213_502_582_686_547_311, 286_300_733_803_129_311,
    1_250_358_511_639_043_529, 407_534_797_452_854_371, 960_869_149_538_623_787, 1_722_699_901_467_253_087,
    1_325_704_236_119_824_319, 196_979_859_428_570_839, 1_669_408_735_473_259_699, 781_336_617_016_068_757,
];

#[rustfmt::skip]
const ADDENDS: [u64; PERMUTATIONS] = [
    1_089_606_993_368_836_715, 726_972_438_868_274_737, 66_204_585_613_901_025, 1_078_410_179_646_709_132,
    1_343_470_117_098_523_467, 698_653_121_981_343_911, 1_248_486_536_592_473_639, 1_447_963_007_834_012_793,
    1_034_598_851_883_537_815, 1_474_008_409_379_745_934, 793_773_480_906_057_541, 980_501_101_461_882_479,
    963_941_556_313_537_655, 233_651_787_311_327_325, 243_905_121_737_149_907, 570_269_452_476_776_142,
    297_633_284_648_631_084, 1_516_796_967_247_398_557, 1_494_795_672_066_692_649, 1_728_741_177_365_151_059,
    1_029_197_538_967_983_408, 1_660_732_464_170_610_344, 1_399_769_594_446_678_069, 506_465_470_557_005_705,
    1_279_720_146_829_545_181, 860_096_419_955_634_036, 411_519_685_280_832_908, 69_539_191_273_403_207,
    1_960_489_729_088_056_217, 605_092_075_716_397_684, 1_017_496_016_211_653_149, 1_304_834_535_101_321_372,
    949_013_511_180_032_347, 1_142_776_242_221_098_779, 576_980_004_709_031_232, 1_071_272_177_143_100_544,
    1_494_527_341_093_835_499, 1_073_290_814_142_727_850, 1_285_904_200_674_942_617, 1_277_176_606_329_477_335,
    343_788_427_301_735_585, 2_100_915_269_685_487_331, 1_227_711_252_031_557_450, 18_593_166_391_963_377,
    2_101_884_148_332_688_233, 191_808_277_534_686_888, 2_170_124_912_729_392_024, 918_430_470_748_151_293,
    1_831_024_560_113_812_361, 1_951_365_515_851_067_694, 744_352_348_473_654_499, 1_921_518_311_887_826_722,
    2_020_165_648_600_700_886, 1_764_930_142_256_726_985, 1_903_893_374_912_839_788, 1_449_378_957_774_802_122,
    1_435_825_328_374_066_345, 833_197_549_717_762_813, 2_238_991_044_337_210_799, 748_955_638_857_938_366,
    1_834_583_747_494_146_901, 222_012_292_803_592_982, 901_238_460_725_547_841, 1_501_611_130_776_083_278,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of an odd number, modulo 2^32.
    fn inverse(odd: u32) -> u32 {
        (0..5).fold(odd, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse))))
    }

    proptest! {
        #[test]
        fn equals_the_library(features in proptest::collection::vec(any::<u32>(), 0..2000), cut in 0_usize..2000) {
            let (first, second) = features.split_at(cut.min(features.len()));
            let mut minhash = MinHash::new();
            minhash.update(first);
            minhash.update(second);
            prop_assert_eq!(minhash.digest().to_vec(), iscc_lib::alg_minhash_256(&features));
        }

        /// Values so near to 0 and 2^32 that carries matter.
        #[test]
        fn bounds_hold(seeds in proptest::collection::vec((0_usize..PERMUTATIONS, 0_u32..32), 1..40)) {
            let features: Vec<u32> = seeds
                .iter()
                .map(|&(index, near)| {
                    let wanted = near.wrapping_sub(16).wrapping_sub(ADDENDS[index] as u32);
                    wanted.wrapping_mul(inverse(MULTIPLIERS[index] as u32))
                })
                .collect();
            let mut minhash = MinHash::new();
            features.iter().for_each(|feature| minhash.update(&[*feature]));
            for index in 0..PERMUTATIONS {
                let values = features.iter().map(|&feature| permute(feature, MULTIPLIERS[index], ADDENDS[index]));
                prop_assert_eq!(Some(minhash.smallest[index]), values.min());
            }
        }

        #[test]
        fn reduces_exactly(feature: u32, a: u64, b: u64) {
            let value = a.wrapping_mul(u64::from(feature)).wrapping_add(b);
            prop_assert_eq!(permute(feature, a, b), (value % PRIME) as u32);
            // Around multiples of the prime, where the reduction could be one off.
            for value in (0..8).flat_map(|n| [PRIME * n, (PRIME * n).wrapping_sub(1), PRIME * n + 1]) {
                prop_assert_eq!(permute(0, 0, value), (value % PRIME) as u32);
            }
        }
    }
}
