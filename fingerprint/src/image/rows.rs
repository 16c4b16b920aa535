//! The horizontal pass of [`super::resample`], where most of the work is.
//!
//! The sums are exact integers, so their order is free. A coefficient is cut into two 16-bit halves, because machines
//! multiply many pairs of 16 bits at once.

use super::resample::{Filter, ROUNDING, taps, to_8_bits};
use crate::vector::fast;

/// Bits of the lower half of a coefficient, which is never negative.
const LOW_BITS: u32 = 15;
/// Every sum takes a multiple of so many pixels; the coefficients are zero behind the last one that counts.
const STEP: usize = 16;

/// Resizes rows of one width to another one.
pub(super) struct RowFilter {
    channels: usize,
    /// Per output position where its input begins.
    first: Vec<usize>,
    /// Coefficients per output position.
    count: usize,
    /// `count` values per output position: the upper bits of the coefficients, and their [`LOW_BITS`] lower ones.
    high: Vec<i16>,
    low: Vec<i16>,
    /// One channel after the other, each followed by `count` zeros.
    planes: Vec<i16>,
    plane: usize,
}

impl RowFilter {
    pub(super) fn new(width: usize, out_width: usize, channels: usize, filter: Filter) -> Self {
        let taps = taps(width, out_width, filter);
        let count = taps.iter().map(|taps| taps.weights.len()).max().unwrap_or(0).next_multiple_of(STEP);
        let padded = |part: fn(i32) -> i16| {
            let weights = taps.iter().flat_map(|taps| {
                let weights = taps.weights.iter().copied();
                weights.chain(std::iter::repeat(0)).take(count)
            });
            weights.map(part).collect()
        };
        Self {
            channels,
            first: taps.iter().map(|taps| taps.first).collect(),
            count,
            high: padded(|weight| (weight >> LOW_BITS) as i16),
            low: padded(|weight| (weight & ((1 << LOW_BITS) - 1)) as i16),
            planes: vec![0; (width + count) * channels],
            plane: width + count,
        }
    }

    pub(super) fn run(&mut self, row: &[u8], out: &mut [u8]) {
        match self.channels {
            1 => self.run_of::<1>(row, out),
            3 => self.run_of::<3>(row, out),
            _ => self.run_of::<4>(row, out),
        }
    }

    fn run_of<const CHANNELS: usize>(&mut self, row: &[u8], out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || self.run_with::<CHANNELS>(row, out, simd),
            );
        }
        fast!(self.run_with::<CHANNELS>(row, out, Plain));
    }

    #[inline(always)]
    fn run_with<const CHANNELS: usize>(&mut self, row: &[u8], out: &mut [u8], weigh: impl Weigh) {
        split::<CHANNELS>(row, &mut self.planes, self.plane);
        let (out, _) = out.as_chunks_mut::<CHANNELS>();
        let weights = self.high.chunks_exact(self.count).zip(self.low.chunks_exact(self.count));
        for ((&first, (high, low)), out) in self.first.iter().zip(weights).zip(out) {
            if let [red, green, blue] = out.as_mut_slice() {
                let input = |channel: usize| &self.planes[channel * self.plane + first..][..self.count];
                let sums = weigh.three_sums(input(0), input(1), input(2), high, low);
                (*red, *green, *blue) = (to_8_bits(sums[0]), to_8_bits(sums[1]), to_8_bits(sums[2]));
                continue;
            }
            for (channel, out) in out.iter_mut().enumerate() {
                let input = &self.planes[channel * self.plane + first..][..self.count];
                *out = to_8_bits(weigh.sum(input, high, low));
            }
        }
    }
}

/// Writes each channel of `row` to its plane.
#[inline(always)]
fn split<const CHANNELS: usize>(row: &[u8], planes: &mut [i16], plane: usize) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    if CHANNELS == 3 {
        // All three at once: the shuffles are shared.
        let (red, rest) = planes.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
            *red = i16::from(pixel[0]);
            *green = i16::from(pixel[1]);
            *blue = i16::from(pixel[2]);
        }
        return;
    }
    for (channel, plane) in planes.chunks_exact_mut(plane).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(pixels) {
            *value = i16::from(pixel[channel]);
        }
    }
}

trait Weigh: Copy {
    /// Sum of the input times its coefficients, and one half.
    fn sum(self, input: &[i16], high: &[i16], low: &[i16]) -> i32;

    /// The same of three inputs, which share the coefficients.
    #[inline(always)]
    fn three_sums(self, a: &[i16], b: &[i16], c: &[i16], high: &[i16], low: &[i16]) -> [i32; 3] {
        [self.sum(a, high, low), self.sum(b, high, low), self.sum(c, high, low)]
    }
}

/// For every machine.
#[derive(Clone, Copy)]
struct Plain;

impl Weigh for Plain {
    #[inline(always)]
    fn sum(self, input: &[i16], high: &[i16], low: &[i16]) -> i32 {
        products(input, high).wrapping_shl(LOW_BITS).wrapping_add(products(input, low)).wrapping_add(ROUNDING)
    }
}

#[inline(always)]
fn products(input: &[i16], weights: &[i16]) -> i32 {
    let mut sum = 0_i32;
    for (&value, &weight) in input.iter().zip(weights) {
        sum = sum.wrapping_add(i32::from(value).wrapping_mul(i32::from(weight)));
    }
    sum
}

/// With the one instruction that compilers do not find: sixteen products, added in pairs.
#[cfg(target_arch = "x86_64")]
impl Weigh for pulp::x86::V3 {
    #[inline(always)]
    fn sum(self, input: &[i16], high: &[i16], low: &[i16]) -> i32 {
        let (mut upper, mut lower) = (self.splat_i32x8(0), self.splat_i32x8(0));
        let steps = input.as_chunks::<STEP>().0.iter().zip(high.as_chunks::<STEP>().0).zip(low.as_chunks::<STEP>().0);
        for ((&input, &high), &low) in steps {
            let input = pulp::cast(input);
            let above = self.multiply_wrapping_add_adjacent_i16x16(input, pulp::cast(high));
            let below = self.multiply_wrapping_add_adjacent_i16x16(input, pulp::cast(low));
            upper = self.wrapping_add_i32x8(upper, above);
            lower = self.wrapping_add_i32x8(lower, below);
        }
        let sums = self.wrapping_add_i32x8(self.shl_const_i32x8::<{ LOW_BITS as i32 }>(upper), lower);
        let eight: [i32; 8] = pulp::cast(sums);
        eight.into_iter().fold(ROUNDING, i32::wrapping_add)
    }

    #[inline(always)]
    fn three_sums(self, a: &[i16], b: &[i16], c: &[i16], high: &[i16], low: &[i16]) -> [i32; 3] {
        let zero = self.splat_i32x8(0);
        let (mut a_upper, mut b_upper, mut c_upper) = (zero, zero, zero);
        let (mut a_lower, mut b_lower, mut c_lower) = (zero, zero, zero);
        let inputs = a.as_chunks::<STEP>().0.iter().zip(b.as_chunks::<STEP>().0).zip(c.as_chunks::<STEP>().0);
        let weights = high.as_chunks::<STEP>().0.iter().zip(low.as_chunks::<STEP>().0);
        for (((&a, &b), &c), (&high, &low)) in inputs.zip(weights) {
            let (a, b, c) = (pulp::cast(a), pulp::cast(b), pulp::cast(c));
            let (high, low) = (pulp::cast(high), pulp::cast(low));
            a_upper = self.wrapping_add_i32x8(a_upper, self.multiply_wrapping_add_adjacent_i16x16(a, high));
            b_upper = self.wrapping_add_i32x8(b_upper, self.multiply_wrapping_add_adjacent_i16x16(b, high));
            c_upper = self.wrapping_add_i32x8(c_upper, self.multiply_wrapping_add_adjacent_i16x16(c, high));
            a_lower = self.wrapping_add_i32x8(a_lower, self.multiply_wrapping_add_adjacent_i16x16(a, low));
            b_lower = self.wrapping_add_i32x8(b_lower, self.multiply_wrapping_add_adjacent_i16x16(b, low));
            c_lower = self.wrapping_add_i32x8(c_lower, self.multiply_wrapping_add_adjacent_i16x16(c, low));
        }
        let join = |upper, lower| self.wrapping_add_i32x8(self.shl_const_i32x8::<{ LOW_BITS as i32 }>(upper), lower);
        let (a, b, c) = (join(a_upper, a_lower), join(b_upper, b_lower), join(c_upper, c_lower));
        // Neighbours added twice within each half: a, b, c, c of the lower half, then of the upper one.
        let pairs = self.horizontal_add_pack_i32x8(a, b);
        let pairs = self.horizontal_add_pack_i32x8(pairs, self.horizontal_add_pack_i32x8(c, c));
        let [a, b, c, _, a_above, b_above, c_above, _]: [i32; 8] = pulp::cast(pairs);
        [a.wrapping_add(a_above), b.wrapping_add(b_above), c.wrapping_add(c_above)]
            .map(|sum| sum.wrapping_add(ROUNDING))
    }
}
