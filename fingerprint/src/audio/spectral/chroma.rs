//! Twelve notes per frame, as `librosa.feature.chroma_stft` sees them, with its estimate of the tuning.
//!
//! The filters depend on the tuning and the tuning on the whole sound. So the spectra of the first
//! [`TUNING_SECONDS`] are kept, the tuning is estimated on those, and what comes later is filtered at once: memory has
//! a bound, and every sound up to that length gets what the reference gives.

use super::tuning::Tuning;
use super::{BINS, FRAME, RATE};
use crate::vector::fast;

/// Notes.
pub(super) const CHROMA: usize = 12;
/// Seconds of sound the tuning is estimated on, and whose spectra are kept for that (53 MB).
const TUNING_SECONDS: usize = 300;
const KEPT_MAX: usize = TUNING_SECONDS * RATE as usize / super::HOP;

/// Centre and width of the weight of octaves.
const OCTAVE_CENTRE: f64 = 5.0;
const OCTAVE_WIDTH: f64 = 2.0;

/// Spectra in, chroma vectors out.
pub(super) struct Chroma {
    tuning: Tuning,
    /// Spectra that wait for the tuning.
    kept: Vec<Box<[f32]>>,
    bank: Option<Vec<Weights>>,
}

impl Chroma {
    pub(super) fn new() -> Self {
        Self { tuning: Tuning::new(), kept: Vec::new(), bank: None }
    }

    /// One frame of power per bin; calls `each` for every frame that is ready.
    pub(super) fn push(&mut self, power: &[f32], each: &mut dyn FnMut(&[f32; CHROMA])) {
        if let Some(bank) = &self.bank {
            let [chroma] = fast!(filter(bank, [power]));
            each(&chroma);
            return;
        }
        self.tuning.push(power);
        self.kept.push(power.into());
        if self.kept.len() >= KEPT_MAX {
            self.finish(each);
        }
    }

    /// Gives the frames that still wait.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&[f32; CHROMA])) {
        let kept = std::mem::take(&mut self.kept);
        let bank = self.bank.get_or_insert_with(|| bank(self.tuning.estimate()));
        // Two frames at once: the weights are read once for both.
        let (pairs, rest) = kept.as_chunks::<2>();
        for [first, second] in pairs {
            fast!(filter(bank, [first, second])).iter().for_each(&mut *each);
        }
        for power in rest {
            fast!(filter(bank, [power])).iter().for_each(&mut *each);
        }
    }
}

/// Weights of a bin, zeros behind the notes: whole vectors.
type Weights = [f32; CHROMA.next_multiple_of(8)];

/// Weighted sums of each frame, scaled so that the largest is 1.
#[inline(always)]
fn filter<const FRAMES: usize>(bank: &[Weights], powers: [&[f32]; FRAMES]) -> [[f32; CHROMA]; FRAMES] {
    // Two sums per note: one would wait for itself in every step.
    let mut sums = [[Weights::default(); 2]; FRAMES];
    let powers = powers.map(|power| &power[..bank.len()]);
    let (pairs, rest) = bank.as_chunks::<2>();
    for (i, weights) in pairs.iter().enumerate() {
        for (sums, power) in sums.iter_mut().zip(powers) {
            for (half, (sums, weights)) in sums.iter_mut().zip(weights).enumerate() {
                let power = power[2 * i + half];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * power);
            }
        }
    }
    for (sums, power) in sums.iter_mut().zip(powers) {
        for (weights, power) in rest.iter().zip(&power[2 * pairs.len()..]) {
            sums[0].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * power);
        }
    }
    sums.map(|[even, odd]| {
        let mut chroma = [0.0; CHROMA];
        chroma.iter_mut().zip(even.iter().zip(odd)).for_each(|(sum, (even, odd))| *sum = even + odd);
        let peak = chroma.iter().copied().fold(0.0, f32::max);
        if peak >= f32::MIN_POSITIVE {
            chroma.iter_mut().for_each(|value| *value /= peak);
        }
        chroma
    })
}

/// Weights of the notes, C first, for each bin: `librosa.filters.chroma` with its defaults.
fn bank(tuning: f64) -> Vec<Weights> {
    let notes = CHROMA as f64;
    let a440 = 440.0 * 2_f64.powf(tuning / notes);
    let place = |bin: usize| notes * (bin as f64 * f64::from(RATE) / FRAME as f64 / (a440 / 16.0)).log2();
    // The lowest bin has no pitch: it is put one and a half octaves below the next.
    let at = |bin: usize| if bin == 0 { place(1) - 1.5 * notes } else { place(bin) };
    (0..BINS)
        .map(|bin| {
            let width = (at(bin + 1) - at(bin)).max(1.0);
            let mut weights = [0.0; CHROMA];
            for (note, weight) in weights.iter_mut().enumerate() {
                // From A to C, as the octave is counted from A.
                let from_a = (note + 3) % CHROMA;
                let half = (notes / 2.0).round();
                let distance = (at(bin) - from_a as f64 + half + 10.0 * notes).rem_euclid(notes) - half;
                *weight = (-0.5 * (2.0 * distance / width).powi(2)).exp();
            }
            let norm = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            let octave = (-0.5 * ((at(bin) / notes - OCTAVE_CENTRE) / OCTAVE_WIDTH).powi(2)).exp();
            let mut row = Weights::default();
            row.iter_mut().zip(weights).for_each(|(out, weight)| *out = (weight / norm * octave) as f32);
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CHROMA, bank};

    /// `librosa.filters.chroma(sr=22050, n_fft=2048, tuning=0.13)` of librosa 0.11.
    #[test]
    fn the_bank_is_librosas() {
        let bank = bank(0.13);
        let row = |bin: usize, wanted: [f32; CHROMA]| {
            for (weight, wanted) in bank[bin].iter().zip(wanted) {
                assert!((weight - wanted).abs() < 1e-6, "{bin}: {:?}", bank[bin]);
            }
        };
        row(
            0,
            [
                0.0001344721,
                0.0001314122,
                0.0001268463,
                0.0001209367,
                0.0001138876,
                0.00011181,
                0.0001191285,
                0.0001253688,
                0.000130317,
                0.0001337986,
                0.0001356876,
                0.0001359149,
            ],
        );
        row(
            1,
            [
                0.001568751,
                0.001759724,
                0.001919867,
                0.002037203,
                0.002102488,
                0.002110421,
                0.00206035,
                0.001956361,
                0.00180673,
                0.001622834,
                0.001417721,
                0.001360191,
            ],
        );
        row(
            7,
            [
                0.01905282,
                0.07461368,
                0.1382343,
                0.1211578,
                0.05023713,
                0.009854546,
                0.0009145061,
                4.0149e-05,
                8.338752e-07,
                3.556403e-06,
                0.0001315393,
                0.002301645,
            ],
        );
        row(
            41,
            [
                5.419342e-09,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                3.185443e-08,
                0.0005222888,
                0.1568461,
                0.8626981,
                0.08690926,
                0.0001603597,
            ],
        );
        row(
            300,
            [0.0, 0.0, 0.0, 0.0, 0.0, 8.718967e-06, 0.01617305, 0.5494659, 0.3419099, 0.003896769, 8.134293e-07, 0.0],
        );
        row(
            1024,
            [0.0, 0.0, 1.998439e-07, 0.001024628, 0.09621959, 0.1654942, 0.00521344, 3.00807e-06, 0.0, 0.0, 0.0, 0.0],
        );
    }

    #[test]
    fn tuning_and_notes_are_librosas() {
        let (mono, wanted) = super::super::tests::golden();
        let mut spectral = super::super::Spectral::new(super::RATE);
        spectral.push(&mono, &mut |_| ()).unwrap();
        let mut rows = Vec::new();
        spectral.chroma.finish(&mut |chroma| rows.push(*chroma));
        assert!((spectral.chroma.tuning.estimate() - wanted["tuning"].as_f64().unwrap()).abs() < 1e-9);
        for (i, frame) in wanted["chroma"].as_array().unwrap().iter().enumerate() {
            for (note, wanted) in frame.as_array().unwrap().iter().enumerate() {
                let (ours, wanted) = (f64::from(rows[67 * i][note]), wanted.as_f64().unwrap());
                assert!((ours - wanted).abs() < 1e-3, "frame {}, note {note}: {ours} for {wanted}", 67 * i);
            }
        }
    }
}
