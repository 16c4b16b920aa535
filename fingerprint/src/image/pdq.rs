//! PDQ, the 256-bit photo hash of Meta, over the full size of a picture: equal to `pdqhash.compute` of pdqhash 0.2.8.
//!
//! After "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (Facebook, 2019): luma, a tent
//! filter (two passes of a box filter each way), 64x64 samples, the 16x16 lowest frequencies of the DCT without the
//! constant one, each above their median. All sums run in `f32` in the reference's order, so that the rounding is the
//! same; rows are taken eight at a time because each is one long chain of additions.
//!
//! Rows come in one after the other: memory is a few rows and the samples, whatever the height.

use std::sync::LazyLock;

use super::boxes::{ColumnFilter, LANES, box_filter, box_sums, interleave, separate, within_window};
use crate::vector::fast;

/// Side of the image that is transformed.
const SAMPLES: usize = 64;
/// Side of the hash.
const SIDE: usize = 16;
/// Smaller images have no hash: all bits zero, quality 0.
pub(super) const SIDE_PX_MIN: usize = 5;

type Samples = [[f32; SAMPLES]; SAMPLES];
type Coefficients = [[f32; SIDE]; SIDE];

/// Hash, quality and, from the same coefficients, the hashes of the turned and mirrored picture.
pub(super) struct Hashed {
    /// None for pictures that are too small.
    coefficients: Option<Box<Coefficients>>,
    /// Of the pixels without a filter: the reference takes pictures of 64x64 as they are, but for the turned forms.
    unfiltered: Option<Box<Coefficients>>,
    /// 0 to 100: how much structure the picture has.
    pub(super) quality: u8,
}

/// Takes luma rows from the top and hashes them.
pub(super) struct Hasher {
    width: usize,
    height: usize,
    /// Up to [`LANES`] rows of luma, one after the other.
    rows: Vec<f32>,
    rows_filled: usize,
    interleaved: Vec<[f32; LANES]>,
    filtered: Vec<[f32; LANES]>,
    columns: ColumnFilter,
    /// Rows after both filters of the first pass.
    second: Vec<f32>,
    second_filled: usize,
    /// Every row after the second horizontal pass, at the sampled columns only.
    sampled: Vec<[f32; SAMPLES]>,
    /// The pixels of a picture of 64x64.
    unfiltered: Vec<f32>,
}

impl Hasher {
    /// For a picture of `width` x `height` pixels.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            rows: vec![0.0; width * LANES],
            rows_filled: 0,
            interleaved: vec![[0.0; LANES]; width],
            filtered: vec![[0.0; LANES]; width],
            columns: ColumnFilter::new(width, window(height)),
            second: vec![0.0; width * LANES],
            second_filled: 0,
            sampled: Vec::with_capacity(height),
            unfiltered: Vec::new(),
        }
    }

    /// Takes the next row, `width` RGB pixels or, with one channel, grey values.
    pub(super) fn row(&mut self, row: &[u8], channels: usize) {
        if self.is_too_small() {
            return;
        }
        let out = &mut self.rows[self.rows_filled * self.width..][..self.width];
        if channels == 3 {
            fast!(luma(row, out));
        } else {
            grey(row, out);
        }
        if (self.width, self.height) == (SAMPLES, SAMPLES) {
            self.unfiltered.extend_from_slice(out);
        }
        self.rows_filled += 1;
        if self.rows_filled == LANES {
            self.filter_rows();
        }
    }

    /// Hashes what came in; all `height` rows must have.
    pub(super) fn finish(mut self) -> Hashed {
        if self.is_too_small() {
            return Hashed { coefficients: None, unfiltered: None, quality: 0 };
        }
        self.filter_rows();
        while self.columns.drain(&mut self.second[self.second_filled * self.width..][..self.width]) {
            self.take_filtered();
        }
        self.sample();
        let mut columns = vec![[0.0; SAMPLES]; self.height];
        fast!(box_filter(&self.sampled, &mut columns, window(self.height)));
        let mut samples = [[0.0; SAMPLES]; SAMPLES];
        for (y, row) in samples.iter_mut().enumerate() {
            *row = columns[sampled_at(y, self.height)];
        }
        let coefficients = Some(Box::new(transform(&samples)));
        if self.unfiltered.is_empty() {
            return Hashed { coefficients, unfiltered: None, quality: quality(&samples) };
        }
        for (row, values) in samples.iter_mut().zip(self.unfiltered.as_chunks().0) {
            *row = *values;
        }
        Hashed { coefficients, unfiltered: Some(Box::new(transform(&samples))), quality: quality(&samples) }
    }

    fn is_too_small(&self) -> bool {
        self.width < SIDE_PX_MIN || self.height < SIDE_PX_MIN
    }

    /// First pass over the rows that are there.
    fn filter_rows(&mut self) {
        let width = self.width;
        fast!({
            interleave(&self.rows, width, &mut self.interleaved);
            box_filter(&self.interleaved, &mut self.filtered, window(width));
            separate(&self.filtered, &mut self.rows);
        });
        for lane in 0..self.rows_filled {
            let row = &self.rows[lane * width..][..width];
            if self.columns.push(row, &mut self.second[self.second_filled * width..][..width]) {
                self.take_filtered();
            }
        }
        self.rows_filled = 0;
    }

    fn take_filtered(&mut self) {
        self.second_filled += 1;
        if self.second_filled == LANES {
            self.sample();
        }
    }

    /// Second horizontal pass over the rows that are there, kept at the sampled columns.
    fn sample(&mut self) {
        fast!({
            interleave(&self.second, self.width, &mut self.interleaved);
            // Only what is sampled is divided.
            box_sums::<LANES, false>(&self.interleaved, &mut self.filtered, window(self.width));
        });
        for lane in 0..self.second_filled {
            self.sampled.push(std::array::from_fn(|sample| {
                let x = sampled_at(sample, self.width);
                self.filtered[x][lane] / within_window(x, self.width, window(self.width))
            }));
        }
        self.second_filled = 0;
    }
}

/// Luma as the reference computes it in `f64` and rounds to `f32`. The sum in thousandths is a whole number below 2^24,
/// so one division rounds to the same `f32` (tested over all such sums).
#[inline(always)]
fn luma(row: &[u8], out: &mut [f32]) {
    let (pixels, _) = row.as_chunks::<3>();
    for (&[r, g, b], out) in pixels.iter().zip(out) {
        let weighted = |value: u8, weight: i32| i32::from(value).wrapping_mul(weight);
        let thousandths = weighted(r, 299).wrapping_add(weighted(g, 587)).wrapping_add(weighted(b, 114));
        *out = thousandths as f32 / 1000.0;
    }
}

fn grey(row: &[u8], out: &mut [f32]) {
    for (&value, out) in row.iter().zip(out) {
        *out = f32::from(value);
    }
}

/// Window of one box filter: two of them cover one sample.
fn window(length: usize) -> usize {
    length.div_ceil(2 * SAMPLES)
}

/// Position of a sample: the middle of its block.
fn sampled_at(sample: usize, length: usize) -> usize {
    (((sample as f64 + 0.5) * length as f64) / SAMPLES as f64) as usize
}

/// How much structure the samples have: the sum of all significant steps between neighbours.
fn quality(samples: &Samples) -> u8 {
    let step = |a: f32, b: f32| (((a - b) * 100.0) / 255.0) as i32;
    let mut sum = 0;
    for (row, below) in samples.iter().zip(&samples[1..]) {
        sum += row.iter().zip(below).map(|(&a, &b)| step(a, b).abs()).sum::<i32>();
    }
    for row in samples {
        sum += row.windows(2).map(|pair| step(pair[0], pair[1]).abs()).sum::<i32>();
    }
    (sum / 90).min(100) as u8
}

/// Row `i` holds the cosine of frequency `i + 1`.
static COSINES: LazyLock<[[f32; SAMPLES]; SIDE]> = LazyLock::new(|| {
    let scale = (2.0 / SAMPLES as f64).sqrt() as f32;
    let quarter = std::f64::consts::PI / 2.0 / SAMPLES as f64;
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (f64::from(scale) * (quarter * (i as f64 + 1.0) * (2.0 * j as f64 + 1.0)).cos()) as f32)
    })
});

fn transform(samples: &Samples) -> Coefficients {
    let cosines = &*COSINES;
    let mut out = [[0.0; SIDE]; SIDE];
    for (out, factors) in out.iter_mut().zip(cosines) {
        let mut row = [0.0_f32; SAMPLES];
        for (sample, &factor) in samples.iter().zip(factors) {
            for (sum, &value) in row.iter_mut().zip(sample) {
                *sum += factor * value;
            }
        }
        for (out, factors) in out.iter_mut().zip(cosines) {
            *out = row.iter().zip(factors).fold(0.0, |sum, (&value, &factor)| sum + value * factor);
        }
    }
    out
}

impl Hashed {
    /// 64 hex digits.
    pub(super) fn hex(&self) -> String {
        let coefficients = self.unfiltered.as_deref().or(self.coefficients.as_deref());
        form(coefficients, false, |_, _| false)
    }

    /// Of the picture as it is, turned by 90, 180 and 270 degrees, mirrored vertically and horizontally, and mirrored
    /// at both diagonals: the order of `pdqhash.compute_dihedral`.
    pub(super) fn dihedral(&self) -> Vec<String> {
        let coefficients = self.coefficients.as_deref();
        vec![
            form(coefficients, false, |_, _| false),
            form(coefficients, true, |_, j| j & 1 == 0),
            form(coefficients, false, |i, j| (i + j) & 1 == 1),
            form(coefficients, true, |i, _| i & 1 == 0),
            form(coefficients, false, |i, _| i & 1 == 0),
            form(coefficients, false, |_, j| j & 1 == 0),
            form(coefficients, true, |_, _| false),
            form(coefficients, true, |i, j| (i + j) & 1 == 1),
        ]
    }
}

/// The hash of a turned picture: coefficients transposed and some of them negated, by their place before.
fn form(coefficients: Option<&Coefficients>, transposed: bool, negated: impl Fn(usize, usize) -> bool) -> String {
    let Some(coefficients) = coefficients else { return "0".repeat(SIDE * SIDE / 4) };
    let turned: Vec<f32> = (0..SIDE * SIDE)
        .map(|at| {
            let (i, j) = if transposed { (at % SIDE, at / SIDE) } else { (at / SIDE, at % SIDE) };
            if negated(i, j) { -coefficients[i][j] } else { coefficients[i][j] }
        })
        .collect();
    let mut sorted = turned.clone();
    sorted.sort_by(f32::total_cmp);
    // The lower of the two middle values, as the reference's median.
    let median = sorted[SIDE * SIDE / 2 - 1];
    // The last coefficient is the highest bit.
    let byte = |bits: &[f32]| bits.iter().rev().fold(0_u8, |byte, &value| byte << 1 | u8::from(value > median));
    hex::encode(turned.chunks(8).rev().map(byte).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    /// The reference takes the sum in `f64` and then rounds.
    #[test]
    fn luma_is_the_reference_for_all_colours() {
        let mut row = vec![0_u8; 256 * 3];
        let mut found = vec![0.0; 256];
        for r in 0..=255_u8 {
            for g in 0..=255_u8 {
                for (b, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    *pixel = [r, g, b as u8];
                }
                super::luma(&row, &mut found);
                for (&[r, g, b], &found) in row.as_chunks::<3>().0.iter().zip(&found) {
                    let wanted = f64::from(r) * 0.299 + f64::from(g) * 0.587 + f64::from(b) * 0.114;
                    assert_eq!(found, wanted as f32, "{r} {g} {b}");
                }
            }
        }
    }
}
