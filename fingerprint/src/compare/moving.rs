//! Sequences of frames: the same frames in the same order, somewhere in both works.

use std::collections::HashMap;

use metastamp_protocol::fingerprint::{FingerprintContent, VideoHashes};

use super::bits::Bits256;
use super::finding::{Detail, Direction, Distance, Finding, Threshold, Unit, Verdict};
use super::pictures::{HASH_SAME, PDQ_QUALITY_MIN, PDQ_SAME};
use super::{evidence, judged, missing, not_comparable};

/// Share of the shorter work's frames that have to be in the other, at the same distance in time.
const SAME: Threshold = Threshold {
    value: 0.8,
    direction: Direction::AtLeast,
    source: "share of query frames of vPDQ (Meta ThreatExchange), and here in order",
};
/// Share from which on two works are worth a look.
const SIMILAR_SHARE: f64 = 0.3;
/// Pairs of frames that are compared; of longer works (two of three hours) frames are left out evenly.
const PAIRS_MAX: usize = 100_000_000;

/// Frames that show anything which a film needs; of fewer it needs all. A lone one among black ones is a title card, as
/// many films have it.
const FRAMES_MIN: usize = 3;

/// A frame that can be compared.
#[derive(Clone, Copy)]
struct Frame {
    /// Seconds from the start.
    time: f64,
    hash: Bits256,
}

pub(super) fn compare(a: &FingerprintContent, b: &FingerprintContent, findings: &mut Vec<Finding>) {
    let (first, second) = match (a.video_hashes(), b.video_hashes()) {
        (Some(first), Some(second)) => (first, second),
        (first, second) => {
            findings.extend(missing(a, b, [first.is_some(), second.is_some()], "frame_pdq"));
            return;
        }
    };
    let tolerance = first.sampling_interval.max(second.sampling_interval).max(0.04);
    for (field, same) in [("frame_pdq", PDQ_SAME), ("frame_hashes", HASH_SAME)] {
        let frames = |video| if field == "frame_pdq" { pdq_frames(video) } else { phash_frames(video) };
        findings.push(judged(a, b, field, |algorithm| {
            if let Some(which) = too_even([(first, "first"), (second, "second")]) {
                let why = format!("the {which} work has hardly a frame that shows anything");
                return not_comparable(field, algorithm, why);
            }
            frames_of(algorithm, field, &frames(first), &frames(second), same.value as u32, tolerance)
        }));
    }
}

/// Which of the two shows next to nothing.
fn too_even(videos: [(&VideoHashes, &'static str); 2]) -> Option<&'static str> {
    videos.into_iter().find(|(video, _)| !shows_enough(video)).map(|(_, which)| which)
}

fn pdq_frames(video: &VideoHashes) -> Vec<Frame> {
    let hashes = video.frame_timestamps.iter().zip(&video.frame_pdq).zip(&video.frame_pdq_quality);
    hashes
        .filter(|(_, quality)| **quality >= PDQ_QUALITY_MIN)
        .filter_map(|((time, hash), _)| Some(Frame { time: *time, hash: Bits256::parse(hash)? }))
        .collect()
}

/// Frames whose hash is not that of an even picture: such frames are in every work.
fn phash_frames(video: &VideoHashes) -> Vec<Frame> {
    let hashes = video.frame_timestamps.iter().zip(&video.frame_hashes).zip(&video.frame_pdq_quality);
    hashes
        .filter(|(_, quality)| **quality > 0)
        .filter_map(|((time, hash), _)| Some(Frame { time: *time, hash: Bits256::parse(hash)? }))
        .filter(|frame| evidence::shows(frame.hash))
        .collect()
}

/// Whether enough frames show anything to know a film by.
pub(super) fn shows_enough(video: &VideoHashes) -> bool {
    phash_frames(video).len() >= FRAMES_MIN.min(video.frame_hashes.len()).max(1)
}

/// The frames of the shorter work that are in the longer one at the shift in time where most are.
struct Overlap {
    /// Frames of the shorter work that were found, and its frames.
    found: usize,
    of: usize,
    /// First and last of the found in the time of the shorter.
    from: f64,
    to: f64,
    /// Time in the longer minus time in the shorter.
    shift: f64,
}

fn overlap(short: &[Frame], long: &[Frame], bits: u32, tolerance: f64) -> Option<Overlap> {
    let stride = (short.len().saturating_mul(long.len()) / PAIRS_MAX + 1).max(1);
    let short: Vec<Frame> = short.iter().step_by(stride).copied().collect();
    // For each shift, in half tolerances, the frames that are found there. A frame counts once per shift.
    let mut shifts: HashMap<i64, Vec<u32>> = HashMap::new();
    for (frame, i) in short.iter().zip(0_u32..) {
        for other in long.iter().filter(|other| frame.hash.distance(other.hash) <= bits) {
            let shift = ((other.time - frame.time) / tolerance).round() as i64;
            // The neighbours too: the samples of a clip lie between those of the whole.
            for near in shift - 1..=shift + 1 {
                let found = shifts.entry(near).or_default();
                if found.last() != Some(&i) {
                    found.push(i);
                }
            }
        }
    }
    let (shift, found) =
        shifts.into_iter().max_by_key(|(shift, found)| (found.len(), std::cmp::Reverse(shift.abs()), *shift))?;
    let time = |i: Option<&u32>| i.and_then(|i| short.get(*i as usize)).map_or(0.0, |frame| frame.time);
    Some(Overlap {
        found: found.len(),
        of: short.len(),
        from: time(found.first()),
        to: time(found.last()),
        shift: shift as f64 * tolerance,
    })
}

fn frames_of(algorithm: String, field: &'static str, a: &[Frame], b: &[Frame], bits: u32, tolerance: f64) -> Finding {
    if a.is_empty() || b.is_empty() {
        return not_comparable(field, algorithm, "one of the two has no frame that shows anything".to_owned());
    }
    let turned = a.len() > b.len();
    let (short, long) = if turned { (b, a) } else { (a, b) };
    let found = overlap(short, long, bits, tolerance);
    let share = found.as_ref().map_or(0.0, |found| found.found as f64 / found.of as f64);
    let verdict = if share >= SAME.value {
        Verdict::Same
    } else if share >= SIMILAR_SHARE {
        Verdict::Similar
    } else {
        Verdict::Different
    };
    let shorter = if turned { "second" } else { "first" };
    let detail = found.as_ref().map(|found| {
        let (short_start, long_start) = (found.from, (found.from + found.shift).max(0.0));
        let (a_start, b_start) = if turned { (long_start, short_start) } else { (short_start, long_start) };
        Detail::Stretch { a_start, b_start, seconds: found.to - found.from + tolerance, speed: 1.0 }
    });
    let explanation = match (&found, &detail) {
        (Some(found), Some(Detail::Stretch { a_start, b_start, .. })) => format!(
            "{} of {} frames of the {shorter} work are in the other in the same order, from {a_start:.1} s in the \
             first and {b_start:.1} s in the second",
            found.found, found.of
        ),
        _ => format!("no frame of the {shorter} work is in the other"),
    };
    Finding {
        algorithm,
        field,
        distance: Some(Distance { value: share, unit: Unit::Share }),
        threshold: Some(SAME),
        verdict,
        detail,
        explanation,
    }
}
