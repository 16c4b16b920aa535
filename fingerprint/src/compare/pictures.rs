//! Hashes of still pictures.

use metastamp_protocol::fingerprint::{FingerprintContent, OnWhite, PDQ_FORMS, Pdq, PerceptualHashes, algorithm};

use super::bits::Bits256;
use super::finding::{Detail, Direction, Distance, Finding, Threshold, Unit, Verdict};
use super::{evidence, judged, missing, not_comparable};

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
                findings.push(judged(a, b, field, |algorithm| hash(algorithm, [a, b], field, [first, second], what)));
            }
            on_white(a, b, [first, second], findings);
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

/// Pictures of which at least one is transparent, both over white. An opaque one is what it is over white.
fn on_white(
    a: &FingerprintContent,
    b: &FingerprintContent,
    hashes: [&PerceptualHashes; 2],
    findings: &mut Vec<Finding>,
) {
    if hashes.iter().all(|hashes| hashes.on_white.is_none()) {
        return;
    }
    let [Some((a, first)), Some((b, second))] = [(a, hashes[0]), (b, hashes[1])].map(|(of, has)| over_white(of, has))
    else {
        let why = "what one of the pictures shows over white is not known".to_owned();
        findings.push(not_comparable("phash_on_white", algorithm::PHASH_ON_WHITE.to_owned(), why));
        return;
    };
    for (field, first, second, what) in [
        ("phash_on_white", &first.phash, &second.phash, "coarse structure over white"),
        ("dhash_on_white", &first.dhash, &second.dhash, "gradients over white"),
        ("ahash_on_white", &first.ahash, &second.ahash, "light and dark over white"),
    ] {
        findings.push(judged(&a, &b, field, |algorithm| hash(algorithm, [&a, &b], field, [first, second], what)));
    }
}

/// A picture as it is over white: its algorithms and evidence under the names of such hashes, and the hashes. `None` for
/// a picture that may be transparent, and of which only the other hashes are known.
fn over_white(report: &FingerprintContent, hashes: &PerceptualHashes) -> Option<(FingerprintContent, OnWhite)> {
    const FIELDS: [(&str, &str, &str, &str); 3] = [
        ("phash", algorithm::PHASH, "phash_on_white", algorithm::PHASH_ON_WHITE),
        ("dhash", algorithm::DHASH, "dhash_on_white", algorithm::DHASH_ON_WHITE),
        ("ahash", algorithm::AHASH, "ahash_on_white", algorithm::AHASH_ON_WHITE),
    ];
    let (mut algorithms, mut evidence) = (report.algorithms.clone(), report.evidence.clone());
    if let Some(on_white) = &hashes.on_white {
        let known = FingerprintContent { algorithms, evidence, ..FingerprintContent::default() };
        return Some((known, on_white.clone()));
    }
    let mode = report.image_metadata.as_ref().and_then(|metadata| metadata.get("mode")?.as_str());
    // Pillow's names of what may be transparent; of a picture that was looked at with transparency in mind there would
    // be hashes over white.
    if mode.is_none_or(|mode| matches!(mode, "RGBA" | "LA" | "P" | "PA")) && report.evidence.is_empty() {
        return None;
    }
    for (field, id, field_on_white, id_on_white) in FIELDS {
        if report.algorithms.get(field).is_some_and(|own| algorithm::current(own) == id) {
            algorithms.insert(field_on_white, id_on_white);
        }
        if let Some(&per_cent) = report.evidence.get(field) {
            evidence.insert(field_on_white.to_owned(), per_cent);
        }
    }
    let (phash, dhash, ahash) = (hashes.phash.clone(), hashes.dhash.clone(), hashes.ahash.clone());
    let known = FingerprintContent { algorithms, evidence, ..FingerprintContent::default() };
    Some((known, OnWhite { ahash, dhash, phash, ..OnWhite::default() }))
}

fn hash(
    algorithm: String,
    reports: [&FingerprintContent; 2],
    field: &'static str,
    hashes: [&str; 2],
    what: &str,
) -> Finding {
    let [Some(first), Some(second)] = hashes.map(Bits256::parse) else {
        return not_comparable(field, algorithm, "the hash is not 256 bits".to_owned());
    };
    for (report, hash, which) in [(reports[0], first, "first"), (reports[1], second, "second")] {
        if let Some(why) = evidence::hash_is_empty(report, field, hash) {
            return not_comparable(field, algorithm, format!("the {which} picture {why}"));
        }
    }
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
