//! Perceptual hashes, ISCC Image-Code, metadata and thumbnail of PNG, JPEG and WebP images.
//!
//! pHash, aHash and dHash are those of Python's imagehash 4.3.2 over Pillow 12.2.0: convert to RGB unless the image
//! is RGB or L, resize to 256x256 with Lanczos, then `hash_size` 16. Alpha is dropped, palettes are
//! looked up, Exif orientation is not applied, of animations the first frame counts. The one wanted
//! departure: 16-bit greyscale is scaled (`>> 8`) where Pillow clips at 255, because clipped
//! images are white and would all match each other.

mod blocks;
mod boxes;
mod chunks;
mod decode;
mod encode;
mod exif;
mod hash;
mod iscc;
mod jpeg;
mod matching;
mod mend;
mod orientation;
mod pdq;
mod pixels;
mod png;
mod probe;
mod resample;
mod rows;
mod thumbnail;
mod titles;
mod trim;
mod turbo;
mod xmp;

use std::io::{BufRead, Seek, SeekFrom};

use libjpeg_turbo_rs::ScalingFactor;
use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::algorithm::{
    AHASH, AHASH_ON_WHITE, DHASH, DHASH_ON_WHITE, ISCC_IMAGE, PDQ, PDQ_TRIMMED, PHASH, PHASH_ON_WHITE,
};
use metastamp_protocol::fingerprint::{Algorithms, Evidence, Pdq, PerceptualHashes, TrimmedPdq};
use serde::Serialize;
use serde_json::json;

pub use encode::{encode_jpeg, encode_png};
pub use matching::{MatchingHashes, exact_hashes, matching_hashes};

use hash::Trio;
use orientation::Orientation;
use pixels::Pixels;
use resample::{Filter, ToSquare};
use titles::Titles;
use trim::Area;

use crate::iscc::TitleAndDescription;
use crate::progress::step;
use crate::{EncodedPicture, FingerprintError, Limits, Metadata, Progress};

/// Side of the square every image is resized to before it is hashed, in pixels.
const NORMAL_SIDE_PX: usize = 256;

/// Bits per side of each hash; a hash has `HASH_SIZE * HASH_SIZE` bits.
pub const HASH_SIZE: u32 = 16;

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageFingerprint {
    /// Hashes of the decoded picture.
    pub perceptual_hashes: PerceptualHashes,
    pub pdq: Pdq,
    /// ISCC Image-Code, 64 bits.
    pub iscc_content: String,
    /// `width`, `height`, `resolution` (`WxH`), `format` (PNG, JPEG, WEBP), `mode` (as Pillow
    /// spells it), `file_size` in bytes, `has_exif`, `exif` {tag name: value}, `camera` and
    /// `dateTaken` when the Exif data tells them, and `title` and `description` when XMP, IPTC or Exif do. GPS tags are left out: the metadata is shown to
    /// others, and where a picture was taken is the creator's own affair.
    pub metadata: Metadata,
    /// For the creator only: `latitude` and `longitude` in degrees, north and east positive, and `altitude` in metres
    /// when the file tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Metadata>,
    /// `thumbnail`.
    #[serde(skip)]
    pub pictures: Vec<EncodedPicture>,
    /// Which algorithm made which hash.
    pub algorithms: Algorithms,
    /// How much of each hash the picture decides.
    pub evidence: Evidence,
    /// What the Meta-Code is made of.
    #[serde(skip)]
    pub embedded: TitleAndDescription,
}

/// Rows between two reports of progress.
const ROWS_PER_STEP: usize = 256;

/// Fingerprint of the PNG, JPEG or WebP image that `reader` holds, read from its start.
///
/// Takes the decoded image, the file when it is a JPEG, and about 1,100 bytes per row of memory.
///
/// # Errors
/// [`FingerprintError::Unsupported`] for other formats and rare variants,
/// [`FingerprintError::LimitExceeded`] from the header alone when the declared size is too much,
/// [`FingerprintError::Malformed`] for broken and truncated files.
pub fn fingerprint<R: BufRead + Seek>(
    mut reader: R,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<ImageFingerprint, FingerprintError> {
    step(progress, 0)?;
    let file_size = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    let header = probe::probe(&mut reader, file_size, limits)?;
    step(progress, 5)?;
    let mut pixels = decode::decode(&mut reader, &header, ScalingFactor::default(), limits)?;
    step(progress, 50)?;
    let exif = exif::read(&header.blocks.exif);
    let titles = titles::read(&header.blocks, &exif);
    let orientation = Orientation::from_exif(exif.orientation.or(titles.orientation).unwrap_or(1));

    let mut square = square_of(&pixels);
    let mut on_white = pixels.alpha.is_some().then(|| square_of(&pixels));
    let mut row_on_white = Vec::new();
    let mut hasher = pdq::Hasher::new(pixels.width, pixels.height);
    let mut shrinker = thumbnail::Shrinker::new(&pixels);
    for (y, row) in pixels.rows().enumerate() {
        if y % ROWS_PER_STEP == 0 {
            step(progress, percent(50, 80, y, pixels.height))?;
        }
        square.row(row);
        if let Some(on_white) = on_white.as_mut().filter(|_| pixels.row_on_white(y, &mut row_on_white)) {
            on_white.row(&row_on_white);
        }
        hasher.row(row, pixels.channels);
        shrinker.row(row, pixels.alpha_row(y));
    }
    let mut evidence = Evidence::new();
    let (perceptual_hashes, mut algorithms) = trios(square, on_white, &mut evidence);
    let hashed = hasher.finish();
    let thumbnail = shrinker.finish(orientation)?;
    step(progress, 80)?;

    let area = trim::trim(&pixels, Orientation::default());
    let trimmed = trimmed_pdq(&pixels, area, progress)?;
    step(progress, 90)?;
    // A colour that stands for transparency leaves the mode as it is, and iscc-sdk goes by the mode.
    let filled = pixels.alpha.is_some() && matches!(header.mode, "RGBA" | "LA" | "P");
    if filled {
        pixels.fill_white();
    }
    let area = if filled || !orientation.is_upright() { trim::trim(&pixels, orientation) } else { area };
    let (iscc_content, firm) = iscc::image_code(&pixels, area, orientation)?;
    evidence.insert("iscc_content".into(), firm);

    algorithms.extend([("pdq", PDQ), ("iscc_content", ISCC_IMAGE)]);
    if trimmed.is_some() {
        algorithms.insert("pdq_trimmed", PDQ_TRIMMED);
    }
    let (hash, quality, dihedral) = (hashed.hex(), hashed.quality, hashed.dihedral());
    let pdq = Pdq { dihedral, hash, quality, trimmed, rest: Object::new() };
    let gps = exif.gps.clone();
    let embedded = titles.embedded.clone();
    let metadata = metadata(&header, file_size, exif, titles);
    step(progress, 100)?;
    let pictures = vec![thumbnail];
    Ok(ImageFingerprint {
        perceptual_hashes,
        pdq,
        iscc_content,
        metadata,
        gps,
        pictures,
        algorithms,
        evidence,
        embedded,
    })
}

fn square_of(pixels: &Pixels) -> ToSquare {
    ToSquare::new(pixels.width, pixels.height, pixels.channels, NORMAL_SIDE_PX, Filter::Lanczos)
}

/// The three hashes, those over white when the picture is transparent, and what made them.
fn trios(square: ToSquare, on_white: Option<ToSquare>, evidence: &mut Evidence) -> (PerceptualHashes, Algorithms) {
    let trio = Trio::of(&square.finish());
    let mut algorithms = Algorithms::from([("phash", PHASH), ("ahash", AHASH), ("dhash", DHASH)]);
    let mut weigh = |names: [&str; 3], trio: &Trio| {
        for (name, hash) in names.into_iter().zip([&trio.phash, &trio.ahash, &trio.dhash]) {
            evidence.insert(name.to_owned(), hash.evidence());
        }
    };
    weigh(["phash", "ahash", "dhash"], &trio);
    let mut hashes = trio.section();
    if let Some(on_white) = on_white {
        let trio = Trio::of(&on_white.finish());
        weigh(["phash_on_white", "ahash_on_white", "dhash_on_white"], &trio);
        hashes.on_white = Some(trio.on_white());
        algorithms.extend([
            ("phash_on_white", PHASH_ON_WHITE),
            ("ahash_on_white", AHASH_ON_WHITE),
            ("dhash_on_white", DHASH_ON_WHITE),
        ]);
    }
    (hashes, algorithms)
}

fn percent(from: usize, to: usize, done: usize, all: usize) -> u8 {
    (from + (to - from) * done / all) as u8
}

/// PDQ of the part `area`, when that is not everything and large enough to have a hash.
fn trimmed_pdq(
    pixels: &Pixels,
    area: Area,
    progress: &mut dyn Progress,
) -> Result<Option<TrimmedPdq>, FingerprintError> {
    if area == Area::of(pixels) || area.width().min(area.height()) < pdq::SIDE_PX_MIN {
        return Ok(None);
    }
    let mut hasher = pdq::Hasher::new(area.width(), area.height());
    for y in area.top..area.bottom {
        if y % ROWS_PER_STEP == 0 {
            step(progress, percent(80, 90, y - area.top, area.height()))?;
        }
        hasher.row(&pixels.row(y)[area.left * pixels.channels..area.right * pixels.channels], pixels.channels);
    }
    let hashed = hasher.finish();
    let sides = [area.left, area.top, area.width(), area.height()];
    Ok(Some(TrimmedPdq {
        area: sides.map(|side| side as u32),
        dihedral: hashed.dihedral(),
        hash: hashed.hex(),
        quality: hashed.quality,
        rest: Object::new(),
    }))
}

/// pHash, PDQ (each 64 hex digits) and the quality of PDQ, 0 to 100, of `width` x `height` RGB pixels: what
/// [`fingerprint`] gives for the same pixels in a file. An empty picture has hashes of zeros.
///
/// # Panics
/// When `rgb` does not hold `3 * width * height` values.
pub fn rgb_hashes(width: u32, height: u32, rgb: &[u8]) -> (String, String, u8) {
    let (width, height) = (width as usize, height as usize);
    assert_eq!(rgb.len(), width * height * 3, "pixels of {width}x{height}");
    if rgb.is_empty() {
        let zeros = "0".repeat((HASH_SIZE * HASH_SIZE / 4) as usize);
        return (zeros.clone(), zeros, 0);
    }
    let mut square = ToSquare::new(width, height, 3, NORMAL_SIDE_PX, Filter::Lanczos);
    let mut pdq = pdq::Hasher::new(width, height);
    for row in rgb.chunks_exact(width * 3) {
        square.row(row);
        pdq.row(row, 3);
    }
    let pdq = pdq.finish();
    (hash::phash_of(&square.finish()), pdq.hex(), pdq.quality)
}

fn metadata(header: &probe::Header, file_size: u64, exif: exif::Exif, titles: Titles) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("width".into(), json!(header.width));
    metadata.insert("height".into(), json!(header.height));
    metadata.insert("resolution".into(), json!(format!("{}x{}", header.width, header.height)));
    metadata.insert("format".into(), json!(header.format.name()));
    metadata.insert("mode".into(), json!(header.mode));
    metadata.insert("file_size".into(), json!(file_size));
    metadata.insert("has_exif".into(), json!(exif.present));
    metadata.insert("exif".into(), exif.tags.into());
    if let Some(camera) = exif.camera {
        metadata.insert("camera".into(), camera.into());
    }
    if let Some(date_taken) = exif.date_taken {
        metadata.insert("dateTaken".into(), date_taken.into());
    }
    for (name, text) in [("title", titles.title), ("description", titles.description)] {
        metadata.extend(text.map(|text| (name.to_owned(), text.into())));
    }
    metadata
}
