//! The spectral block: what librosa measures on a short-time Fourier transform.
//!
//! Mono at 22,050 Hz; frames of 2048 samples every 512, a periodic Hann window, silence before and behind. All is
//! measured on one transform per frame. Definitions: librosa 0.11 (`melspectrogram`, `power_to_db`, `chroma_stft`,
//! `spectral_centroid`, `spectral_bandwidth`).

mod chroma;
mod decibel;
mod mel;
mod spool;
mod tuning;

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::SpectralData;
use sha2::{Digest as _, Sha256};

use self::chroma::{CHROMA, Chroma};
pub(super) use self::decibel::decibels;
pub(super) use self::mel::MELS;
use self::spool::Spool;
use super::resample::Resampler;
use super::transform::Transform;
use crate::FingerprintError;
use crate::vector::fast;

/// Hz.
pub(super) const RATE: u32 = 22_050;
/// Samples of a frame, and from one to the next.
const FRAME: usize = 2048;
pub(super) const HOP: usize = 512;
/// Bins of a spectrum.
const BINS: usize = FRAME / 2 + 1;
/// Smallest power, and how far below the loudest band anything counts, in dB.
const POWER_MIN: f32 = 1e-10;
const RANGE: f32 = 80.0;
/// Part of the power of the loudest frame below which a frame may hold nothing but what the resampler rounds: digital
/// silence close to sound comes out of it as noise, and where exactly depends on how it cuts the sound into blocks.
const ROUNDING: f64 = 1e-8;

/// Measures a sound block by block.
pub(super) struct Spectral {
    resampler: Option<Resampler>,
    transform: Transform,
    window: Vec<f32>,
    power: Vec<f32>,
    magnitude: Vec<f32>,
    pending: Vec<f32>,
    samples: u64,
    frames: u64,
    mel: mel::Bank,
    mel_max: f32,
    /// Power of the loudest frame, and of the quietest that is not silent.
    loudest: f64,
    quietest: f64,
    /// The resampler's filter is that of the reference.
    is_exact: bool,
    mels: Spool<MELS>,
    chroma: Chroma,
    chroma_hash: Sha256,
    centroid: Moments,
    bandwidth: Moments,
}

impl Spectral {
    /// `rate` of the samples that will come.
    pub(super) fn new(rate: u32) -> Self {
        let hann = |i: usize| (0.5 - 0.5 * (2.0 * std::f64::consts::PI * i as f64 / FRAME as f64).cos()) as f32;
        Self {
            resampler: (rate != RATE).then(|| Resampler::new(rate, RATE)),
            window: (0..FRAME).map(hann).collect(),
            transform: Transform::new(FRAME),
            power: vec![0.0; BINS],
            magnitude: vec![0.0; BINS],
            // The first frame is centred on the first sample.
            pending: vec![0.0; FRAME / 2],
            samples: 0,
            frames: 0,
            mel: mel::Bank::new(),
            mel_max: 0.0,
            loudest: 0.0,
            quietest: f64::MAX,
            is_exact: rate == RATE || Resampler::is_exact(rate, RATE),
            mels: Spool::new(),
            chroma: Chroma::new(),
            chroma_hash: Sha256::new(),
            centroid: Moments::default(),
            bandwidth: Moments::default(),
        }
    }

    /// Takes mono samples; `each` sees the mel bands (as power) of every frame.
    ///
    /// # Errors
    /// [`FingerprintError::Io`] when the temporary file fails.
    pub(super) fn push(&mut self, mono: &[f32], each: &mut dyn FnMut(&[f32; MELS])) -> Result<(), FingerprintError> {
        let before = self.pending.len();
        match &mut self.resampler {
            Some(resampler) => resampler.push(mono, &mut self.pending),
            None => self.pending.extend_from_slice(mono),
        }
        self.samples += (self.pending.len() - before) as u64;
        self.run(each)
    }

    /// Ends the sound.
    ///
    /// # Errors
    /// [`FingerprintError::Io`] when the temporary file fails.
    pub(super) fn finish(mut self, each: &mut dyn FnMut(&[f32; MELS])) -> Result<SpectralData, FingerprintError> {
        if let Some(resampler) = &mut self.resampler {
            let before = self.pending.len();
            resampler.finish(&mut self.pending);
            self.samples += (self.pending.len() - before) as u64;
        }
        self.pending.resize(self.pending.len() + FRAME / 2, 0.0);
        self.run(each)?;
        self.chroma.finish(&mut |chroma| hash(&mut self.chroma_hash, chroma));
        let mut mel_hash = Sha256::new();
        let reference = decibels(self.mel_max.max(POWER_MIN));
        self.mels
            .drain(|row| {
                fast!(below(row, reference));
                hash(&mut mel_hash, row);
                Ok::<(), std::io::Error>(())
            })
            .map_err(FingerprintError::Io)?;
        let (centroid_mean, centroid_std) = self.centroid.mean_and_deviation();
        let bandwidth_mean = self.bandwidth.mean_and_deviation().0;
        let is_noise = self.resampler.is_some() && self.quietest < self.loudest * ROUNDING;
        // Silence throughout is silence at any rate.
        let is_sure = self.loudest == 0.0 || (self.is_exact && !is_noise);
        let sure = |hz: f64| is_sure.then(|| super::rounded(hz, 4));
        Ok(SpectralData {
            mel_spectrogram_hash: hex::encode(mel_hash.finalize()),
            chromagram_hash: hex::encode(self.chroma_hash.finalize()),
            mel_spectrogram_shape: [MELS as u64, self.frames],
            chromagram_shape: [CHROMA as u64, self.frames],
            spectral_centroid_mean: sure(centroid_mean),
            spectral_centroid_std: sure(centroid_std),
            spectral_bandwidth_mean: sure(bandwidth_mean),
            duration: super::rounded(self.samples as f64 / f64::from(RATE), 3),
            sample_rate: RATE,
            n_mels: MELS as u32,
            n_chroma: CHROMA as u32,
            rest: Object::new(),
        })
    }

    fn run(&mut self, each: &mut dyn FnMut(&[f32; MELS])) -> Result<(), FingerprintError> {
        let mut start = 0;
        while start + FRAME <= self.pending.len() {
            self.frame(start, each)?;
            start += HOP;
        }
        self.pending.drain(..start);
        Ok(())
    }

    fn frame(&mut self, start: usize, each: &mut dyn FnMut(&[f32; MELS])) -> Result<(), FingerprintError> {
        self.transform.run(&self.pending[start..start + FRAME], &self.window, &mut self.power);
        self.frames += 1;
        let power: f64 = self.power.iter().map(|power| f64::from(*power)).sum();
        self.loudest = self.loudest.max(power);
        if power > 0.0 {
            self.quietest = self.quietest.min(power);
        }
        let (centroid, bandwidth) = fast!({
            roots(&self.power, &mut self.magnitude);
            centre_and_width(&self.magnitude)
        });
        self.centroid.push(centroid);
        self.bandwidth.push(bandwidth);
        let mut mel = [0.0; MELS];
        self.mel.apply(&self.power, &mut mel);
        self.mel_max = mel.iter().copied().fold(self.mel_max, f32::max);
        self.mels.push(&mel).map_err(FingerprintError::Io)?;
        each(&mel);
        self.chroma.push(&self.power, &mut |chroma| hash(&mut self.chroma_hash, chroma));
        Ok(())
    }
}

/// Power to dB below `reference`.
#[inline(always)]
fn below(row: &mut [f32], reference: f32) {
    for value in row {
        *value = (decibels(value.max(POWER_MIN)) - reference).max(-RANGE);
    }
}

#[inline(always)]
fn roots(power: &[f32], magnitude: &mut [f32]) {
    magnitude.iter_mut().zip(power).for_each(|(magnitude, power)| *magnitude = power.sqrt());
}

/// Frame after frame, the lowest band or note first, floats with their little end first.
fn hash(digest: &mut Sha256, row: &[f32]) {
    let mut bytes = [0; MELS * 4];
    for (out, value) in bytes.chunks_exact_mut(4).zip(row) {
        out.copy_from_slice(&value.to_le_bytes());
    }
    digest.update(&bytes[..row.len() * 4]);
}

/// Centroid and bandwidth of a magnitude spectrum, Hz; zero for silence.
#[inline(always)]
fn centre_and_width(magnitude: &[f32]) -> (f64, f64) {
    let hz = f64::from(RATE) / FRAME as f64;
    // Positions within a chunk, so that sums stay small: the chunk's own position is added in f64.
    let (mut total, mut first) = (0.0_f64, 0.0_f64);
    for (index, chunk) in magnitude.chunks(LANES * 8).enumerate() {
        let (mut sums, mut firsts) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        by_lane(chunk, |lane, position, value| {
            sums[lane] += value;
            firsts[lane] += value * position;
        });
        let sum: f64 = sums.iter().map(|x| f64::from(*x)).sum();
        total += sum;
        first += firsts.iter().map(|x| f64::from(*x)).sum::<f64>() + sum * (index * LANES * 8) as f64;
    }
    if total < f64::from(f32::MIN_POSITIVE) {
        return (first * hz, 0.0);
    }
    let centre = first / total;
    // Around the centre: the difference of two large sums would lose what a narrow spectrum is about.
    let mut second = 0.0_f64;
    for (index, chunk) in magnitude.chunks(LANES * 8).enumerate() {
        let offset = ((index * LANES * 8) as f64 - centre) as f32;
        let mut sums = [0.0_f32; LANES];
        by_lane(chunk, |lane, position, value| {
            let distance = offset + position;
            sums[lane] += value * distance * distance;
        });
        second += sums.iter().map(|x| f64::from(*x)).sum::<f64>();
    }
    (centre * hz, (second / total).sqrt() * hz)
}

/// Sums that are made side by side.
const LANES: usize = 16;

/// Calls `each` with lane, position and value.
#[inline(always)]
fn by_lane(values: &[f32], mut each: impl FnMut(usize, f32, f32)) {
    let (rows, rest) = values.as_chunks::<LANES>();
    for (row, values) in rows.iter().enumerate() {
        for (lane, value) in values.iter().enumerate() {
            each(lane, (row * LANES + lane) as f32, *value);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        each(lane, (rows.len() * LANES + lane) as f32, *value);
    }
}

/// Mean and standard deviation of a stream (Welford).
#[derive(Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    fn mean_and_deviation(&self) -> (f64, f64) {
        (self.mean, (self.squares / self.count.max(1) as f64).sqrt())
    }
}

#[cfg(test)]
#[path = "../../tests/audio/synth.rs"]
mod synth;

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::{RANGE, RATE, Spectral, decibels, synth};

    /// Mono samples at 22,050 Hz and what librosa measures on them.
    pub(crate) fn golden() -> (Vec<f32>, Value) {
        let golden: Value = serde_json::from_str(include_str!("../../golden/audio.json")).unwrap();
        let plain =
            |case: &&Value| (&case["rate"], &case["channels"], &case["bits"]) == (&RATE.into(), &1.into(), &16.into());
        let case = golden["lossless"].as_array().unwrap().iter().find(plain).unwrap();
        let samples = synth::samples(RATE, 1).iter().map(|x| (x >> 8) as f32 / 32768.0).collect();
        (samples, case["spectral"].clone())
    }

    #[test]
    fn mel_bands_are_librosas() {
        let (mono, wanted) = golden();
        let mut rows = Vec::new();
        let mut spectral = Spectral::new(RATE);
        // Blocks of odd length, as decoders give them.
        for block in mono.chunks(1153) {
            spectral.push(block, &mut |mel| rows.push(*mel)).unwrap();
        }
        spectral.finish(&mut |mel| rows.push(*mel)).unwrap();
        let reference = decibels(rows.iter().flatten().copied().fold(0.0, f32::max));
        for (i, frame) in wanted["mel"].as_array().unwrap().iter().enumerate() {
            for (band, wanted) in frame.as_array().unwrap().iter().enumerate() {
                let ours = (decibels(rows[67 * i][band].max(1e-10)) - reference).max(-RANGE);
                let wanted = wanted.as_f64().unwrap();
                assert!((f64::from(ours) - wanted).abs() < 1e-3, "frame {}, band {band}: {ours} for {wanted}", 67 * i);
            }
        }
    }
}
