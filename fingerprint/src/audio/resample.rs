//! To another rate with floats, for what is measured on the spectrum.
//!
//! The original resamples with soxr at its high quality: flat up to 0.913 of the lower Nyquist frequency, nothing
//! above it. For twice the rate that is one filter, a sinc under Kaiser's window, and this is the same one: its numbers
//! are those of soxr's response to an impulse, to the last digit of its floats. For other ratios soxr takes
//! several steps, and this is one filter of the same shape (within 0.2 dB down to -20 dB). All are applied in the
//! frequency domain (overlap-save), where a change of rate is a longer or shorter spectrum. Any ratio of integers is
//! exact; no phase is interpolated.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// End of the pass band and start of the stop band, as parts of the lower Nyquist frequency.
const PASS: f64 = 0.9128;
const STOP: f64 = 1.0013;
/// Attenuation of the stop band.
const DECIBELS: f64 = 135.0;
/// Longest cycle after which both rates meet again. Memory and the length of the transforms depend on it.
const CYCLE_MAX: usize = 1 << 16;
/// Shortest transform, and how many filter lengths it has at least.
const BLOCK_MIN: usize = 8192;
const BLOCK_FILTERS: usize = 8;

/// A sinc under Kaiser's window.
#[derive(Debug, Clone, Copy)]
struct Filter {
    /// Where it has fallen to a half, as part of the lower Nyquist frequency.
    cutoff: f64,
    beta: f64,
    /// Half its length, in samples of the lower rate.
    half: f64,
}

/// soxr's own for half the rate.
const HALF: Filter = Filter { cutoff: 0.956_872, beta: 13.0399, half: 97.249_498 };

/// From one rate to another, in blocks.
pub(super) struct Resampler {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Response of the filter, real: it is symmetric around zero.
    response: Vec<f32>,
    /// Samples before and behind a block that only help it, at both rates.
    margin: usize,
    margin_out: usize,
    /// Input that is still needed, `margin` of the past first.
    pending: Vec<f32>,
    time: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    spectrum_out: Vec<Complex<f32>>,
    time_out: Vec<f32>,
    scratch: Vec<Complex<f32>>,
    /// Samples seen and given.
    taken: u64,
    given: u64,
    from: u64,
    to: u64,
}

impl Resampler {
    /// From `from` to `to` Hz, neither zero.
    pub(super) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1) as usize, to.max(1) as usize);
        // Rates that nobody uses are taken for the next one that fits: less than 0.02 % off.
        let from = if from / gcd(from, to) > CYCLE_MAX { nearest_multiple(from, gcd(to, NEAR)) } else { from };
        let common = gcd(from, to);
        let (cycle, cycle_out) = (from / common, to / common);
        let filter = Filter::new(from, to);
        let half = filter.taps(from, to);
        let margin = half.div_ceil(cycle) * cycle;
        let least = BLOCK_MIN.max(BLOCK_FILTERS * margin);
        // An even number of cycles has a Nyquist frequency at both rates.
        let block = least.div_ceil(2 * cycle) * 2 * cycle;
        let block_out = block / cycle * cycle_out;
        let mut planner = RealFftPlanner::<f32>::new();
        let forward = planner.plan_fft_forward(block);
        let inverse = planner.plan_fft_inverse(block_out);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            response: filter.response(from, to, block),
            margin,
            margin_out: margin / cycle * cycle_out,
            pending: vec![0.0; margin],
            time: forward.make_input_vec(),
            spectrum: forward.make_output_vec(),
            spectrum_out: inverse.make_input_vec(),
            time_out: inverse.make_output_vec(),
            scratch: vec![Complex::default(); scratch],
            forward,
            inverse,
            taken: 0,
            given: 0,
            from: from as u64,
            to: to as u64,
        }
    }

    /// Whether the filter is the reference's own.
    pub(super) fn is_exact(from: u32, to: u32) -> bool {
        Filter::exact(from as usize, to as usize).is_some()
    }

    /// Takes `samples`, appends what is ready to `output`.
    pub(super) fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        self.taken += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        self.run(output);
    }

    /// Ends the sound: behind it is silence. In total, as many samples as the length asks for, rounded up.
    pub(super) fn finish(&mut self, output: &mut Vec<f32>) {
        let total = (self.taken * self.to).div_ceil(self.from);
        let before = output.len();
        let given = self.given;
        while self.given < total {
            self.pending.resize(self.pending.len() + self.time.len(), 0.0);
            self.run(output);
        }
        output.truncate(before + (total - given) as usize);
        self.given = total;
    }

    fn run(&mut self, output: &mut Vec<f32>) {
        let block = self.time.len();
        let hop = block - 2 * self.margin;
        let mut start = 0;
        while start + block <= self.pending.len() {
            self.time.copy_from_slice(&self.pending[start..start + block]);
            start += hop;
            // Both only fail when a buffer has another length than the plan's own.
            let scratch = &mut self.scratch;
            let _ = self.forward.process_with_scratch(&mut self.time, &mut self.spectrum, scratch);
            self.spectrum_out.fill(Complex::default());
            for ((out, bin), factor) in self.spectrum_out.iter_mut().zip(&self.spectrum).zip(&self.response) {
                *out = bin * factor;
            }
            // Of these two only the real part is meant.
            if let [first, .., last] = &mut self.spectrum_out[..] {
                first.im = 0.0;
                last.im = 0.0;
            }
            let _ = self.inverse.process_with_scratch(&mut self.spectrum_out, &mut self.time_out, scratch);
            let inner = &self.time_out[self.margin_out..self.time_out.len() - self.margin_out];
            self.given += inner.len() as u64;
            output.extend_from_slice(inner);
        }
        self.pending.drain(..start);
    }
}

/// What high odd rates are rounded to.
const NEAR: usize = 18;

fn nearest_multiple(value: usize, of: usize) -> usize {
    (value + of / 2) / of * of
}

impl Filter {
    fn new(from: usize, to: usize) -> Self {
        Self::exact(from, to).unwrap_or_else(|| {
            let lower = from.min(to) as f64 / from as f64;
            let width = std::f64::consts::PI * (STOP - PASS) * lower;
            let taps = ((DECIBELS - 8.0) / (2.285 * width) / 2.0).ceil();
            Self { cutoff: (PASS + STOP) / 2.0, beta: 0.1102 * (DECIBELS - 8.7), half: (taps + 1.0) * lower }
        })
    }

    fn exact(from: usize, to: usize) -> Option<Self> {
        (from == 2 * to).then_some(HALF)
    }

    /// Taps on each side of the middle one.
    fn taps(self, from: usize, to: usize) -> usize {
        let half = self.half * from as f64 / from.min(to) as f64;
        // The window is zero at its end.
        (half - 1e-9).floor().max(0.0) as usize
    }

    /// Frequency response around sample zero, for a transform of `block` samples, with the factor that the two
    /// transforms leave to their caller.
    fn response(self, from: usize, to: usize, block: usize) -> Vec<f32> {
        let lower = from.min(to) as f64 / from as f64;
        let (cutoff, half) = (lower * self.cutoff, self.half / lower);
        let tap = |i: usize| {
            let x = std::f64::consts::PI * cutoff * i as f64;
            let sinc = if i == 0 { 1.0 } else { x.sin() / x };
            let w = i as f64 / half;
            cutoff * sinc * bessel_i0(self.beta * (1.0 - w * w).max(0.0).sqrt()) / bessel_i0(self.beta)
        };
        let mut taps = vec![0.0; block];
        taps[0] = tap(0);
        for i in 1..=self.taps(from, to) {
            taps[i] = tap(i);
            taps[block - i] = taps[i];
        }
        let forward = RealFftPlanner::<f64>::new().plan_fft_forward(block);
        let mut spectrum = forward.make_output_vec();
        let _ = forward.process(&mut taps, &mut spectrum);
        spectrum.iter().map(|bin| (bin.re / block as f64) as f32).collect()
    }
}

/// Modified Bessel function of the first kind, order 0, by its power series.
pub(super) fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-18 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::Resampler;

    /// A tone of `hz` from `from` to `to`, in blocks of odd length.
    fn resampled(from: u32, to: u32, hz: f64, seconds: f64) -> Vec<f32> {
        let tone = |i: usize| (2.0 * std::f64::consts::PI * hz * i as f64 / f64::from(from)).sin() as f32;
        let samples: Vec<f32> = (0..(f64::from(from) * seconds) as usize).map(tone).collect();
        let mut resampler = Resampler::new(from, to);
        let mut out = Vec::new();
        for block in samples.chunks(777) {
            resampler.push(block, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn tones_stay_where_they_are() {
        for from in [8_000, 11_025, 16_000, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
            let out = resampled(from, 22_050, 1000.0, 1.0);
            assert_eq!(out.len(), 22_050, "{from}");
            for (i, sample) in out.iter().enumerate().skip(500).take(10_000) {
                let wanted = (2.0 * std::f64::consts::PI * 1000.0 * i as f64 / 22_050.0).sin();
                assert!((f64::from(*sample) - wanted).abs() < 2e-5, "{from} at {i}: {sample} for {wanted}");
            }
        }
    }

    #[test]
    fn nothing_above_nyquist_comes_through() {
        let out = resampled(44_100, 22_050, 12_000.0, 0.5);
        assert!(out[1000..10_000].iter().all(|x| x.abs() < 2e-5));
    }

    #[test]
    fn short_sounds_have_their_length() {
        for samples in [1, 2, 3, 440, 441] {
            let mut resampler = Resampler::new(44_100, 22_050);
            let mut out = Vec::new();
            resampler.push(&vec![0.5; samples], &mut out);
            resampler.finish(&mut out);
            assert_eq!(out.len(), samples.div_ceil(2));
        }
    }
}
