//! The three hashes of imagehash 4.3.2 with `hash_size` 16.

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::PerceptualHashes;
use rustdct::DctPlanner;

use super::HASH_SIZE;
use super::resample::{Filter, Raster, luma_row, resize};

const SIDE: usize = HASH_SIZE as usize;
/// Side of the image that is transformed: imagehash's `highfreq_factor` 4 times the hash size.
const DCT_SIDE: usize = SIDE * 4;

/// pHash, aHash and dHash of the normalised 256x256 image.
pub(super) fn trio(normal: &Raster) -> PerceptualHashes {
    let grey = to_grey(normal);
    PerceptualHashes {
        ahash: hex(ahash(&grey)),
        dhash: hex(dhash(&grey)),
        hash_size: HASH_SIZE,
        phash: hex(phash(&grey)),
        rest: Object::new(),
    }
}

/// pHash alone, of the normalised 256x256 image.
pub(super) fn phash_of(normal: &Raster) -> String {
    hex(phash(&to_grey(normal)))
}

fn to_grey(raster: &Raster) -> Raster {
    let mut values = vec![0; raster.width * raster.height];
    luma_row(&raster.values, raster.channels, &mut values);
    Raster { channels: 1, values, ..*raster }
}

/// Top-left 16x16 of the 2-D DCT-II of the 64x64 image, each above the median of all 256.
///
/// Symmetric and striped images have many coefficients that are exactly zero; a transform built
/// of butterflies leaves them zero, as the reference does, where a plain sum would leave noise.
/// The reference scales each DCT by two, which changes neither signs nor order.
fn phash(grey: &Raster) -> Vec<bool> {
    let small = resize(grey, DCT_SIDE, DCT_SIDE, Filter::Lanczos);
    let dct = DctPlanner::<f64>::new().plan_dct2(DCT_SIDE);
    // Columns first, as the reference does.
    let mut rows = [[0.0; DCT_SIDE]; SIDE];
    for x in 0..DCT_SIDE {
        let mut column: [f64; DCT_SIDE] = std::array::from_fn(|y| f64::from(small.values[y * DCT_SIDE + x]));
        dct.process_dct2(&mut column);
        for (row, value) in rows.iter_mut().zip(column) {
            row[x] = value;
        }
    }
    let mut low = Vec::with_capacity(SIDE * SIDE);
    for mut row in rows {
        dct.process_dct2(&mut row);
        low.extend_from_slice(&row[..SIDE]);
    }
    let median = median(&low);
    low.iter().map(|&coefficient| coefficient > median).collect()
}

/// Mean of the two middle values; `values` has an even, non-zero length.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    (sorted[middle - 1] + sorted[middle]) / 2.0
}

/// Pixels of the 16x16 image above their mean, without a division.
fn ahash(grey: &Raster) -> Vec<bool> {
    let small = resize(grey, SIDE, SIDE, Filter::Lanczos);
    let sum: u64 = small.values.iter().map(|&value| u64::from(value)).sum();
    let count = small.values.len() as u64;
    small.values.iter().map(|&value| u64::from(value) * count > sum).collect()
}

/// Pixels of the 17x16 image brighter than their left neighbour.
fn dhash(grey: &Raster) -> Vec<bool> {
    let small = resize(grey, SIDE + 1, SIDE, Filter::Lanczos);
    let rows = small.values.chunks_exact(SIDE + 1);
    rows.flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0])).collect()
}

/// Bits to hex digits, first bit highest.
fn hex(bits: Vec<bool>) -> String {
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, &bit| byte << 1 | u8::from(bit));
    ::hex::encode(bits.chunks(8).map(byte).collect::<Vec<u8>>())
}
