//! Whole reports against each other.

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::{Chromaprint, Pdq, PerceptualHashes, VideoHashes};

use super::*;

/// A hash of the bits of `seed`, of which the first `flipped` are turned.
fn hash(seed: u64, flipped: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    for i in 0..32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let flips = flipped.saturating_sub(i * 8).min(8);
        bytes.push((state >> 33) as u8 ^ (0xff00_u16 >> flips) as u8);
    }
    hex::encode(bytes)
}

fn pdq(hash: &str, quality: u8) -> Pdq {
    let dihedral = std::iter::once(hash.to_owned()).chain((1_000..1_007).map(|seed| self::hash(seed, 0)));
    Pdq { hash: hash.to_owned(), quality, dihedral: dihedral.collect(), ..Pdq::default() }
}

fn picture(phash: &str, pdq: Pdq) -> FingerprintContent {
    let perceptual_hashes = PerceptualHashes {
        phash: phash.to_owned(),
        ahash: hash(8, 0),
        dhash: hash(9, 0),
        hash_size: 16,
        on_white: None,
        rest: Object::new(),
    };
    let algorithms =
        [("phash", "phash/t@1"), ("ahash", "ahash/t@1"), ("dhash", "dhash/t@1"), ("pdq", "pdq/t@1")].into();
    FingerprintContent {
        perceptual_hashes: Some(perceptual_hashes.into()),
        pdq: Some(pdq),
        algorithms,
        ..FingerprintContent::default()
    }
}

fn found<'a>(findings: &'a [Finding], field: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.field == field).unwrap()
}

#[test]
fn bits_are_counted_and_judged() {
    for (flipped, verdict) in [
        (0, Verdict::Same),
        (31, Verdict::Same),
        (32, Verdict::Similar),
        (60, Verdict::Similar),
        (61, Verdict::Different),
    ] {
        let findings = compare(
            &picture(&hash(1, 0), pdq(&hash(2, 0), 100)),
            &picture(&hash(1, flipped), pdq(&hash(2, flipped), 100)),
        );
        let pdq = found(&findings, "pdq");
        assert_eq!(pdq.distance.unwrap().value, flipped as f64);
        assert_eq!(pdq.verdict, verdict, "{flipped}");
        assert_eq!(pdq.algorithm, "pdq/t@1");
        assert_eq!(pdq.threshold.unwrap().value, 31.0);
        assert_eq!(found(&findings, "phash").distance.unwrap().value, flipped as f64);
        assert_eq!(found(&findings, "ahash").verdict, Verdict::Same);
        let all = if flipped <= 40 { Verdict::Same } else { Verdict::Similar };
        assert_eq!(conclusion(&findings), all, "{flipped}");
    }
}

#[test]
fn a_turned_picture_is_found_and_a_flat_one_is_not_compared() {
    let mut turned = pdq(&hash(2, 0), 80);
    turned.dihedral[3] = hash(5, 4);
    let findings = compare(&picture(&hash(1, 0), turned), &picture(&hash(1, 0), pdq(&hash(5, 0), 80)));
    let finding = found(&findings, "pdq");
    assert_eq!(finding.detail, Some(Detail::Transform { form: "rotate_270", trimmed_a: false, trimmed_b: false }));
    assert!(finding.explanation.contains("rotate_270"), "{}", finding.explanation);
    let flat = compare(&picture(&hash(1, 0), pdq(&hash(5, 0), 49)), &picture(&hash(1, 0), pdq(&hash(5, 0), 100)));
    assert_eq!(found(&flat, "pdq").verdict, Verdict::NotComparable);
    assert!(found(&flat, "pdq").explanation.contains("flat"));
}

#[test]
fn other_algorithms_are_not_compared() {
    let a = picture(&hash(1, 0), pdq(&hash(2, 0), 100));
    let mut b = a.clone();
    b.algorithms.insert("phash", "phash/t@2");
    b.algorithms.remove("pdq");
    let findings = compare(&a, &b);
    let phash = found(&findings, "phash");
    assert_eq!((phash.verdict, phash.distance), (Verdict::NotComparable, None));
    assert_eq!(phash.algorithm, "phash/t@1, phash/t@2");
    assert_eq!(found(&findings, "pdq").verdict, Verdict::NotComparable);
    b.pdq = None;
    assert_eq!(found(&compare(&a, &b), "pdq").explanation, "not comparable: the second work has no such value");
    assert!(compare(&FingerprintContent::default(), &FingerprintContent::default()).is_empty());
    assert_eq!(conclusion(&[]), Verdict::NotComparable);
}

fn sound(raw: Vec<u32>) -> FingerprintContent {
    FingerprintContent {
        chromaprint: Some(Chromaprint { raw: Some(raw), ..Chromaprint::default() }),
        algorithms: [("chromaprint", "chromaprint/t@1")].into(),
        ..FingerprintContent::default()
    }
}

#[test]
fn an_excerpt_of_a_sound_is_found_with_its_place() {
    let track: Vec<u32> = (0..2_000_u32).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 31)).collect();
    let findings = compare(&sound(track.clone()), &sound(track[808..890].to_vec()));
    let Some(Detail::Stretch { a_start, b_start, seconds, speed }) = found(&findings, "chromaprint").detail else {
        panic!("{findings:?}");
    };
    assert!((a_start - 100.0).abs() < 0.1 && b_start == 0.0 && (seconds - 10.1).abs() < 0.1 && speed == 1.0);
    let short = compare(&sound(track.clone()), &sound(track[..20].to_vec()));
    assert_eq!(found(&short, "chromaprint").verdict, Verdict::NotComparable);
}

fn film(seeds: std::ops::Range<u64>, start: f64) -> FingerprintContent {
    let count = seeds.end - seeds.start;
    let video_hashes = VideoHashes {
        frame_hashes: seeds.clone().map(|seed| hash(seed, 0)).collect(),
        frame_timestamps: (0..count).map(|i| start + i as f64).collect(),
        frame_pdq: seeds.map(|seed| hash(seed + 10_000, 0)).collect(),
        frame_pdq_quality: vec![90; count as usize],
        average_hash: String::new(),
        sampling_interval: 1.0,
        total_frames_analyzed: count,
        total_video_frames: count * 25,
        fps: 25.0,
        sampling: "complete".to_owned(),
        rest: Object::new(),
    };
    FingerprintContent {
        video_hashes: Some(video_hashes.into()),
        algorithms: [("frame_hashes", "phash/t@1"), ("frame_pdq", "pdq/t@1")].into(),
        ..FingerprintContent::default()
    }
}

#[test]
fn a_clip_of_a_film_is_found_with_its_place() {
    let findings = compare(&film(0..100, 0.0), &film(40..60, 0.0));
    for field in ["frame_pdq", "frame_hashes"] {
        let finding = found(&findings, field);
        assert_eq!(finding.verdict, Verdict::Same);
        let Some(Detail::Stretch { a_start, b_start, seconds, .. }) = finding.detail else { panic!("{finding:?}") };
        assert!((a_start - 40.0).abs() < 1.01 && b_start < 1.01 && seconds >= 19.0, "{finding:?}");
    }
    let strangers = compare(&film(0..100, 0.0), &film(200..220, 0.0));
    assert_eq!(conclusion(&strangers), Verdict::Different);
    assert_eq!(found(&compare(&film(0..0, 0.0), &film(0..5, 0.0)), "frame_pdq").verdict, Verdict::NotComparable);
}

#[test]
fn findings_serialise_as_the_documents_tell_them() {
    let findings = compare(&picture(&hash(1, 0), pdq(&hash(2, 0), 100)), &picture(&hash(1, 3), pdq(&hash(2, 3), 100)));
    let json = serde_json::to_value(found(&findings, "pdq")).unwrap();
    assert_eq!(json["distance"], serde_json::json!({"value": 3.0, "unit": "bits of 256"}));
    assert_eq!(json["threshold"]["direction"], "at_most");
    assert_eq!(json["verdict"], "same");
    assert_eq!(json["detail"]["kind"], "transform");
}
