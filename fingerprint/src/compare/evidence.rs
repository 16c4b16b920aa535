//! What a value knows: where a work gives an algorithm nothing to go by, the value is that of all such works, and two of
//! them being near says nothing.

use metastamp_protocol::fingerprint::{FingerprintContent, PerceptualHashes, TextFeatures};

use super::bits::Bits256;
use super::moving::shows_enough;
use super::sound;

/// Per cent of the bits of a hash that a work has to decide: of fewer two strangers could look alike by chance.
const PER_CENT_MIN: u8 = 25;
/// Bits of the rarer kind that a hash needs: two hashes of fewer can't be as far apart as strangers are, whatever they
/// show.
const RARER_BITS_MIN: u32 = 33;
/// SHA-256 of nothing.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Hz below which the middle of a spectrum lies in silence and under a constant voltage only.
const AUDIBLE_HZ: f64 = 20.0;
/// Characters up to which a text is not looked through for repetition.
const SHORT_CHARS: u64 = 400;
/// Characters of a text for each of its distinct selected shingles; prose has about 15.
const CHARS_PER_SHINGLE_MAX: u64 = 120;
/// Ones of an Image-Code below which iscc-sdk calls it featureless (`is_featureless_image_code`).
const IMAGE_CODE_ONES_MIN: u32 = 8;

/// Why the hash `field` of a picture says nothing, if so; `hash` is its value. Fields of less than a picture's coarse
/// structure count only where that is there: a ramp has a mean and a slope like every other ramp.
pub(super) fn hash_is_empty(report: &FingerprintContent, field: &str, hash: Bits256) -> Option<String> {
    let coarse = if field.ends_with("on_white") { "phash_on_white" } else { "phash" };
    let known = [field, coarse].into_iter().filter_map(|field| report.evidence.get(field)).min();
    if let Some(per_cent) = known.filter(|&&per_cent| per_cent < PER_CENT_MIN) {
        return Some(format!("shows too little: it decides {per_cent} % of the bits, {PER_CENT_MIN} are needed"));
    }
    (hash.rarer() < RARER_BITS_MIN).then(|| "shows too little: nearly all bits of its hash are the same".to_owned())
}

/// The hash of a frame says something.
pub(super) fn shows(hash: Bits256) -> bool {
    hash.rarer() >= RARER_BITS_MIN
}

/// A digest of something.
pub(super) fn is_of_something(digest: &str) -> bool {
    digest != OF_NOTHING
}

/// There is no sound, or one that is nothing but a constant voltage.
pub(super) fn is_silent(report: &FingerprintContent) -> bool {
    report.spectral_data().and_then(|data| data.spectral_centroid_mean).is_some_and(|hertz| hertz < AUDIBLE_HZ)
}

/// Why the Content-Code of a work says nothing, if so; `kind` is its name, `bits` its value.
pub(super) fn content_is_empty(report: &FingerprintContent, kind: &str, bits: u64) -> Option<String> {
    if let Some(per_cent) = report.evidence.get("iscc_content").filter(|&&per_cent| per_cent < PER_CENT_MIN) {
        return Some(format!("shows too little: it decides {per_cent} % of the bits, {PER_CENT_MIN} are needed"));
    }
    let empty = match kind.split(' ').next() {
        Some("Image-Code") => bits.count_ones() < IMAGE_CODE_ONES_MIN,
        Some("Audio-Code") => sounds_empty(report),
        Some("Video-Code") => !shows_frames(report),
        Some("Text-Code") => report.text_features.as_ref().is_some_and(|text| repeats(report, text)),
        _ => false,
    };
    empty.then(|| "holds nothing to go by".to_owned())
}

/// Whether all that could be looked at is empty: then the bytes of the file are near to those of every other empty one.
pub(super) fn is_barren(report: &FingerprintContent) -> bool {
    let picture = report.perceptual_hashes().map(|hashes| picture_is_empty(report, hashes));
    let film = report.video_hashes().map(|_| !shows_frames(report));
    let sound = (report.chromaprint.is_some() || report.spectral_data().is_some()).then(|| sounds_empty(report));
    let text = report.text_features.as_ref().map(|text| repeats(report, text));
    let looked: Vec<bool> = [picture, film, sound, text].into_iter().flatten().collect();
    !looked.is_empty() && looked.into_iter().all(|empty| empty)
}

fn picture_is_empty(report: &FingerprintContent, hashes: &PerceptualHashes) -> bool {
    let empty =
        |field, hash: &str| Bits256::parse(hash).is_none_or(|hash| hash_is_empty(report, field, hash).is_some());
    let on_white = hashes.on_white.as_ref().is_none_or(|hashes| empty("phash_on_white", &hashes.phash));
    let code = report.evidence.get("iscc_content").is_none_or(|&per_cent| per_cent < PER_CENT_MIN);
    empty("phash", &hashes.phash) && on_white && code
}

fn shows_frames(report: &FingerprintContent) -> bool {
    report.video_hashes().is_none_or(shows_enough)
}

fn sounds_empty(report: &FingerprintContent) -> bool {
    is_silent(report) || report.chromaprint.as_ref().is_some_and(|print| sound::is_held(&sound::items(print)))
}

/// A text that says the same over and over, or nothing.
fn repeats(report: &FingerprintContent, text: &TextFeatures) -> bool {
    let length = report.text_length.unwrap_or(0);
    let shingles = u64::from(text.shingles.count) << text.shingles.zero_bits.min(32);
    length == 0 || (length > SHORT_CHARS && shingles.saturating_mul(CHARS_PER_SHINGLE_MAX) < length)
}
