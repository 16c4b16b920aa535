//! Power spectra of real samples.
//!
//! The way of `realfft`: pairs of samples as complex numbers, one complex transform of half the length, then the two
//! halves are told apart. The last step is done here, in loops that become vectors, and only as far as the power: the
//! same operations in the same order, so that no bit differs from the power of its spectrum.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::vector::fast;

/// Frames of an even number of samples, to the power of each bin.
pub(super) struct Transform {
    fft: Arc<dyn Fft<f32>>,
    pairs: Vec<Complex<f32>>,
    mixed: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Real and imaginary parts of half a turn in steps of a bin, halved.
    cosines: Vec<f32>,
    sines: Vec<f32>,
    work: Work,
}

/// Parts of the mixed spectrum: from its start, and from its end backwards.
#[derive(Default)]
struct Work {
    real: Vec<f32>,
    imaginary: Vec<f32>,
    real_back: Vec<f32>,
    imaginary_back: Vec<f32>,
    power_back: Vec<f32>,
}

impl Transform {
    /// For frames of `length` samples, a multiple of four.
    pub(super) fn new(length: usize) -> Self {
        let half = length / 2;
        let fft = FftPlanner::<f32>::new().plan_fft_forward(half);
        let angle = |bin: usize| -2.0 * std::f64::consts::PI / length as f64 * bin as f64;
        let inner = 1..half / 2;
        let line = || vec![0.0; inner.len()];
        Self {
            pairs: vec![Complex::default(); half],
            mixed: vec![Complex::default(); half],
            scratch: vec![Complex::default(); fft.get_outofplace_scratch_len()],
            fft,
            cosines: inner.clone().map(|bin| angle(bin).cos() as f32 * 0.5).collect(),
            sines: inner.clone().map(|bin| angle(bin).sin() as f32 * 0.5).collect(),
            work: Work {
                real: line(),
                imaginary: line(),
                real_back: line(),
                imaginary_back: line(),
                power_back: line(),
            },
        }
    }

    /// Power of the `length / 2 + 1` bins of `samples` times `window`.
    pub(super) fn run<S: Copy + Into<f32>>(&mut self, samples: &[S], window: &[f32], power: &mut [f32]) {
        fast!(fill(samples, window, &mut self.pairs));
        self.fft.process_outofplace_with_scratch(&mut self.pairs, &mut self.mixed, &mut self.scratch);
        fast!(tell_apart(&self.mixed, &self.cosines, &self.sines, &mut self.work, power));
    }
}

#[inline(always)]
fn fill<S: Copy + Into<f32>>(samples: &[S], window: &[f32], pairs: &mut [Complex<f32>]) {
    let (samples, _) = samples.as_chunks::<2>();
    let (window, _) = window.as_chunks::<2>();
    for ((pair, samples), window) in pairs.iter_mut().zip(samples).zip(window) {
        pair.re = samples[0].into() * window[0];
        pair.im = samples[1].into() * window[1];
    }
}

#[inline(always)]
fn tell_apart(mixed: &[Complex<f32>], cosines: &[f32], sines: &[f32], work: &mut Work, power: &mut [f32]) {
    let half = mixed.len();
    let inner = 1..half / 2;
    let Work { real, imaginary, real_back, imaginary_back, power_back } = work;
    for ((real, imaginary), bin) in real.iter_mut().zip(imaginary.iter_mut()).zip(&mixed[inner.clone()]) {
        (*real, *imaginary) = (bin.re, bin.im);
    }
    let back = mixed[half / 2 + 1..].iter().rev();
    for ((real, imaginary), bin) in real_back.iter_mut().zip(imaginary_back.iter_mut()).zip(back) {
        (*real, *imaginary) = (bin.re, bin.im);
    }
    let ahead = real.iter().zip(imaginary.iter());
    let back = real_back.iter().zip(imaginary_back.iter());
    let turns = cosines.iter().zip(sines);
    let powers = power[inner.clone()].iter_mut().zip(power_back.iter_mut());
    for ((((re, im), (re_back, im_back)), (cosine, sine)), (power, power_back)) in
        ahead.zip(back).zip(turns).zip(powers)
    {
        let (sum_re, sum_im) = (re + re_back, im + im_back);
        let (difference_re, difference_im) = (re - re_back, im - im_back);
        let (half_re, half_im) = (0.5 * sum_re, 0.5 * difference_im);
        let turned_re = sum_im * cosine + difference_re * sine;
        let turned_im = sum_im * sine - difference_re * cosine;
        let (out_re, out_im) = (half_re + turned_re, half_im + turned_im);
        *power = out_re * out_re + out_im * out_im;
        let (out_re, out_im) = (half_re - turned_re, turned_im - half_im);
        *power_back = out_re * out_re + out_im * out_im;
    }
    for (out, power) in power[half / 2 + 1..half].iter_mut().rev().zip(power_back.iter()) {
        *out = *power;
    }
    let (first, middle) = (mixed[0], mixed[half / 2]);
    power[0] = (first.re + first.im) * (first.re + first.im);
    power[half] = (first.re - first.im) * (first.re - first.im);
    power[half / 2] = middle.re * middle.re + middle.im * middle.im;
}

#[cfg(test)]
mod tests {
    use realfft::RealFftPlanner;

    use super::Transform;

    #[test]
    fn no_bit_differs_from_realfft() {
        for length in [16, 2048, 4096] {
            let samples: Vec<f32> = (0..length).map(|i| ((i * i * 31 + i * 7) % 1009) as f32 / 1009.0 - 0.5).collect();
            let window: Vec<f32> = (0..length).map(|i| 0.5 + i as f32 / length as f32).collect();
            let mut power = vec![0.0; length / 2 + 1];
            Transform::new(length).run(&samples, &window, &mut power);
            let fft = RealFftPlanner::<f32>::new().plan_fft_forward(length);
            let mut input: Vec<f32> = samples.iter().zip(&window).map(|(a, b)| a * b).collect();
            let mut spectrum = fft.make_output_vec();
            fft.process(&mut input, &mut spectrum).unwrap();
            let wanted: Vec<f32> = spectrum.iter().map(|bin| bin.re * bin.re + bin.im * bin.im).collect();
            assert_eq!(power, wanted, "{length}");
        }
    }
}
