//! Hashes of still pictures.

use metastamp_protocol::fingerprint::{FingerprintContent, PDQ_FORMS, Pdq};

use super::bits::Bits256;
use super::finding::{Detail, Direction, Distance, Finding, Threshold, Unit, Verdict};
use super::{judged, missing, not_comparable};

/// Bits of 256 up to which two hashes of imagehash are the same picture.
pub(super) const HASH_SAME: Threshold = Threshold {
    value: 40.0,
    direction: Direction::AtMost,
    source: "10 of 64 bits (N. Krawetz, \"Looks Like It\"), scaled to 256",
};
/// Bits of 256 up to which two hashes of imagehash are worth a look.
const HASH_SIMILAR_BITS: u32 = 64;
/// Bits of 256 up to which two PDQ hashes are the same picture.
pub(super) const PDQ_SAME: Threshold =
    Threshold { value: 31.0, direction: Direction::AtMost, source: "recommended with PDQ (Meta, 2019)" };
/// Bits of 256 up to which two PDQ hashes are worth a look.
const PDQ_SIMILAR_BITS: u32 = 60;
/// Hashes of less quality say nothing: the picture is too flat.
pub(super) const PDQ_QUALITY_MIN: u8 = 50;

pub(super) fn compare(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    match (a.perceptual_hashes(), b.perceptual_hashes()) {
        (Some(first), Some(second)) => {
            for (field, first, second, what) in [
                ("phash", &first.phash, &second.phash, "coarse structure"),
                ("dhash", &first.dhash, &second.dhash, "gradients"),
                ("ahash", &first.ahash, &second.ahash, "light and dark"),
            ] {
                findings.push(judged(a, b, field, |algorithm| hash(algorithm, field, first, second, what)));
            }
        }
        (first, second) => {
            findings.extend(missing(a, b, [first.is_some(), second.is_some()], "phash"));
        }
    }
    // Without the border only where both have been cut by the same rule.
    let trimmed = match (a.algorithms.get("pdq_trimmed"), b.algorithms.get("pdq_trimmed")) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    match (&a.pdq, &b.pdq) {
        (Some(first), Some(second)) => {
            findings.push(judged(a, b, "pdq", |algorithm| pdq(algorithm, first, second, trimmed)));
        }
        (first, second) => findings.extend(missing(a, b, [first.is_some(), second.is_some()], "pdq")),
    }
}

fn hash(algorithm: String, field: &'static str, first: &str, second: &str, what: &str) -> Finding {
    let (Some(first), Some(second)) = (Bits256::parse(first), Bits256::parse(second)) else {
        return not_comparable(field, algorithm, "the hash is not 256 bits".to_owned());
    };
    let distance = first.distance(second);
    let (verdict, how) = words(distance, HASH_SAME, HASH_SIMILAR_BITS);
    Finding {
        algorithm,
        field,
        distance: Some(Distance { value: f64::from(distance), unit: Unit::BitsOf256 }),
        threshold: Some(HASH_SAME),
        verdict,
        detail: None,
        explanation: format!("{what}: {distance} of 256 bits differ, {how}"),
    }
}

/// Verdict and words for a distance.
pub(super) fn words(distance: u32, same: Threshold, similar: u32) -> (Verdict, &'static str) {
    match distance {
        0 => (Verdict::Same, "none at all"),
        1.. if f64::from(distance) <= same.value => (Verdict::Same, "near enough to be the same picture"),
        _ if distance <= similar => (Verdict::Similar, "nearer than strangers use to be"),
        _ => (Verdict::Different, "as far apart as strangers"),
    }
}

/// The nearest pair of forms: the first picture in all eight, with and without its border, against the second as it
/// is, with and without its border.
fn pdq(algorithm: String, a: &Pdq, b: &Pdq, use_trimmed: bool) -> Finding {
    let trimmed = |pdq: &Pdq| pdq.trimmed.clone().filter(|trimmed| use_trimmed && trimmed.quality >= PDQ_QUALITY_MIN);
    let whole = |pdq: &Pdq| pdq.quality >= PDQ_QUALITY_MIN;
    let (a_trimmed, b_trimmed) = (trimmed(a), trimmed(b));
    // A list that misses its forms still has the picture as it is.
    let forms = |hash: &String, dihedral: &Vec<String>| {
        if dihedral.is_empty() { vec![hash.clone()] } else { dihedral.clone() }
    };
    let a_whole = whole(a).then(|| (false, forms(&a.hash, &a.dihedral)));
    let a_trimmed = a_trimmed.map(|trimmed| (true, forms(&trimmed.hash, &trimmed.dihedral)));
    let b_whole = whole(b).then(|| (false, b.hash.clone()));
    let b_trimmed = b_trimmed.map(|trimmed| (true, trimmed.hash));
    let seconds: Vec<_> = b_whole.into_iter().chain(b_trimmed).collect();
    let mut nearest: Option<(u32, &'static str, bool, bool)> = None;
    for (trimmed_a, hashes) in a_whole.into_iter().chain(a_trimmed) {
        for (hash, form) in hashes.iter().zip(PDQ_FORMS) {
            for (trimmed_b, second) in &seconds {
                let (Some(hash), Some(second)) = (Bits256::parse(hash), Bits256::parse(second)) else { continue };
                let distance = hash.distance(second);
                if nearest.is_none_or(|nearest| distance < nearest.0) {
                    nearest = Some((distance, form, trimmed_a, *trimmed_b));
                }
            }
        }
    }
    let Some((distance, form, trimmed_a, trimmed_b)) = nearest else {
        let least = a.quality.min(b.quality);
        let why = format!("one of the pictures is too flat for PDQ (quality {least}, 50 is the least)");
        return not_comparable("pdq", algorithm, why);
    };
    let (verdict, how) = words(distance, PDQ_SAME, PDQ_SIMILAR_BITS);
    let mut explanation = format!("{distance} of 256 bits differ, {how}");
    if verdict != Verdict::Different {
        if form != "original" {
            explanation.push_str(&format!(", when the first picture is turned or mirrored ({form})"));
        }
        if trimmed_a || trimmed_b {
            explanation.push_str(", without the border");
        }
    }
    Finding {
        algorithm,
        field: "pdq",
        distance: Some(Distance { value: f64::from(distance), unit: Unit::BitsOf256 }),
        threshold: Some(PDQ_SAME),
        verdict,
        detail: Some(Detail::Transform { form, trimmed_a, trimmed_b }),
        explanation,
    }
}
