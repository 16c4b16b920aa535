//! Pillow's 8-bit resampling with its Lanczos and bicubic filters, and its grey.
//!
//! Two passes, horizontal then vertical (the other way round for very tall images), each rounding
//! to 8 bits; a pass that would not change the size is left out. Coefficients are normalised in f64
//! and rounded to integers of 22 fractional bits. Written after the documented behaviour of
//! Pillow's `Resample` (version 12), and bit-equal to it.

use std::f64::consts::PI;

/// Fractional bits of a coefficient: 32, less 8 of the pixel, less 2 for overshoot and sign.
const PRECISION_BITS: u32 = 22;
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

/// What one output position takes: `weights[i]` times the input at `first + i`.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Resizes an image to a square, row by row: only the rows shrunk horizontally are kept.
pub(super) struct ToSquare {
    side: usize,
    filter: Filter,
    /// What came in so far, already `side` wide unless vertical comes first.
    raster: Raster,
    /// `None` when the rows are kept as they come.
    taps: Option<Vec<Taps>>,
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
            taps: (width != side && !vertical_first).then(|| taps(width, side, filter)),
            vertical_first,
        }
    }

    /// Takes the next row, `width * channels` values.
    pub(super) fn row(&mut self, row: &[u8]) {
        let values = &mut self.raster.values;
        match &self.taps {
            Some(taps) => {
                let start = values.len();
                values.resize(start + self.raster.width * self.raster.channels, 0);
                resample_row(row, self.raster.channels, taps, &mut values[start..]);
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
    let taps = taps(raster.width, width, filter);
    let mut values = vec![0; width * raster.height * channels];
    let rows = raster.values.chunks_exact(raster.width * channels);
    for (row, out) in rows.zip(values.chunks_exact_mut(width * channels)) {
        resample_row(row, channels, &taps, out);
    }
    Raster { width, height: raster.height, channels, values }
}

fn vertical(raster: Raster, height: usize, filter: Filter) -> Raster {
    if raster.height == height {
        return raster;
    }
    let stride = raster.width * raster.channels;
    let mut values = Vec::with_capacity(stride * height);
    let mut sums = vec![0_i32; stride];
    for taps in taps(raster.height, height, filter) {
        sums.fill(1 << (PRECISION_BITS - 1));
        let rows = raster.values[taps.first * stride..].chunks_exact(stride);
        for (row, &weight) in rows.zip(&taps.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        values.extend(sums.iter().map(|&sum| to_8_bits(sum)));
    }
    Raster { width: raster.width, height, channels: raster.channels, values }
}

fn resample_row(row: &[u8], channels: usize, taps: &[Taps], out: &mut [u8]) {
    match channels {
        1 => resample_row_of::<1>(row, taps, out),
        3 => resample_row_of::<3>(row, taps, out),
        _ => resample_row_of::<4>(row, taps, out),
    }
}

fn resample_row_of<const CHANNELS: usize>(row: &[u8], taps: &[Taps], out: &mut [u8]) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let (out, _) = out.as_chunks_mut::<CHANNELS>();
    for (taps, out) in taps.iter().zip(out) {
        let mut sums = [1_i32 << (PRECISION_BITS - 1); CHANNELS];
        for (pixel, &weight) in pixels[taps.first..].iter().zip(&taps.weights) {
            for channel in 0..CHANNELS {
                sums[channel] += i32::from(pixel[channel]) * weight;
            }
        }
        *out = sums.map(to_8_bits);
    }
}

fn to_8_bits(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Coefficients of every output position; when the image shrinks, the filter widens with it.
fn taps(input: usize, output: usize, filter: Filter) -> Vec<Taps> {
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
        return;
    }
    for (&[r, g, b], out) in row.as_chunks::<3>().0.iter().zip(out) {
        let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 0x8000;
        *out = (sum >> 16) as u8;
    }
}
