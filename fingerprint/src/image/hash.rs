//! The three hashes of imagehash 4.3.2 with `hash_size` 16.

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::{OnWhite, PerceptualHashes};
use rustdct::DctPlanner;

use super::HASH_SIZE;
use super::resample::{Filter, Raster, luma_row, resize};

const SIDE: usize = HASH_SIZE as usize;
/// Side of the image that is transformed: imagehash's `highfreq_factor` 4 times the hash size.
const DCT_SIDE: usize = SIDE * 4;
/// Grey levels that the pixels have to be spread over (their standard deviation): less is what the noise of a sensor and
/// the errors of a codec make of one colour.
const SPREAD_MIN: f64 = 2.0;

/// A hash, and how many of its bits the picture decides: the others hang on less than rounding and the noise of a codec
/// are worth.
pub(super) struct Weighed {
    bits: Vec<bool>,
    firm: usize,
}

impl Weighed {
    /// Of values and whether each is above `threshold`; those that are no more than `margin` away from it are not firm.
    fn new(values: impl Iterator<Item = f64>, threshold: f64, margin: f64) -> Self {
        let (mut bits, mut firm) = (Vec::with_capacity(SIDE * SIDE), 0);
        for value in values {
            bits.push(value > threshold);
            firm += usize::from((value - threshold).abs() > margin);
        }
        Self { bits, firm }
    }

    /// Per cent of the bits that are firm.
    pub(super) fn evidence(&self) -> u8 {
        (self.firm * 100 / self.bits.len().max(1)) as u8
    }

    /// The bits as hex digits, first bit highest.
    pub(super) fn hex(&self) -> String {
        let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, &bit| byte << 1 | u8::from(bit));
        ::hex::encode(self.bits.chunks(8).map(byte).collect::<Vec<u8>>())
    }
}

/// pHash, aHash and dHash of the normalised 256x256 image.
pub(super) struct Trio {
    pub(super) phash: Weighed,
    pub(super) ahash: Weighed,
    pub(super) dhash: Weighed,
}

impl Trio {
    pub(super) fn of(normal: &Raster) -> Self {
        let grey = to_grey(normal);
        Self { phash: phash(&grey), ahash: ahash(&grey), dhash: dhash(&grey) }
    }

    pub(super) fn section(&self) -> PerceptualHashes {
        PerceptualHashes {
            ahash: self.ahash.hex(),
            dhash: self.dhash.hex(),
            hash_size: HASH_SIZE,
            on_white: None,
            phash: self.phash.hex(),
            rest: Object::new(),
        }
    }

    /// As the hashes of a picture laid over white.
    pub(super) fn on_white(&self) -> OnWhite {
        let (ahash, dhash, phash) = (self.ahash.hex(), self.dhash.hex(), self.phash.hex());
        OnWhite { ahash, dhash, phash, rest: Object::new() }
    }
}

/// pHash alone, of the normalised 256x256 image.
pub(super) fn phash_of(normal: &Raster) -> String {
    phash(&to_grey(normal)).hex()
}

fn to_grey(raster: &Raster) -> Raster {
    let mut values = vec![0; raster.width * raster.height];
    luma_row(&raster.values, raster.channels, &mut values);
    Raster { channels: 1, values, ..*raster }
}

/// Top-left 16x16 of the 2-D DCT-II of the 64x64 image, each above the median of all 256.
fn phash(grey: &Raster) -> Weighed {
    let small = resize(grey, DCT_SIDE, DCT_SIDE, Filter::Lanczos);
    low_frequencies(&small.values, DCT_SIDE, SIDE)
}

/// Top-left `low` x `low` of the 2-D DCT-II of `side` x `side` pixels, each above the median of all of them.
///
/// Symmetric and striped images have many coefficients that are exactly zero; a transform built
/// of butterflies leaves them zero, as the reference does, where a plain sum would leave noise.
/// The reference scales each DCT by two, which changes neither signs nor order.
pub(super) fn low_frequencies(pixels: &[u8], side: usize, low: usize) -> Weighed {
    let dct = DctPlanner::<f64>::new().plan_dct2(side);
    // Columns first, as the reference does.
    let mut rows = vec![0.0; side * low];
    let mut column = vec![0.0; side];
    for x in 0..side {
        for (value, row) in column.iter_mut().zip(pixels.chunks_exact(side)) {
            *value = f64::from(row[x]);
        }
        dct.process_dct2(&mut column);
        for (row, value) in rows.chunks_exact_mut(side).zip(&column) {
            row[x] = *value;
        }
    }
    let mut coefficients = Vec::with_capacity(low * low);
    for row in rows.chunks_exact_mut(side) {
        dct.process_dct2(row);
        coefficients.extend_from_slice(&row[..low]);
    }
    let median = median(&coefficients);
    let margin = if spread(pixels) < SPREAD_MIN { f64::INFINITY } else { 2.0 * noise(side) };
    Weighed::new(coefficients.into_iter(), median, margin)
}

/// Standard deviation, in grey levels.
fn spread(pixels: &[u8]) -> f64 {
    let count = pixels.len().max(1) as f64;
    let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let squares: f64 = pixels.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    (squares / count).sqrt()
}

/// Mean of the two middle values; `values` has an even, non-zero length.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    (sorted[middle - 1] + sorted[middle]) / 2.0
}

/// What white noise of one grey level adds to a coefficient of a DCT of `side` x `side` pixels (its standard deviation).
fn noise(side: usize) -> f64 {
    side as f64 / 2.0
}

/// Pixels of the 16x16 image above their mean, in sums of 256 to stay with whole numbers.
fn ahash(grey: &Raster) -> Weighed {
    let small = resize(grey, SIDE, SIDE, Filter::Lanczos);
    let sum: f64 = small.values.iter().map(|&value| f64::from(value)).sum();
    let count = small.values.len() as f64;
    Weighed::new(small.values.iter().map(|&value| f64::from(value) * count), sum, count)
}

/// Pixels of the 17x16 image brighter than their left neighbour.
fn dhash(grey: &Raster) -> Weighed {
    let small = resize(grey, SIDE + 1, SIDE, Filter::Lanczos);
    let rows = small.values.chunks_exact(SIDE + 1);
    let steps = rows.flat_map(|row| row.windows(2).map(|pair| f64::from(pair[1]) - f64::from(pair[0])));
    Weighed::new(steps, 0.0, 1.0)
}
