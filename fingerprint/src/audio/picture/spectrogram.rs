//! Mel bands over time, in dB.

use super::canvas::Canvas;
use super::{Buckets, WIDTH, timeline};
use crate::audio::spectral::{MELS, decibels};
use crate::vector::fast;
use crate::{EncodedPicture, FingerprintError};

const HEIGHT: usize = 320;
/// dB from the brightest to black.
const RANGE: f32 = 80.0;
/// Colours of the map; behind them those of the marks.
const SHADES: usize = 252;
const BACKGROUND: u8 = SHADES as u8;
const MARK: u8 = SHADES as u8 + 1;
const TEXT: u8 = SHADES as u8 + 2;
const MARKS: [[u8; 3]; 3] = [[14, 17, 24], [84, 94, 114], [148, 160, 182]];
/// From silence to the loudest: lightness rises evenly, so that the map can be read without colours too.
const ANCHORS: [[f32; 3]; 6] = [
    [6.0, 6.0, 18.0],
    [50.0, 18.0, 92.0],
    [128.0, 30.0, 122.0],
    [208.0, 62.0, 92.0],
    [250.0, 142.0, 64.0],
    [252.0, 248.0, 196.0],
];

/// Sum of the power per band, and of how many frames.
type Column = (Box<[f32; MELS]>, u32);

/// Collects mel bands frame by frame.
pub(in crate::audio) struct Spectrogram {
    buckets: Buckets<Column>,
}

impl Spectrogram {
    pub(in crate::audio) fn new() -> Self {
        Self { buckets: Buckets::new() }
    }

    /// Power per band of one frame.
    pub(in crate::audio) fn push(&mut self, mel: &[f32; MELS]) {
        self.buckets.push((Box::new(*mel), 1), |sum, frame| {
            sum.0.iter_mut().zip(frame.0.iter()).for_each(|(sum, power)| *sum += power);
            sum.1 += frame.1;
        });
    }

    /// # Errors
    /// When the picture can't be encoded.
    pub(in crate::audio) fn finish(self, seconds: f64) -> Result<EncodedPicture, FingerprintError> {
        let mut columns: Vec<Box<[f32; MELS]>> = Vec::new();
        for (mut power, frames) in self.buckets.finish() {
            fast!(mean_decibels(&mut power, frames));
            columns.push(power);
        }
        let peak = columns.iter().flat_map(|column| column.iter()).copied().fold(-100.0 + RANGE, f32::max);
        let floor = HEIGHT - timeline::HEIGHT;
        // Each row lies between the middles of two bands.
        let rows: Vec<(usize, usize, f32)> = (0..floor)
            .map(|y| {
                let band = ((floor - y) as f32 - 0.5) * MELS as f32 / floor as f32 - 0.5;
                let below = (band.max(0.0) as usize).min(MELS - 1);
                (below, (below + 1).min(MELS - 1), (band - below as f32).clamp(0.0, 1.0))
            })
            .collect();
        let mut canvas = Canvas::new(WIDTH, HEIGHT, BACKGROUND);
        for x in 0..WIDTH {
            let (first, end) = (x * columns.len() / WIDTH, ((x + 1) * columns.len()).div_ceil(WIDTH));
            let Some(joined @ [one, ..]) = columns.get(first..end) else { continue };
            for (y, &(below, above, part)) in rows.iter().enumerate() {
                let at = |column: &[f32; MELS]| column[below] + (column[above] - column[below]) * part;
                let loudest = joined.iter().map(|column| at(column)).fold(at(one), f32::max);
                let shade = (1.0 + (loudest - peak) / RANGE).clamp(0.0, 1.0) * (SHADES - 1) as f32;
                canvas.set(x, y, shade as u8);
            }
        }
        timeline::draw(&mut canvas, seconds, MARK, TEXT, |_, _| ());
        canvas.encode("spectrogram", &palette())
    }
}

#[inline(always)]
fn mean_decibels(power: &mut [f32; MELS], frames: u32) {
    power.iter_mut().for_each(|value| *value = decibels((*value / frames as f32).max(1e-10)));
}

fn palette() -> Vec<[u8; 3]> {
    let shade = |i: usize| {
        let place = i as f32 / (SHADES - 1) as f32 * (ANCHORS.len() - 1) as f32;
        let below = (place as usize).min(ANCHORS.len() - 2);
        let part = place - below as f32;
        let mix = |channel: usize| {
            let (a, b) = (ANCHORS[below][channel], ANCHORS[below + 1][channel]);
            (a + (b - a) * part).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    };
    (0..SHADES).map(shade).chain(MARKS).collect()
}
