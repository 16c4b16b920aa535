//! Many channels to one, as FFmpeg mixes 16-bit samples down to mono.

use crate::audio::decode::Layout;

/// Speakers, as the bits of a WAVE channel mask.
const FRONT_LEFT: u64 = 1;
const FRONT_RIGHT: u64 = 1 << 1;
const FRONT_CENTRE: u64 = 1 << 2;
const BACK_LEFT: u64 = 1 << 4;
const BACK_RIGHT: u64 = 1 << 5;
const FRONT_LEFT_OF_CENTRE: u64 = 1 << 6;
const FRONT_RIGHT_OF_CENTRE: u64 = 1 << 7;
const BACK_CENTRE: u64 = 1 << 8;
const SIDE_LEFT: u64 = 1 << 9;
const SIDE_RIGHT: u64 = 1 << 10;

/// Fractional bits of a weight.
const SHIFT: u32 = 15;

/// A weight for each channel.
#[derive(Debug)]
pub(super) struct Downmix {
    weights: Vec<i32>,
}

impl Downmix {
    pub(super) fn new(layout: &Layout) -> Self {
        let channels = layout.channels();
        let mut weights = match layout.mask() {
            Some(mask) => speakers(mask).map(|speaker| weight(speaker, mask)).collect(),
            // Without a layout the reference gives up; here all count the same.
            None => vec![1.0; channels],
        };
        let sum: f64 = weights.iter().sum();
        if sum <= 0.0 {
            weights = vec![1.0; channels];
        }
        let sum: f64 = weights.iter().sum::<f64>().max(1.0);
        let weights = weights.iter().map(|weight| ((weight / sum) as f32 * 32768.0).round_ties_even() as i32).collect();
        Self { weights }
    }

    /// Fills `mono`; the planes are equally long.
    pub(super) fn mix(&self, planes: &[Vec<i16>], mono: &mut Vec<i16>) {
        mono.clear();
        match planes {
            [] => {}
            [only] => mono.extend_from_slice(only),
            [left, right] if self.weights == [16384, 16384] => {
                let half = |(l, r): (&i16, &i16)| ((i32::from(*l) + i32::from(*r) + 1) >> 1) as i16;
                mono.extend(left.iter().zip(right).map(half));
            }
            [first, ..] => mono.extend((0..first.len()).map(|i| {
                let sum: i64 = planes
                    .iter()
                    .zip(&self.weights)
                    .map(|(plane, weight)| i64::from(plane[i]) * i64::from(*weight))
                    .sum();
                ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(-32768, 32767) as i16
            })),
        }
    }
}

/// The bits of a mask, lowest first: the order of the channels.
fn speakers(mask: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|bit| 1_u64 << bit).filter(move |speaker| mask & speaker != 0)
}

/// What a speaker gives to the centre, before all weights are scaled to a sum of one.
fn weight(speaker: u64, mask: u64) -> f64 {
    use std::f64::consts::FRAC_1_SQRT_2;
    match speaker {
        FRONT_LEFT | FRONT_RIGHT | FRONT_LEFT_OF_CENTRE | FRONT_RIGHT_OF_CENTRE => FRAC_1_SQRT_2,
        FRONT_CENTRE if mask & (FRONT_LEFT | FRONT_RIGHT) != 0 => FRAC_1_SQRT_2 * 2_f64.sqrt(),
        FRONT_CENTRE => 1.0,
        BACK_LEFT | BACK_RIGHT | BACK_CENTRE | SIDE_LEFT | SIDE_RIGHT => 0.5,
        _ => 0.0,
    }
}
