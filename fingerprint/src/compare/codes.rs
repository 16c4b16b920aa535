//! Digests, which are equal or not, and the units of ISCC codes, which say themselves what they are.

use metastamp_protocol::fingerprint::FingerprintContent;

use super::finding::{Direction, Distance, Finding, Threshold, Unit, Verdict};
use super::{evidence, judged, missing, not_comparable};

/// Bits of 64 up to which two ISCC units are the same.
const SAME: Threshold =
    Threshold { value: 12.0, direction: Direction::AtMost, source: "iscc-sum's default for similar files" };
/// Bits of 64 up to which two ISCC units are worth a look: iscc-search's least score of 0.75.
const SIMILAR_BITS: u32 = 16;
/// Bytes of a unit that are compared: longer codes begin with the shorter ones.
const UNIT_BYTES: usize = 8;

/// SHA-256, BLAKE3 and the hashes of texts.
pub(super) fn digests(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    if let (Some(a), Some(b)) = (&a.digests, &b.digests) {
        findings.push(equality("sha256", "sha256".to_owned(), &a.sha256, &b.sha256, "the files are"));
    }
    let text = "the texts, but for white space around them, are";
    by_id(a, b, "text_hash", [a.text_hash.as_deref(), b.text_hash.as_deref()], text, findings);
    let normalized = [a, b].map(|report| report.text_features.as_ref().map(|text| text.normalized_hash.as_str()));
    let text = "the texts, but for case, punctuation and white space, are";
    by_id(a, b, "normalized_hash", normalized, text, findings);
    let hashes = |report: &'_ FingerprintContent| report.spectral_data().map(|data| data.mel_spectrogram_hash.clone());
    let hashes = [hashes(a), hashes(b)];
    let hashes = [hashes[0].as_deref(), hashes[1].as_deref()];
    by_id(a, b, "mel_spectrogram_hash", hashes, "the spectrograms, to the last bit, are", findings);
}

fn by_id(
    a: &FingerprintContent,
    b: &FingerprintContent,
    field: &'static str,
    values: [Option<&str>; 2],
    what: &str,
    findings: &mut Vec<Finding>,
) {
    let [Some(first), Some(second)] = values else {
        findings.extend(missing(a, b, values.map(|value| value.is_some()), field));
        return;
    };
    findings.push(judged(a, b, field, |algorithm| {
        let silent = field == "mel_spectrogram_hash" && (evidence::is_silent(a) || evidence::is_silent(b));
        if silent || ![first, second].into_iter().all(evidence::is_of_something) {
            return not_comparable(field, algorithm, "one of the two holds nothing".to_owned());
        }
        equality(field, algorithm, first, second, what)
    }));
}

fn equality(field: &'static str, algorithm: String, a: &str, b: &str, what: &str) -> Finding {
    let equal = a == b;
    Finding {
        algorithm,
        field,
        distance: Some(Distance { value: f64::from(u8::from(!equal)), unit: Unit::NotEqual }),
        threshold: Some(Threshold { value: 0.0, direction: Direction::AtMost, source: "a digest is equal or not" }),
        verdict: if equal { Verdict::Same } else { Verdict::Different },
        detail: None,
        explanation: if equal {
            format!("{what} identical")
        } else {
            format!("{what} not identical; a digest can't say how near they are")
        },
    }
}

/// The units of the ISCC, one by one.
pub(super) fn iscc(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    let (Some(first), Some(second)) = (&a.iscc, &b.iscc) else { return };
    let units = [
        ("iscc_meta", first.meta.as_deref(), second.meta.as_deref()),
        ("iscc_content", first.content.as_deref(), second.content.as_deref()),
        ("iscc_data", Some(first.data.as_str()), Some(second.data.as_str())),
        ("iscc_instance", Some(first.instance.as_str()), Some(second.instance.as_str())),
    ];
    for (field, first, second) in units {
        if let (Some(first), Some(second)) = (first, second) {
            findings.push(judged(a, b, field, |algorithm| unit(algorithm, field, [a, b], [first, second])));
        }
    }
}

/// A unit of an ISCC, taken apart.
struct IsccUnit {
    /// `Image-Code v0`.
    name: String,
    bits: u64,
}

impl IsccUnit {
    fn parse(code: &str) -> Option<Self> {
        let (main, sub, version, _, body) = iscc_lib::iscc_decode(code).ok()?;
        let bytes = body.get(..UNIT_BYTES)?;
        let name = match (main, sub) {
            (0, _) => "Meta-Code",
            (2, 0) => "Text-Code",
            (2, 1) => "Image-Code",
            (2, 2) => "Audio-Code",
            (2, 3) => "Video-Code",
            (2, 4) => "Mixed-Code",
            (3, _) => "Data-Code",
            (4, _) => "Instance-Code",
            _ => return None,
        };
        let bits = bytes.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        Some(Self { name: format!("{name} v{version}"), bits })
    }
}

fn unit(algorithm: String, field: &'static str, reports: [&FingerprintContent; 2], codes: [&str; 2]) -> Finding {
    let [Some(a), Some(b)] = codes.map(IsccUnit::parse) else {
        return not_comparable(field, algorithm, "the code can't be read".to_owned());
    };
    if a.name != b.name {
        let why = format!("{} and {} are of different kinds", a.name, b.name);
        return not_comparable(field, algorithm, why);
    }
    for (report, unit, which) in [(reports[0], &a, "first"), (reports[1], &b, "second")] {
        if let Some(why) = is_empty(report, field, unit) {
            return not_comparable(field, algorithm, format!("the {which} work {why}"));
        }
    }
    if field == "iscc_instance" {
        let [a_bits, b_bits] = [a.bits, b.bits].map(|bits| bits.to_string());
        return equality(field, algorithm, &a_bits, &b_bits, "the files are");
    }
    let distance = (a.bits ^ b.bits).count_ones();
    let what = match field {
        "iscc_meta" => "titles",
        "iscc_data" => "bytes of the files",
        _ => "contents",
    };
    let (verdict, how) = match distance {
        0 => (Verdict::Same, "the same code"),
        1.. if f64::from(distance) <= SAME.value => (Verdict::Same, "near enough to be the same"),
        1..=SIMILAR_BITS => (Verdict::Similar, "nearer than strangers use to be"),
        _ => (Verdict::Different, "as far apart as strangers"),
    };
    Finding {
        algorithm,
        field,
        distance: Some(Distance { value: f64::from(distance), unit: Unit::BitsOf64 }),
        threshold: Some(SAME),
        verdict,
        detail: None,
        explanation: format!("the {what} differ in {distance} of 64 bits: {how}"),
    }
}

/// Why a unit says nothing, if so.
fn is_empty(report: &FingerprintContent, field: &str, unit: &IsccUnit) -> Option<String> {
    match field {
        "iscc_content" => evidence::content_is_empty(report, &unit.name, unit.bits),
        "iscc_data" => evidence::is_barren(report).then(|| "holds nothing to go by".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_a_kind_are_compared_by_their_bits() {
        let report = FingerprintContent::default();
        let unit = |a, b| unit("iscc/x@1".to_owned(), "iscc_content", [&report, &report], [a, b]);
        // An Image-Code twice, and an Audio-Code.
        let image = "ISCC:EEAZ5XJ2FQCR2WPV";
        assert_eq!(unit(image, image).verdict, Verdict::Same);
        assert_eq!(unit(image, image).distance, Some(Distance { value: 0.0, unit: Unit::BitsOf64 }));
        for other in ["ISCC:EIAWJM2L5FDZYPDV", "ISCC:", "é", ""] {
            assert_eq!(unit(image, other).verdict, Verdict::NotComparable, "{other}");
        }
    }
}
