//! How alike two works are, algorithm by algorithm.
//!
//! Every value that both reports have is compared as its field compares it: by bits that differ, by the stretch of time
//! that sounds the same, by passages that both have. Values of different algorithms are never compared, and each
//! finding names the threshold it was judged by and whose it is. A value that knows nothing of its work (a picture of one
//! colour, silence, an empty text) is compared with none.

mod align;
mod bits;
mod codes;
mod evidence;
mod finding;
mod moving;
mod passages;
mod pictures;
mod sound;

pub use finding::{Detail, Direction, Distance, Finding, Passage, Threshold, Unit, Verdict};

use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::fingerprint::algorithm::current;

/// What each algorithm says about two works, in the order of the report's sections. Fields that only one of the two
/// has, or whose algorithms differ, are [`Verdict::NotComparable`]; fields that none has are left out.
#[must_use]
pub fn compare(a: &FingerprintContent, b: &FingerprintContent) -> Vec<Finding> {
    let mut findings = Vec::new();
    codes::digests(a, b, &mut findings);
    pictures::compare(a, b, &mut findings);
    sound::compare(a, b, &mut findings);
    moving::compare(a, b, &mut findings);
    passages::compare(a, b, &mut findings);
    codes::iscc(a, b, &mut findings);
    findings
}

/// The strongest verdict of all findings: one algorithm that recognises a copy is enough, since others are not made
/// for every change. [`Verdict::NotComparable`] when nothing could be compared. The Meta-Code speaks of titles, not of
/// works, and does not count; aHash and dHash, which take some strangers for the same, say similar at most; digests that
/// differ can't say how far apart works are, and say different only where there is nothing else to ask.
#[must_use]
pub fn conclusion(findings: &[Finding]) -> Verdict {
    let counts = |finding: &&Finding| finding.field != "iscc_meta";
    let is_digest = |finding: &Finding| finding.distance.is_some_and(|distance| distance.unit == Unit::NotEqual);
    let asked = findings.iter().filter(counts).any(|finding| !is_digest(finding));
    let verdict = |finding: &Finding| match (finding.field, finding.verdict) {
        ("ahash" | "dhash" | "ahash_on_white" | "dhash_on_white", Verdict::Same) => Verdict::Similar,
        (_, Verdict::Different) if asked && is_digest(finding) => Verdict::NotComparable,
        (_, verdict) => verdict,
    };
    let says = |wanted| findings.iter().filter(counts).any(|finding| verdict(finding) == wanted);
    [Verdict::Same, Verdict::Similar, Verdict::Different]
        .into_iter()
        .find(|&verdict| says(verdict))
        .unwrap_or(Verdict::NotComparable)
}

/// What `judge` finds, given the algorithm id of `field`, when both reports name the same.
fn judged(
    a: &FingerprintContent,
    b: &FingerprintContent,
    field: &'static str,
    judge: impl FnOnce(String) -> Finding,
) -> Finding {
    let why = match (a.algorithms.get(field), b.algorithms.get(field)) {
        (Some(a), Some(b)) if current(a) == current(b) => return judge(current(a).to_owned()),
        (Some(a), Some(b)) => format!("the values are of different algorithms, {a} and {b}"),
        _ => "which algorithm made the values is not known".to_owned(),
    };
    let names = [a, b].map(|report| report.algorithms.get(field).unwrap_or("unknown"));
    not_comparable(field, names.join(", "), why)
}

fn not_comparable(field: &'static str, algorithm: String, why: String) -> Finding {
    Finding {
        algorithm,
        field,
        distance: None,
        threshold: None,
        verdict: Verdict::NotComparable,
        detail: None,
        explanation: format!("not comparable: {why}"),
    }
}

/// A section that one of the two reports lacks; `None` when both lack it.
fn missing(a: &FingerprintContent, b: &FingerprintContent, has: [bool; 2], field: &'static str) -> Option<Finding> {
    let which = match has {
        [true, false] => "second",
        [false, true] => "first",
        _ => return None,
    };
    let algorithm = [a, b].iter().find_map(|report| report.algorithms.get(field)).unwrap_or("unknown");
    Some(not_comparable(field, algorithm.to_owned(), format!("the {which} work has no such value")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
