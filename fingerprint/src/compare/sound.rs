//! Chromaprints.

use std::borrow::Cow;

use metastamp_protocol::fingerprint::{Chromaprint, FingerprintContent};

use super::align::{self, STRETCH_ITEMS_MIN};
use super::finding::{Detail, Direction, Distance, Finding, Threshold, Unit, Verdict};
use super::{judged, missing, not_comparable};
use crate::audio::decompress;

/// Bit error rate up to which two stretches are the same sound.
const SAME: Threshold =
    Threshold { value: 0.20, direction: Direction::AtMost, source: "measured: 0.35 takes strangers for copies" };
/// Bit error rate up to which two stretches are worth a look: the nearest stretches of 435 pairs of different pieces of
/// music (the robustness bench) are 0.336 and more apart.
const SIMILAR_RATE: f64 = 0.28;
/// Seconds from one item to the next: a third of 4,096 samples at 11,025 Hz.
const ITEM_SECONDS: f64 = 1_365.0 / 11_025.0;

pub(super) fn compare(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    match (&a.chromaprint, &b.chromaprint) {
        (Some(first), Some(second)) => {
            findings.push(judged(a, b, "chromaprint", |algorithm| chromaprint(algorithm, first, second)));
        }
        (first, second) => findings.extend(missing(a, b, [first.is_some(), second.is_some()], "chromaprint")),
    }
}

/// The items, unpacked where they are not at hand.
pub(super) fn items(print: &Chromaprint) -> Cow<'_, [u32]> {
    match print.items() {
        [] => Cow::Owned(decompress(&print.fingerprint).unwrap_or_default()),
        items => Cow::Borrowed(items),
    }
}

/// Whether there is nothing but silence and held tones in the whole of a work, or one click among them.
pub(super) fn is_held(items: &[u32]) -> bool {
    !items.is_empty() && !align::is_lively(items)
}

fn chromaprint(algorithm: String, a: &Chromaprint, b: &Chromaprint) -> Finding {
    let (a, b) = (items(a), items(b));
    let Some(stretch) = align::best(&a, &b) else {
        let why = if a.len().min(b.len()) < STRETCH_ITEMS_MIN {
            "one of the two is too short: six seconds are needed"
        } else {
            "one of the two is nothing but silence or held tones"
        };
        return not_comparable("chromaprint", algorithm, why.to_owned());
    };
    let seconds = stretch.items as f64 * ITEM_SECONDS;
    let (a_start, b_start) = (stretch.a as f64 * ITEM_SECONDS, stretch.b as f64 * ITEM_SECONDS);
    let rate = stretch.bit_error_rate;
    let (verdict, how) = if rate <= SAME.value {
        (Verdict::Same, "sound the same")
    } else if rate <= SIMILAR_RATE {
        (Verdict::Similar, "sound nearer than strangers use to")
    } else {
        (Verdict::Different, "are nearest and still sound as different as strangers")
    };
    let mut explanation = format!(
        "{seconds:.0} seconds, from {a_start:.1} s in the first and {b_start:.1} s in the second, {how} \
         (bit error rate {rate:.3})"
    );
    if stretch.speed != 1.0 && verdict != Verdict::Different {
        let per_cent = (stretch.speed - 1.0).abs() * 100.0;
        let word = if stretch.speed > 1.0 { "faster" } else { "slower" };
        explanation.push_str(&format!(", the second about {per_cent:.0} % {word}"));
    }
    Finding {
        algorithm,
        field: "chromaprint",
        distance: Some(Distance { value: rate, unit: Unit::BitErrorRate }),
        threshold: Some(SAME),
        verdict,
        detail: Some(Detail::Stretch { a_start, b_start, seconds, speed: stretch.speed }),
        explanation,
    }
}
