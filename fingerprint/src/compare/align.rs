//! Where two Chromaprints play the same thing.
//!
//! A fingerprint is laid over the other at every offset; at the best one the share of bits that differ over ten
//! seconds tells copies from strangers (Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", 2002, who
//! call it the bit error rate). A copy that plays a little faster or slower drifts out of step, so the search is made
//! at a few speeds.

/// Items that are compared at once: ten seconds.
const WINDOW_ITEMS: usize = 80;
/// The shortest stretch that says anything: three seconds.
pub(super) const STRETCH_ITEMS_MIN: usize = 24;
/// Changes from item to item that a stretch of ten seconds needs: a single click in silence makes 19, since it
/// is in all items whose sixteen frames it is in. Of a shorter stretch three quarters have to change.
const CHANGES_MIN: usize = 24;
/// A bit error rate of 0.20 and less is the same sound: what Chromaprint's author found to part copies from strangers
/// on whole items. In bits of an item, times five, to stay with integers.
const SAME_BITS_TIMES_5: i64 = 32;
/// Speeds of the second work against the first that are tried.
const SPEEDS: [f64; 5] = [1.0, 0.99, 1.01, 0.98, 1.02];
/// Pairs of items up to which every offset is tried (two tracks of 16 minutes): a tenth of a second for all speeds.
const PAIRS_MAX: usize = 1 << 26;
/// Offsets that are tried on longer works: those at which most items agree in their high half.
const CANDIDATES_MAX: usize = 48;
/// Items of one high half that are looked up on longer works: more of the same tell no offset.
const POSITIONS_MAX: usize = 64;

/// The best stretch of two fingerprints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// First item in the first work.
    pub(super) a: usize,
    /// First item in the second work.
    pub(super) b: usize,
    /// Items of the first work.
    pub(super) items: usize,
    /// Share of the bits that differ, 0 to 1.
    pub(super) bit_error_rate: f64,
    /// How much faster the second work plays.
    pub(super) speed: f64,
}

/// The stretch of the fewest errors, extended as far as it stays the same sound. `None` when one of the two has less
/// than three seconds, or nothing but silence and held tones.
pub(super) fn best(a: &[u32], b: &[u32]) -> Option<Stretch> {
    let window = WINDOW_ITEMS.min(a.len()).min(b.len());
    if window < STRETCH_ITEMS_MIN {
        return None;
    }
    let lively_a = Lively::of(a, window);
    let mut errors = Vec::new();
    let mut best: Option<Stretch> = None;
    for speed in SPEEDS {
        let paced = paced(b, speed);
        if paced.len() < window {
            continue;
        }
        let lively_b = Lively::of(&paced, window);
        for offset in offsets(a, &paced, window) {
            // The first items of both that lie over each other.
            let (start_a, start_b) = (offset.max(0) as usize, (-offset).max(0) as usize);
            errors.clear();
            errors.extend(a[start_a..].iter().zip(&paced[start_b..]).map(|(a, b)| (a ^ b).count_ones() as u8));
            let Some((at, wrong)) = fewest(&errors, window, |i| lively_a.at(start_a + i) && lively_b.at(start_b + i))
            else {
                continue;
            };
            let rate = f64::from(wrong) / (window * 32) as f64;
            // Another speed has to be better by something: the true one comes first.
            if best.is_some_and(|best| rate >= best.bit_error_rate - if best.speed == speed { 0.0 } else { 0.005 }) {
                continue;
            }
            best = Some(extended(&errors, at, window, speed, start_a, start_b));
            if let Some(best) = &mut best {
                best.bit_error_rate = rate;
            }
        }
    }
    best.map(|best| finished(a, b, best))
}

/// Whether any stretch holds more than silence and held tones; of a work that is too short to be compared, whether it
/// changes at all.
pub(super) fn is_lively(items: &[u32]) -> bool {
    let window = WINDOW_ITEMS.min(items.len());
    let lively = Lively::of(items, window);
    if window < STRETCH_ITEMS_MIN {
        return lively.changes.last().is_some_and(|&changes| changes as usize > window / 4);
    }
    (0..=items.len() - window).any(|start| lively.at(start))
}

/// `b` as it would be had it played at the speed of `a`.
fn paced(b: &[u32], speed: f64) -> Vec<u32> {
    if speed == 1.0 {
        return b.to_vec();
    }
    let length = (b.len() as f64 * speed) as usize;
    (0..length).map_while(|i| b.get((i as f64 / speed).round() as usize).copied()).collect()
}

/// The offsets of `b` within `a` to try: all of them, or on long works those at which most items agree.
fn offsets(a: &[u32], b: &[u32], window: usize) -> Vec<i64> {
    let (first, last) = (window as i64 - b.len() as i64, a.len() as i64 - window as i64);
    if a.len().saturating_mul(b.len()) <= PAIRS_MAX {
        return (first..=last).collect();
    }
    // Where in `b` each high half is.
    let mut places: Vec<(u16, u32)> = b.iter().zip(0..).map(|(item, i)| ((item >> 16) as u16, i)).collect();
    places.sort_unstable();
    let mut votes = vec![0_u32; (last - first + 1) as usize];
    for (item, i) in a.iter().zip(0_i64..) {
        let half = (item >> 16) as u16;
        let from = places.partition_point(|place| place.0 < half);
        let same = places[from..].iter().take_while(|place| place.0 == half);
        if same.clone().nth(POSITIONS_MAX).is_some() {
            continue;
        }
        for (_, j) in same {
            let offset = i - i64::from(*j);
            if (first..=last).contains(&offset) {
                votes[(offset - first) as usize] += 1;
            }
        }
    }
    let mut order: Vec<usize> = (0..votes.len()).filter(|&i| votes[i] > 0).collect();
    order.sort_unstable_by_key(|&i| std::cmp::Reverse(votes[i]));
    order.truncate(CANDIDATES_MAX);
    order.into_iter().map(|i| first + i as i64).collect()
}

/// Start and bits of the window of the fewest errors among those that `counts`.
fn fewest(errors: &[u8], window: usize, counts: impl Fn(usize) -> bool) -> Option<(usize, u32)> {
    let mut sum: u32 = errors.get(..window)?.iter().map(|&bits| u32::from(bits)).sum();
    let mut best = None;
    for start in 0..=errors.len() - window {
        if start > 0 {
            sum = sum + u32::from(errors[start + window - 1]) - u32::from(errors[start - 1]);
        }
        if best.is_none_or(|(_, fewest)| sum < fewest) && counts(start) {
            best = Some((start, sum));
        }
    }
    best
}

/// The window and what follows and precedes it, as far as that is the same sound on the whole.
fn extended(errors: &[u8], at: usize, window: usize, speed: f64, start_a: usize, start_b: usize) -> Stretch {
    let after = reach(errors[at + window..].iter());
    let before = reach(errors[..at].iter().rev());
    Stretch {
        a: start_a + at - before,
        b: start_b + at - before,
        items: before + window + after,
        bit_error_rate: 1.0,
        speed,
    }
}

/// How many items to take on so that they are the same sound on the whole, and the most so.
fn reach<'a>(errors: impl Iterator<Item = &'a u8>) -> usize {
    let (mut sum, mut most, mut taken) = (0_i64, 0_i64, 0);
    for (bits, i) in errors.zip(1..) {
        sum += SAME_BITS_TIMES_5 - 5 * i64::from(*bits);
        if sum > most {
            (most, taken) = (sum, i);
        }
    }
    taken
}

/// The error rate over the whole stretch, and its place in the true time of `b`.
fn finished(a: &[u32], b: &[u32], stretch: Stretch) -> Stretch {
    let paced = paced(b, stretch.speed);
    let wrong: u32 = a[stretch.a..][..stretch.items]
        .iter()
        .zip(&paced[stretch.b..][..stretch.items])
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    Stretch {
        b: (stretch.b as f64 / stretch.speed).round() as usize,
        bit_error_rate: f64::from(wrong) / (stretch.items * 32) as f64,
        ..stretch
    }
}

/// Which windows hold more than silence and held tones: those match each other wherever they come from.
struct Lively {
    /// Changes from item to item up to each item.
    changes: Vec<u32>,
    window: usize,
}

impl Lively {
    fn of(items: &[u32], window: usize) -> Self {
        let mut changes = Vec::with_capacity(items.len());
        let mut sum = 0;
        for (i, item) in items.iter().enumerate() {
            sum += u32::from(i > 0 && *item != items[i - 1]);
            changes.push(sum);
        }
        Self { changes, window }
    }

    fn at(&self, start: usize) -> bool {
        let changes = self.changes[start + self.window - 1] - self.changes[start];
        changes as usize >= (self.window / 4).max(CHANGES_MIN.min(self.window * 3 / 4))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Items without any order.
    fn noise(seed: u64, length: usize) -> Vec<u32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_clip_is_found_where_it_is() {
        let track = noise(1, 4_850);
        let clip: Vec<u32> = track[3_000..3_064].iter().map(|item| item ^ 0b101).collect();
        let found = best(&track, &clip).unwrap();
        assert_eq!((found.a, found.b, found.items, found.speed), (3_000, 0, 64, 1.0));
        assert!((found.bit_error_rate - 2.0 / 32.0).abs() < 1e-9);
        let turned = best(&clip, &track).unwrap();
        assert_eq!((turned.a, turned.b, turned.items), (0, 3_000, 64));
    }

    #[test]
    fn strangers_stay_far_apart() {
        let found = best(&noise(1, 1_000), &noise(2, 1_000)).unwrap();
        assert!(found.bit_error_rate > 0.4, "{found:?}");
    }

    #[test]
    fn long_works_are_aligned_by_their_high_halves() {
        let (a, mut b) = (noise(3, 30_000), noise(4, 20_000));
        b[500..2_500].copy_from_slice(&a[20_000..22_000]);
        let found = best(&a, &b).unwrap();
        assert_eq!((found.a, found.b, found.items), (20_000, 500, 2_000));
    }

    #[test]
    fn another_speed_is_found() {
        let a: Vec<u32> = noise(5, 400).into_iter().flat_map(|item| [item; 3]).collect();
        let b = paced(&a, 1.0 / 1.02);
        let found = best(&a, &b).unwrap();
        assert_eq!(found.speed, 1.02);
        assert!(found.items > 1_000, "{found:?}");
    }

    #[test]
    fn silence_and_too_little_say_nothing() {
        assert!(best(&[627_964_279; 500], &[627_964_279; 500]).is_none());
        assert!(best(&noise(1, 23), &noise(1, 500)).is_none());
        assert!(best(&[], &[]).is_none());
    }
}
