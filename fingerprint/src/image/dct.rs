//! DCT-II of 64 values, rounded as the reference rounds it.
//!
//! pHash asks which coefficients exceed their median. Symmetric, striped and thin images have many
//! coefficients that are zero, and there the rounding of the transform decides bits: a DCT that is
//! just as exact gives another hash. So this is the algorithm of FFTPACK (Swarztrauber), which
//! scipy.fftpack uses: the input is folded into the spectrum of a real sequence, transformed
//! back by three radix-4 passes, and turned by a quarter of an angle. Twiddle factors are reduced
//! to the first octant before sine and cosine, so that equal angles have equal values.

use std::f64::consts::{PI, SQRT_2};

/// Length of the transform.
pub(super) const LENGTH: usize = 64;
const RADIX: usize = 4;

/// One radix-4 pass: `groups` transforms side by side, each of `RADIX` blocks of `block` values.
struct Pass {
    groups: usize,
    block: usize,
    /// Cosine and sine of `2 pi j groups i / 64` at `[j - 1][i - 1]`.
    twiddles: [Vec<(f64, f64)>; RADIX - 1],
}

/// Tables of the transform.
pub(super) struct Dct2 {
    passes: [Pass; 3],
    /// Cosine of `pi (k + 1) / 128` at `[k]`.
    quarter: [f64; LENGTH],
}

impl Dct2 {
    pub(super) fn new() -> Self {
        Self { passes: [1, 4, 16].map(Pass::new), quarter: std::array::from_fn(|k| cos_sin(k + 1, RADIX * LENGTH).0) }
    }

    /// `y[k] = 2 sum x[n] cos(pi k (2n + 1) / 128)`, in place.
    pub(super) fn process(&self, values: &mut [f64; LENGTH]) {
        values[0] *= 2.0;
        values[LENGTH - 1] *= 2.0;
        for k in (1..LENGTH - 1).step_by(2) {
            let (low, high) = (values[k], values[k + 1]);
            values[k] = high + low;
            values[k + 1] = high - low;
        }
        let mut turned = [0.0; LENGTH];
        for pass in &self.passes {
            pass.run(values, &mut turned);
            *values = turned;
        }
        for k in 1..LENGTH / 2 {
            let mirror = LENGTH - k;
            let (near, far) = (self.quarter[k - 1], self.quarter[mirror - 1]);
            let sum = near * values[mirror] + far * values[k];
            let difference = near * values[k] - far * values[mirror];
            values[k] = 0.5 * (sum + difference);
            values[mirror] = 0.5 * (sum - difference);
        }
        values[LENGTH / 2] *= self.quarter[LENGTH / 2 - 1];
    }
}

impl Pass {
    fn new(groups: usize) -> Self {
        let block = LENGTH / (RADIX * groups);
        let row = |j: usize| (1..=(block - 1) / 2).map(|i| cos_sin(j * groups * i, LENGTH)).collect();
        Self { groups, block, twiddles: [row(1), row(2), row(3)] }
    }

    /// Reads half-complex blocks: the real part of the first value, then pairs of real and
    /// imaginary parts, mirrored between neighbouring blocks.
    fn run(&self, input: &[f64; LENGTH], output: &mut [f64; LENGTH]) {
        for group in 0..self.groups {
            self.first(group, input, output);
            if self.block.is_multiple_of(2) {
                self.middle(group, input, output);
            }
            for pair in 1..=(self.block - 1) / 2 {
                self.pair(group, pair, input, output);
            }
        }
    }

    fn source(&self, at: usize, quarter: usize, group: usize) -> usize {
        at + self.block * (quarter + RADIX * group)
    }

    fn target(&self, at: usize, group: usize, quarter: usize) -> usize {
        at + self.block * (group + self.groups * quarter)
    }

    /// The purely real value at the start of each block.
    fn first(&self, group: usize, input: &[f64; LENGTH], output: &mut [f64; LENGTH]) {
        let last = self.block - 1;
        let (a, d) = (input[self.source(0, 0, group)], input[self.source(last, 3, group)]);
        let (sum, difference) = (a + d, a - d);
        let even = 2.0 * input[self.source(last, 1, group)];
        let odd = 2.0 * input[self.source(0, 2, group)];
        output[self.target(0, group, 0)] = sum + even;
        output[self.target(0, group, 2)] = sum - even;
        output[self.target(0, group, 3)] = difference + odd;
        output[self.target(0, group, 1)] = difference - odd;
    }

    /// The value in the middle of a block of even length.
    fn middle(&self, group: usize, input: &[f64; LENGTH], output: &mut [f64; LENGTH]) {
        let last = self.block - 1;
        let (d, b) = (input[self.source(0, 3, group)], input[self.source(0, 1, group)]);
        let (a, c) = (input[self.source(last, 0, group)], input[self.source(last, 2, group)]);
        let (imaginary_sum, imaginary_difference) = (d + b, d - b);
        let (real_sum, real_difference) = (a + c, a - c);
        output[self.target(last, group, 0)] = real_sum + real_sum;
        output[self.target(last, group, 1)] = SQRT_2 * (real_difference - imaginary_sum);
        output[self.target(last, group, 2)] = imaginary_difference + imaginary_difference;
        output[self.target(last, group, 3)] = -SQRT_2 * (real_difference + imaginary_sum);
    }

    /// The complex value number `pair` of each block.
    fn pair(&self, group: usize, pair: usize, input: &[f64; LENGTH], output: &mut [f64; LENGTH]) {
        let (im, re) = (2 * pair, 2 * pair - 1);
        let (mirror_im, mirror_re) = (self.block - im, self.block - im - 1);
        let value = |at, quarter| input[self.source(at, quarter, group)];
        let (a, d) = ((value(re, 0), value(im, 0)), (value(mirror_re, 3), value(mirror_im, 3)));
        let (c, b) = ((value(re, 2), value(im, 2)), (value(mirror_re, 1), value(mirror_im, 1)));
        let (real_ad, real_ad_difference) = (a.0 + d.0, a.0 - d.0);
        let (imaginary_ad, imaginary_ad_difference) = (a.1 + d.1, a.1 - d.1);
        let (imaginary_cb, imaginary_cb_difference) = (c.1 + b.1, c.1 - b.1);
        let (real_cb, real_cb_difference) = (c.0 + b.0, c.0 - b.0);
        output[self.target(re, group, 0)] = real_ad + real_cb;
        output[self.target(im, group, 0)] = imaginary_ad_difference + imaginary_cb_difference;
        let turned = [
            (real_ad_difference - imaginary_cb, imaginary_ad + real_cb_difference),
            (real_ad - real_cb, imaginary_ad_difference - imaginary_cb_difference),
            (real_ad_difference + imaginary_cb, imaginary_ad - real_cb_difference),
        ];
        for (quarter, (real, imaginary)) in turned.into_iter().enumerate() {
            let (cos, sin) = self.twiddles[quarter][pair - 1];
            output[self.target(im, group, quarter + 1)] = cos * imaginary + sin * real;
            output[self.target(re, group, quarter + 1)] = cos * real - sin * imaginary;
        }
    }
}

/// Cosine and sine of `2 pi k / n`, with `n` a multiple of eight and `k < n`.
fn cos_sin(k: usize, n: usize) -> (f64, f64) {
    let angle = |k: usize| 2.0 * PI * k as f64 / n as f64;
    if 8 * k < n {
        (angle(k).cos(), angle(k).sin())
    } else if 4 * k <= n {
        let rest = n / 4 - k;
        (angle(rest).sin(), angle(rest).cos())
    } else if 2 * k <= n {
        let (cos, sin) = cos_sin(n / 2 - k, n);
        (-cos, sin)
    } else {
        let (cos, sin) = cos_sin(n - k, n);
        (cos, -sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition() {
        let values: [f64; LENGTH] = std::array::from_fn(|n| ((n * 37 + 11) % 256) as f64);
        let mut found = values;
        Dct2::new().process(&mut found);
        for (k, found) in found.iter().enumerate() {
            let term = |(n, x): (usize, &f64)| x * (PI * k as f64 * (2 * n + 1) as f64 / 128.0).cos();
            let expected = 2.0 * values.iter().enumerate().map(term).sum::<f64>();
            assert!((found - expected).abs() < 1e-9, "{k}: {found} {expected}");
        }
    }

    #[test]
    fn constant_and_mirrored_input_have_exact_zeros() {
        let mut flat = [200.0; LENGTH];
        Dct2::new().process(&mut flat);
        assert!(flat[1..].iter().all(|&value| value == 0.0), "{flat:?}");
    }
}
