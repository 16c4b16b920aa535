//! Chromaprint, algorithm 2, of sound of any length.
//!
//! Lalinsky's fingerprint of 2011 (<https://acoustid.org/chromaprint>, after Ke, Hoiem and
//! Sukthankar, "Computer Vision for Music Identification", 2005): 11,025 Hz mono, frames of 4096 samples every
//! 1365, energies of 12 notes between 28 and 3520 Hz, smoothed over five frames, normalised, and
//! looked at by 16 trained filters of up to 16 frames. One item of 32 bits per frame.

mod classify;
mod compress;
mod decompress;
mod downmix;
mod resample;

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::Chromaprint;

use self::classify::{Image, NOTES};
pub use self::decompress::decompress;
use self::downmix::Downmix;
use self::resample::{Bank, Resampler};
use super::decode::Layout;
use super::transform::Transform;

/// Hz.
const RATE: u32 = 11_025;
/// Samples of a frame, and from one frame to the next.
const FRAME: usize = 4096;
const HOP: usize = FRAME / 3;
/// Hz of the lowest and the highest energy that counts.
const LOWEST: f64 = 28.0;
const HIGHEST: f64 = 3520.0;
/// Weights of five frames; the newest last.
const SMOOTHING: [f64; 5] = [0.25, 0.75, 1.0, 0.75, 0.25];
/// A quieter chroma vector is silence.
const QUIET: f64 = 0.01;

/// From planes of 16-bit samples at any rate to a fingerprint.
pub(super) struct Fingerprinter {
    bank: Option<Bank>,
    channels: Vec<Resampler>,
    downmix: Downmix,
    resampled: Vec<Vec<i16>>,
    mono: Vec<i16>,
    frames: Frames,
}

impl Fingerprinter {
    pub(super) fn new(rate: u32, layout: &Layout) -> Self {
        let channels = layout.channels();
        Self {
            bank: (rate != RATE).then(|| Bank::new(rate, RATE)),
            channels: (0..channels).map(|_| Resampler::new()).collect(),
            downmix: Downmix::new(layout),
            resampled: vec![Vec::new(); channels],
            mono: Vec::new(),
            frames: Frames::new(),
        }
    }

    /// `planes`: one per channel, equally long.
    pub(super) fn push(&mut self, planes: &[Vec<i16>]) {
        if let Some(bank) = &self.bank {
            // The channels are mixed after resampling, as the reference does.
            for ((channel, plane), out) in self.channels.iter_mut().zip(planes).zip(&mut self.resampled) {
                out.clear();
                channel.push(bank, plane, out);
            }
            self.downmix.mix(&self.resampled, &mut self.mono);
        } else {
            self.downmix.mix(planes, &mut self.mono);
        }
        self.frames.push(&self.mono);
    }

    pub(super) fn finish(mut self) -> Chromaprint {
        if let Some(bank) = &self.bank {
            for (channel, out) in self.channels.iter_mut().zip(&mut self.resampled) {
                out.clear();
                channel.finish(bank, out);
            }
            self.downmix.mix(&self.resampled, &mut self.mono);
            self.frames.push(&self.mono);
        }
        let raw = self.frames.items;
        Chromaprint { fingerprint: compress::compress(&raw), raw: Some(raw), rest: Object::new() }
    }
}

/// From mono at 11,025 Hz to items.
struct Frames {
    transform: Transform,
    window: Vec<f32>,
    power: Vec<f32>,
    /// First bin that counts; from there on, how many bins in a row are of which note.
    first_bin: usize,
    notes: Vec<(usize, usize)>,
    pending: Vec<i16>,
    /// The last five chroma vectors, a ring.
    chroma: [[f64; NOTES]; SMOOTHING.len()],
    seen: usize,
    image: Image,
    items: Vec<u32>,
}

impl Frames {
    fn new() -> Self {
        // A symmetric Hamming window that also scales samples to +-1.
        let window = (0..FRAME)
            .map(|i| {
                let phase = 2.0 * std::f64::consts::PI * i as f64 / (FRAME as f64 - 1.0);
                ((0.54 - 0.46 * phase.cos()) / f64::from(i16::MAX)) as f32
            })
            .collect();
        let bin = |hz: f64| (FRAME as f64 * hz / f64::from(RATE)).round() as usize;
        let first_bin = bin(LOWEST).max(1);
        let notes: Vec<usize> = (first_bin..bin(HIGHEST).min(FRAME / 2))
            .map(|i| {
                let hz = i as f64 * f64::from(RATE) / FRAME as f64;
                let octave = (hz / (440.0 / 16.0)).log2();
                (NOTES as f64 * (octave - octave.floor())) as usize
            })
            .collect();
        let notes = notes.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0])).collect();
        Self {
            window,
            transform: Transform::new(FRAME),
            power: vec![0.0; FRAME / 2 + 1],
            first_bin,
            notes,
            pending: Vec::new(),
            chroma: [[0.0; NOTES]; SMOOTHING.len()],
            seen: 0,
            image: Image::new(),
            items: Vec::new(),
        }
    }

    fn push(&mut self, samples: &[i16]) {
        self.pending.extend_from_slice(samples);
        let mut start = 0;
        while start + FRAME <= self.pending.len() {
            self.frame(start);
            start += HOP;
        }
        self.pending.drain(..start);
    }

    fn frame(&mut self, start: usize) {
        self.transform.run(&self.pending[start..start + FRAME], &self.window, &mut self.power);
        let mut chroma = [0.0; NOTES];
        let mut rest = &self.power[self.first_bin..];
        for (bins, note) in &self.notes {
            let (same, after) = rest.split_at(*bins);
            // From the lowest bin to the highest: the order shows in the last bits.
            chroma[*note] = same.iter().fold(chroma[*note], |sum, power| sum + f64::from(*power));
            rest = after;
        }
        self.chroma[self.seen % SMOOTHING.len()] = chroma;
        self.seen += 1;
        if self.seen < SMOOTHING.len() {
            return;
        }
        let mut smooth = [0.0; NOTES];
        for (age, weight) in SMOOTHING.iter().enumerate() {
            let row = &self.chroma[(self.seen + age) % SMOOTHING.len()];
            for (sum, value) in smooth.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
        let norm = smooth.iter().map(|x| x * x).sum::<f64>().sqrt();
        for value in &mut smooth {
            *value = if norm < QUIET { 0.0 } else { *value / norm };
        }
        self.items.extend(self.image.push(&smooth));
    }
}
