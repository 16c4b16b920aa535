//! The mel filter bank, as `librosa.filters.mel` makes it with its defaults (Slaney's scale and norm).

use super::{BINS, FRAME, RATE};

/// Bands.
pub(in crate::audio) const MELS: usize = 128;
/// Hz of the upper end of the highest band.
const TOP: f64 = 8000.0;

/// For each band its first bin and its weights from there on.
pub(super) struct Bank {
    bands: Vec<(usize, Vec<f32>)>,
}

impl Bank {
    pub(super) fn new() -> Self {
        let edges: Vec<f64> =
            (0..MELS + 2).map(|i| mel_to_hz(hz_to_mel(TOP) * i as f64 / (MELS as f64 + 1.0))).collect();
        let bands = edges
            .windows(3)
            .map(|edge| {
                let norm = 2.0 / (edge[2] - edge[0]);
                let weights: Vec<f32> = (0..BINS)
                    .map(|bin| {
                        let hz = bin as f64 * f64::from(RATE) / FRAME as f64;
                        let rise = (hz - edge[0]) / (edge[1] - edge[0]);
                        let fall = (edge[2] - hz) / (edge[2] - edge[1]);
                        (rise.min(fall).max(0.0) * norm) as f32
                    })
                    .collect();
                let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
                let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(0, |last| last + 1);
                (first, weights[first..end.max(first)].to_vec())
            })
            .collect();
        Self { bands }
    }

    /// Power per band, of the power per bin.
    pub(super) fn apply(&self, power: &[f32], mel: &mut [f32; MELS]) {
        for (out, (first, weights)) in mel.iter_mut().zip(&self.bands) {
            *out = weights.iter().zip(&power[*first..]).map(|(weight, power)| weight * power).sum();
        }
    }
}

/// Linear below 1000 Hz, logarithmic above.
const LINEAR: f64 = 200.0 / 3.0;
const KNEE_HZ: f64 = 1000.0;
const KNEE: f64 = KNEE_HZ / LINEAR;

/// Natural logarithm of the ratio of two neighbours above the knee.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < KNEE_HZ { hz / LINEAR } else { KNEE + (hz / KNEE_HZ).ln() / log_step() }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < KNEE { mel * LINEAR } else { KNEE_HZ * ((mel - KNEE) * log_step()).exp() }
}
