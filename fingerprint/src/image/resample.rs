//! Pillow's 8-bit resampling with its Lanczos and bicubic filters, and its grey.
//!
//! Two passes, horizontal then vertical (the other way round for very tall images), each rounding
//! to 8 bits; a pass that would not change the size is left out. Coefficients are normalised in f64
//! and rounded to integers of 22 fractional bits. Written after the documented behaviour of
//! Pillow's `Resample` (version 12), and bit-equal to it.

use std::f64::consts::PI;

use super::rows::RowFilter;
use crate::vector::fast;

/// Fractional bits of a coefficient: 32, less 8 of the pixel, less 2 for overshoot and sign.
const PRECISION_BITS: u32 = 22;
/// One half, in the fixed point of the sums.
pub(super) const ROUNDING: i32 = 1 << (PRECISION_BITS - 1);
/// Lanczos with a = 3.
const LANCZOS_SUPPORT: f64 = 3.0;
/// Cubic convolution with this slope at one pixel's distance.
const BICUBIC_SLOPE: f64 = -0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Lanczos,
    Bicubic,
}

impl Filter {
    /// Half its width, in pixels of the smaller image.
    fn support(self) -> f64 {
        match self {
            Self::Lanczos => LANCZOS_SUPPORT,
            Self::Bicubic => 2.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        match self {
            Self::Lanczos => lanczos(x),
            Self::Bicubic => bicubic(x.abs()),
        }
    }
}

/// An 8-bit image with 1 (L), 3 (RGB) or 4 interleaved channels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raster {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    /// `width * height * channels` values.
    pub(super) values: Vec<u8>,
}

/// Images this many times as tall as wide are shrunk vertically first.
const TALL_RATIO: usize = 100;

/// Resizes an image to a square, row by row: only the rows shrunk horizontally are kept.
pub(super) struct ToSquare {
    side: usize,
    filter: Filter,
    /// What came in so far, already `side` wide unless vertical comes first.
    raster: Raster,
    /// `None` when the rows are kept as they come.
    row: Option<RowFilter>,
    vertical_first: bool,
}

impl ToSquare {
    pub(super) fn new(width: usize, height: usize, channels: usize, side: usize, filter: Filter) -> Self {
        let vertical_first = height > width * TALL_RATIO && side < height;
        let kept_width = if vertical_first { width } else { side };
        let values = Vec::with_capacity(kept_width * height * channels);
        Self {
            side,
            filter,
            raster: Raster { width: kept_width, height, channels, values },
            row: (width != side && !vertical_first).then(|| RowFilter::new(width, side, channels, filter)),
            vertical_first,
        }
    }

    /// Takes the next row, `width * channels` values.
    pub(super) fn row(&mut self, row: &[u8]) {
        let values = &mut self.raster.values;
        match &mut self.row {
            Some(filter) => {
                let start = values.len();
                values.resize(start + self.raster.width * self.raster.channels, 0);
                filter.run(row, &mut values[start..]);
            }
            None => values.extend_from_slice(row),
        }
    }

    /// All `height` rows must have come in.
    pub(super) fn finish(self) -> Raster {
        let raster = vertical(self.raster, self.side, self.filter);
        if self.vertical_first { horizontal(&raster, self.side, self.filter) } else { raster }
    }
}

/// Resizes `raster` to `width` x `height`.
pub(super) fn resize(raster: &Raster, width: usize, height: usize, filter: Filter) -> Raster {
    vertical(horizontal(raster, width, filter), height, filter)
}

fn horizontal(raster: &Raster, width: usize, filter: Filter) -> Raster {
    if raster.width == width {
        return raster.clone();
    }
    let channels = raster.channels;
    let mut row_filter = RowFilter::new(raster.width, width, channels, filter);
    let mut values = vec![0; width * raster.height * channels];
    let rows = raster.values.chunks_exact(raster.width * channels);
    for (row, out) in rows.zip(values.chunks_exact_mut(width * channels)) {
        row_filter.run(row, out);
    }
    Raster { width, height: raster.height, channels, values }
}

fn vertical(raster: Raster, height: usize, filter: Filter) -> Raster {
    if raster.height == height {
        return raster;
    }
    let stride = raster.width * raster.channels;
    let mut values = vec![0; stride * height];
    let mut sums = vec![0_i32; stride];
    for (taps, out) in taps(raster.height, height, filter).iter().zip(values.chunks_exact_mut(stride)) {
        fast!(vertical_row(&raster.values[taps.first * stride..], taps, &mut sums, out));
    }
    Raster { width: raster.width, height, channels: raster.channels, values }
}

#[inline(always)]
fn vertical_row(rows: &[u8], taps: &Taps, sums: &mut [i32], out: &mut [u8]) {
    sums.fill(ROUNDING);
    for (row, &weight) in rows.chunks_exact(sums.len()).zip(&taps.weights) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
        }
    }
    for (out, &sum) in out.iter_mut().zip(&*sums) {
        *out = to_8_bits(sum);
    }
}

#[inline(always)]
pub(super) fn to_8_bits(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// What one output position takes: `weights[i]` times the input at `first + i`.
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) weights: Vec<i32>,
}

/// Coefficients of every output position; when the image shrinks, the filter widens with it.
pub(super) fn taps(input: usize, output: usize, filter: Filter) -> Vec<Taps> {
    let scale = input as f64 / output as f64;
    let filter_scale = scale.max(1.0);
    let support = filter.support() * filter_scale;
    let step = 1.0 / filter_scale;
    (0..output)
        .map(|position| {
            let center = (position as f64 + 0.5) * scale;
            // Casts truncate towards zero and negative values become 0, as wanted.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            let weights: Vec<f64> = (first..end).map(|at| filter.at((at as f64 - center + 0.5) * step)).collect();
            let total: f64 = weights.iter().sum();
            let weights = weights.iter().map(|weight| fixed_point(if total == 0.0 { *weight } else { weight / total }));
            Taps { first, weights: weights.collect() }
        })
        .collect()
}

fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

fn lanczos(x: f64) -> f64 {
    if (-LANCZOS_SUPPORT..LANCZOS_SUPPORT).contains(&x) { sinc(x) * sinc(x / LANCZOS_SUPPORT) } else { 0.0 }
}

fn bicubic(x: f64) -> f64 {
    if x < 1.0 {
        ((BICUBIC_SLOPE + 2.0) * x - (BICUBIC_SLOPE + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * BICUBIC_SLOPE
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

/// Pillow's RGB to L: ITU-R 601-2 luma in 16-bit fixed point, rounded. A row of one channel is copied.
pub(super) fn luma_row(row: &[u8], channels: usize, out: &mut [u8]) {
    if channels == 1 {
        out.copy_from_slice(row);
    } else {
        fast!(luma(row, out));
    }
}

#[inline(always)]
fn luma(row: &[u8], out: &mut [u8]) {
    for (&[r, g, b], out) in row.as_chunks::<3>().0.iter().zip(out) {
        let weighted = |value: u8, weight: u32| u32::from(value).wrapping_mul(weight);
        let sum = weighted(r, 19_595).wrapping_add(weighted(g, 38_470)).wrapping_add(weighted(b, 7_471));
        *out = (sum.wrapping_add(0x8000) >> 16) as u8;
    }
}
