//! Texts: which passages both have.

use metastamp_protocol::fingerprint::{FingerprintContent, StoredShingles};

use super::finding::{Detail, Direction, Distance, Finding, Passage, Threshold, Unit, Verdict};
use super::{judged, missing, not_comparable};
use crate::text::{Shingles, overlap};

/// Share of the shorter text's shingles that have to be in the other.
const SAME: Threshold = Threshold {
    value: 0.3,
    direction: Direction::AtLeast,
    source: "measured: of a text with every seventh word edited 0.4 is left, different works share less than 0.1",
};
/// Share from which on two texts are worth a look.
const SIMILAR_SHARE: f64 = 0.1;
/// Shingles in a row that are worth a look whatever the share: a quotation of about 50 words.
const QUOTATION_SHINGLES: usize = 20;
/// Shingles of the shorter text that say anything: about 15 words.
const SHINGLES_MIN: usize = 6;
/// Passages that are told.
const PASSAGES_MAX: usize = 16;

pub(super) fn compare(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    match (&a.text_features, &b.text_features) {
        (Some(first), Some(second)) => {
            findings.push(judged(a, b, "shingles", |algorithm| shingles(algorithm, &first.shingles, &second.shingles)));
        }
        (first, second) => findings.extend(missing(a, b, [first.is_some(), second.is_some()], "shingles")),
    }
}

fn shingles(algorithm: String, a: &StoredShingles, b: &StoredShingles) -> Finding {
    let (Some(a), Some(b)) = (Shingles::load(a), Shingles::load(b)) else {
        return not_comparable("shingles", algorithm, "the shingles can't be read".to_owned());
    };
    let found = overlap(&a, &b);
    if found.of_a.min(found.of_b) < SHINGLES_MIN {
        let why = "one of the texts is too short: about 15 words are needed, more when the other is very long";
        return not_comparable("shingles", algorithm, why.to_owned());
    }
    let share = found.a_in_b.max(found.b_in_a);
    let passages = found.passages();
    let longest = passages.first().map_or(0, |passage| passage.shingles);
    let (verdict, how) = if share >= SAME.value {
        (Verdict::Same, "one is a copy, an edited copy or a part of the other")
    } else if share >= SIMILAR_SHARE || longest >= QUOTATION_SHINGLES {
        (Verdict::Similar, "they share passages")
    } else {
        (Verdict::Different, "no more than strangers share")
    };
    let shorter = if found.of_a <= found.of_b { "first" } else { "second" };
    let explanation = format!(
        "{:.0} % of the {shorter} text's five-word sequences are in the other ({:.0} % of all are in both): {how}",
        share * 100.0,
        found.jaccard * 100.0
    );
    let told = passages.iter().filter(|passage| passage.shingles > 1).take(PASSAGES_MAX);
    let mut told: Vec<_> = told
        .map(|passage| Passage {
            a_start: u64::from(passage.a.0),
            b_start: u64::from(passage.b.0),
            length: u64::from(passage.a.1.saturating_sub(passage.a.0)),
        })
        .collect();
    told.sort_by_key(|passage| passage.a_start);
    Finding {
        algorithm,
        field: "shingles",
        distance: Some(Distance { value: share, unit: Unit::Share }),
        threshold: Some(SAME),
        verdict,
        detail: (verdict != Verdict::Different && !told.is_empty()).then_some(Detail::Passages { passages: told }),
        explanation,
    }
}
