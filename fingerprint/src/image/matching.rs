//! Hashes for looking pictures up, at a fraction of the time of the exact ones.

use std::io::{BufRead, Seek, SeekFrom};

use libjpeg_turbo_rs::ScalingFactor;
use metastamp_protocol::fingerprint::algorithm::{AHASH_SCALED, DHASH_SCALED, PDQ_SCALED, PHASH_SCALED};
use metastamp_protocol::fingerprint::{Algorithms, PerceptualHashes};
use serde::Serialize;

use super::decode;
use super::hash::Trio;
use super::probe::{self, Format, Header};
use super::resample::{Filter, ToSquare};
use super::{NORMAL_SIDE_PX, pdq};
use crate::{FingerprintError, Limits};

/// Shortest side that a JPEG is decoded to: twice that of the square which is hashed.
const SIDE_PX_MIN: usize = 2 * NORMAL_SIDE_PX;

/// What [`matching_hashes`] returns. To be compared with stored hashes by distance, never stored as them: a JPEG is
/// decoded at a fraction of its size, which moves a bit now and then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatchingHashes {
    pub perceptual_hashes: PerceptualHashes,
    /// PDQ and its turned forms, in the order of [`PDQ_FORMS`](metastamp_protocol::fingerprint::PDQ_FORMS).
    pub pdq: String,
    /// 0 to 100.
    pub pdq_quality: u8,
    pub pdq_dihedral: Vec<String>,
    /// Which algorithm made which hash.
    pub algorithms: Algorithms,
}

/// Hashes of the PNG, JPEG or WebP image that `reader` holds, for lookups.
///
/// # Errors
/// As [`super::fingerprint`].
pub fn matching_hashes<R: BufRead + Seek>(mut reader: R, limits: &Limits) -> Result<MatchingHashes, FingerprintError> {
    let file_size = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    let header = probe::probe(&mut reader, file_size, limits)?;
    let pixels = decode::decode(&mut reader, &header, factor(&header), limits)?;
    let mut square = ToSquare::new(pixels.width, pixels.height, pixels.channels, NORMAL_SIDE_PX, Filter::Lanczos);
    let mut hasher = pdq::Hasher::new(pixels.width, pixels.height);
    for row in pixels.rows() {
        square.row(row);
        hasher.row(row, pixels.channels);
    }
    let hashed = hasher.finish();
    Ok(MatchingHashes {
        perceptual_hashes: Trio::of(&square.finish()).section(),
        pdq: hashed.hex(),
        pdq_quality: hashed.quality,
        pdq_dihedral: hashed.dihedral(),
        algorithms: Algorithms::from([
            ("phash", PHASH_SCALED),
            ("ahash", AHASH_SCALED),
            ("dhash", DHASH_SCALED),
            ("pdq", PDQ_SCALED),
        ]),
    })
}

/// The exact trio alone, as [`super::fingerprint`] gives it, without the other hashes and the thumbnail.
///
/// # Errors
/// As [`super::fingerprint`].
pub fn exact_hashes<R: BufRead + Seek>(mut reader: R, limits: &Limits) -> Result<PerceptualHashes, FingerprintError> {
    let file_size = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    let header = probe::probe(&mut reader, file_size, limits)?;
    let pixels = decode::decode(&mut reader, &header, ScalingFactor::default(), limits)?;
    let mut square = ToSquare::new(pixels.width, pixels.height, pixels.channels, NORMAL_SIDE_PX, Filter::Lanczos);
    for row in pixels.rows() {
        square.row(row);
    }
    Ok(Trio::of(&square.finish()).section())
}

/// The smallest of the factors that the decoder has fast code for.
fn factor(header: &Header) -> ScalingFactor {
    let shortest = header.width.min(header.height) as usize;
    // 1/8, 1/4, 1/2
    let mut factors =
        ScalingFactor::SUPPORTED.into_iter().rev().filter(|factor| factor.num() == 1 && factor.denom() > 1);
    let fitting = factors.find(|factor| factor.scale_dim(shortest) >= SIDE_PX_MIN);
    fitting.filter(|_| header.format == Format::Jpeg).unwrap_or_default()
}
