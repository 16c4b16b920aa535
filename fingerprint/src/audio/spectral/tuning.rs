//! How far the notes of a sound are from those of a piano at 440 Hz: `librosa.estimate_tuning` on a power spectrum.

use super::{BINS, FRAME, RATE};
use crate::vector::fast;

/// Steps of the estimate in a semitone.
const STEPS: usize = 100;
/// Hz between which peaks are looked for.
const LOWEST: f64 = 150.0;
const HIGHEST: f64 = 4000.0;
/// A peak has more than this part of the largest bin of its frame.
const THRESHOLD: f32 = 0.1;
/// Magnitudes are sorted into classes by their exponent and the upper bits of their fraction: about 0.8 % wide.
const CLASS_BITS: u32 = 16;
const CLASS_FIRST: usize = 60 << 7;
const CLASSES: usize = 100 << 7;

/// Collects peaks by magnitude and by their distance to the next note.
pub(super) struct Tuning {
    /// Class of the magnitude times [`STEPS`], and the step. A list: a table of all pairs would be visited all over.
    peaks: Vec<u32>,
}

impl Tuning {
    pub(super) fn new() -> Self {
        Self { peaks: Vec::new() }
    }

    /// One frame of power per bin.
    pub(super) fn push(&mut self, power: &[f32]) {
        let least = THRESHOLD * fast!(peak(power));
        let hz = f64::from(RATE) / FRAME as f64;
        let (first, end) = ((LOWEST / hz).ceil() as usize, (HIGHEST / hz).ceil() as usize);
        let mut found = [false; BINS];
        fast!(find_peaks(&power[first - 1..=end], least, &mut found[first..end]));
        for bin in (first..end).filter(|bin| found[*bin]) {
            let [before, here, after] = [power[bin - 1], power[bin], power[bin + 1]];
            let (curve, slope) = (after + before - 2.0 * here, (after - before) / 2.0);
            let shift = if slope.abs() >= curve.abs() { 0.0 } else { -slope / curve };
            let magnitude = here + 0.5 * slope * shift;
            let pitch = ((bin as f32 + shift) as f64 * hz) as f32;
            self.count(pitch, magnitude);
        }
    }

    fn count(&mut self, pitch: f32, magnitude: f32) {
        if !(pitch > 0.0 && magnitude > 0.0) {
            return;
        }
        let octaves = (pitch / (440.0 / 16.0)).log2();
        let mut rest = (12.0 * octaves).rem_euclid(1.0);
        if rest >= 0.5 {
            rest -= 1.0;
        }
        let step = ((f64::from(rest) + 0.5) * STEPS as f64).floor().clamp(0.0, STEPS as f64 - 1.0) as usize;
        let class = ((magnitude.to_bits() >> CLASS_BITS) as usize).saturating_sub(CLASS_FIRST).min(CLASSES - 1);
        self.peaks.push((class * STEPS + step) as u32);
    }

    /// The most frequent distance among the peaks that are not below the median, -0.5 to 0.49 semitones; 0 without
    /// any peak. The peaks in the class of the median are split in proportion, for their order is not known.
    pub(super) fn estimate(&self) -> f64 {
        let mut classes = vec![0_usize; CLASSES];
        for peak in &self.peaks {
            classes[*peak as usize / STEPS] += 1;
        }
        // The class of the median, and how many of it are wanted.
        let mut wanted = self.peaks.len().div_ceil(2);
        let Some(middle) = (0..CLASSES).rev().find(|class| {
            let here = classes[*class] >= wanted;
            wanted -= if here { 0 } else { classes[*class] };
            here
        }) else {
            return 0.0;
        };
        if wanted == 0 {
            return 0.0;
        }
        let part = wanted as f64 / classes[middle] as f64;
        let (mut above, mut within) = ([0_u32; STEPS], [0_u32; STEPS]);
        for peak in &self.peaks {
            let (class, step) = (*peak as usize / STEPS, *peak as usize % STEPS);
            above[step] += u32::from(class > middle);
            within[step] += u32::from(class == middle);
        }
        let mut sums = [0.0_f64; STEPS];
        for ((sum, above), within) in sums.iter_mut().zip(above).zip(within) {
            *sum = f64::from(above) + part * f64::from(within);
        }
        // The first of the largest.
        let mut best = 0;
        for (step, sum) in sums.iter().enumerate() {
            if *sum > sums[best] {
                best = step;
            }
        }
        best as f64 / STEPS as f64 - 0.5
    }
}

/// Whether each but the first and the last is a peak.
#[inline(always)]
fn find_peaks(power: &[f32], least: f32, found: &mut [bool]) {
    let [before, here, after] = [power, &power[1..], &power[2..]];
    for (((found, before), here), after) in found.iter_mut().zip(before).zip(here).zip(after) {
        // Bins below the threshold count as zero, also as neighbours; that changes nothing for a peak above it.
        *found = !((*here <= least) | (*here <= *before) | (*here < *after));
    }
}

#[inline(always)]
fn peak(power: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for chunk in power.chunks_exact(8) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let rest = power.chunks_exact(8).remainder();
    lanes.iter().chain(rest).copied().fold(0.0, f32::max)
}
