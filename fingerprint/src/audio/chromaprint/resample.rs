//! The way to 11,025 Hz that fpcalc takes before it fingerprints, sample for sample.
//!
//! fpcalc leaves this to FFmpeg's libswresample with 16-bit samples, a Kaiser window (beta 9), 16
//! taps at the lower rate, 256 phases with linear interpolation, and a cutoff of 0.8. The result is
//! rounded to integers in several places, so that every parameter below shows in the fingerprint.
//! Written from those published parameters; measured against `aresample` of FFmpeg 5.1.

use std::collections::VecDeque;

use crate::audio::resample::bessel_i0;

/// Taps at the lower of the two rates.
const TAPS: f64 = 16.0;
/// Phases, unless the ratio needs fewer to be exact.
const PHASES: u64 = 256;
/// Cutoff, as a part of the lower Nyquist frequency.
const CUTOFF: f64 = 0.8;
/// Shape of the Kaiser window.
const KAISER_BETA: f64 = 9.0;
/// Fractional bits of a tap.
const SHIFT: u32 = 15;
/// The reference keeps taps in rows of a multiple of this, zeros behind: it shows in the row behind the last phase.
const ROW: usize = 8;
/// Ours are a multiple of this: products that one instruction makes.
const STEP: usize = 16;

/// Polyphase filters for one ratio of rates, shared by all channels.
#[derive(Debug)]
pub(super) struct Bank {
    /// `phases + 1` rows of `row` taps.
    taps: Vec<i16>,
    row: usize,
    /// Taps in use, even.
    length: usize,
    phases: u64,
    /// One output sample is so many samples, phases and parts (`rest / unit`) of a phase further on.
    samples: usize,
    part: u64,
    rest: u64,
    unit: u64,
}

impl Bank {
    /// From `from` to `to`, both in Hz and not zero.
    pub(super) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (u64::from(from.max(1)), u64::from(to.max(1)));
        let factor = (to as f64 * CUTOFF / from as f64).min(1.0);
        let length = ((TAPS / factor).ceil() as usize).max(1).next_multiple_of(2);
        let exact = to / gcd(to, from);
        let phases = if exact <= PHASES { exact } else { PHASES };
        let common = gcd(to, from * phases);
        let (step, unit) = (from * phases / common, to / common);
        let whole = step / unit;
        let row = length.next_multiple_of(STEP);
        let theirs = length.next_multiple_of(ROW);
        let mut rows = vec![0; row * (phases as usize + 1)];
        let filled = taps(factor, length, theirs, phases as usize);
        for (row, taps) in rows.chunks_exact_mut(row).zip(filled.chunks_exact(theirs)) {
            row[..length].copy_from_slice(&taps[..length]);
        }
        Self {
            taps: rows,
            row,
            length,
            phases,
            samples: (whole / phases) as usize,
            part: whole % phases,
            rest: step % unit,
            unit,
        }
    }
}

/// `phases + 1` rows; the last is the first, one tap later, for the interpolation behind the last phase.
fn taps(factor: f64, length: usize, row: usize, phases: usize) -> Vec<i16> {
    let centre = (length as i64 - 1) / 2;
    let mut bank = vec![0_i16; row * (phases + 1)];
    let mut norm = 0.0;
    // Half of the phases mirror the other half, when they are even in number.
    let computed = if phases % 2 == 1 { phases } else { phases / 2 + 1 };
    for phase in 0..computed {
        let values: Vec<f64> = (0..length)
            .map(|i| {
                let at = (i as i64 - centre) as f64 - phase as f64 / phases as f64;
                let x = std::f64::consts::PI * at * factor;
                let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
                let w = 2.0 * at / length as f64;
                sinc * bessel_i0(KAISER_BETA * (1.0 - w * w).max(0.0).sqrt())
            })
            .collect();
        if phase == 0 {
            norm = values.iter().sum();
        }
        for (i, value) in values.iter().enumerate() {
            let tap = (value * f64::from(1 << SHIFT) / norm) as f32;
            let tap = tap.round_ties_even().clamp(-32768.0, 32767.0) as i16;
            bank[phase * row + i] = tap;
            if phases.is_multiple_of(2) {
                bank[(phases - phase) * row + length - 1 - i] = tap;
            }
        }
    }
    let (first, last) = bank.split_at_mut(phases * row);
    last[1..].copy_from_slice(&first[..row - 1]);
    last[0] = first[row - 1];
    bank
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One channel on its way.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Input that is still needed; mirrored at its head before the first output.
    buffer: Vec<i16>,
    place: Place,
    started: bool,
}

/// Of the next output: where in the buffer it starts, and how far behind that.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: usize,
    phase: u64,
    fraction: u64,
}

impl Resampler {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), place: Place::default(), started: false }
    }

    /// Takes `input`, appends what is ready to `output`.
    pub(super) fn push(&mut self, bank: &Bank, input: &[i16], output: &mut Vec<i16>) {
        self.buffer.extend_from_slice(input);
        if !self.started {
            if self.buffer.len() <= bank.length {
                return;
            }
            // The sound before the first sample is its mirror image.
            let before = (bank.length - 1) / 2;
            let head: VecDeque<i16> = self.buffer[1..=before].iter().rev().copied().collect();
            self.buffer.splice(0..0, head);
            self.started = true;
        }
        self.run(bank, output);
        // Moved rarely: the buffer is a few blocks long at most.
        if self.place.at > 1 << 14 || self.place.at * 2 > self.buffer.len() {
            let used = self.place.at.min(self.buffer.len());
            self.buffer.drain(..used);
            self.place.at -= used;
        }
    }

    /// Ends the channel: half a filter of the end, mirrored, is behind it.
    pub(super) fn finish(&mut self, bank: &Bank, output: &mut Vec<i16>) {
        if !self.started {
            return;
        }
        let left = self.buffer.len().saturating_sub(self.place.at);
        let mirrored = left.min(bank.length).div_ceil(2);
        let tail: Vec<i16> = self.buffer.iter().rev().take(mirrored).copied().collect();
        self.buffer.extend_from_slice(&tail);
        self.run(bank, output);
    }

    fn run(&mut self, bank: &Bank, output: &mut Vec<i16>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || match bank.row / STEP {
                    // From 44,100 and from 48,000 Hz: with a known length the sum is no loop.
                    5 => self.run_with(bank, output, simd, 5 * STEP),
                    6 => self.run_with(bank, output, simd, 6 * STEP),
                    _ => self.run_with(bank, output, simd, bank.row),
                },
            );
        }
        self.run_with(bank, output, Plain, bank.row);
    }

    #[inline(always)]
    fn run_with(&mut self, bank: &Bank, output: &mut Vec<i16>, products: impl Products, row: usize) {
        let mut place = self.place;
        while let Some(samples) = self.buffer.get(place.at..place.at + row) {
            let sum = |phase: u64| {
                let start = phase as usize * row;
                products.sum(samples, &bank.taps[start..start + row])
            };
            output.push(place.value(bank, sum));
            place.advance(bank);
        }
        // A row may be a little longer than the filter; there its taps are zero.
        while let Some(samples) = self.buffer.get(place.at..place.at + bank.length) {
            let sum = |phase: u64| {
                let start = phase as usize * row;
                Plain.sum(samples, &bank.taps[start..start + bank.length])
            };
            output.push(place.value(bank, sum));
            place.advance(bank);
        }
        self.place = place;
    }
}

impl Place {
    /// The sample here, of the sum for a phase.
    #[inline(always)]
    fn value(&self, bank: &Bank, sum: impl Fn(u64) -> i32) -> i16 {
        let first = sum(self.phase);
        let value = if self.fraction == 0 {
            first
        } else {
            let second = sum(self.phase + 1);
            let between = i64::from(second.wrapping_sub(first)) * self.fraction as i64 / bank.unit as i64;
            first.wrapping_add(between as i32)
        };
        (value >> SHIFT).clamp(-32768, 32767) as i16
    }

    #[inline(always)]
    fn advance(&mut self, bank: &Bank) {
        self.at += bank.samples;
        self.phase += bank.part;
        self.fraction += bank.rest;
        if self.fraction >= bank.unit {
            self.fraction -= bank.unit;
            self.phase += 1;
        }
        if self.phase >= bank.phases {
            self.phase -= bank.phases;
            self.at += 1;
        }
    }
}

/// Sums of products, in 32 bits that wrap as the reference's do: their order does not matter.
trait Products: Copy {
    /// With half a unit for rounding; of two slices of the same length, a multiple of [`STEP`] but for [`Plain`].
    fn sum(self, samples: &[i16], taps: &[i16]) -> i32;
}

/// Start of every sum.
const HALF: i32 = 1 << (SHIFT - 1);

/// For every machine. Pairs of products first: most have an instruction for that, which the compiler does not find in a
/// plain sum.
#[derive(Clone, Copy)]
struct Plain;

impl Products for Plain {
    #[inline(always)]
    fn sum(self, samples: &[i16], taps: &[i16]) -> i32 {
        let product = |a: i16, b: i16| i32::from(a) * i32::from(b);
        let mut lanes = [0_i32; 4];
        let (eights, rest) = samples.as_chunks::<8>();
        let (tap_eights, tap_rest) = taps.as_chunks::<8>();
        for (x, t) in eights.iter().zip(tap_eights) {
            for (i, lane) in lanes.iter_mut().enumerate() {
                let pair = product(x[2 * i], t[2 * i]).wrapping_add(product(x[2 * i + 1], t[2 * i + 1]));
                *lane = lane.wrapping_add(pair);
            }
        }
        let sum = lanes.into_iter().fold(HALF, i32::wrapping_add);
        rest.iter().zip(tap_rest).fold(sum, |sum, (x, t)| sum.wrapping_add(product(*x, *t)))
    }
}

/// Sixteen products at once, added in pairs.
#[cfg(target_arch = "x86_64")]
impl Products for pulp::x86::V3 {
    #[inline(always)]
    fn sum(self, samples: &[i16], taps: &[i16]) -> i32 {
        let mut sums = self.splat_i32x8(0);
        for (&x, &t) in samples.as_chunks::<STEP>().0.iter().zip(taps.as_chunks::<STEP>().0) {
            let pairs = self.multiply_wrapping_add_adjacent_i16x16(pulp::cast(x), pulp::cast(t));
            sums = self.wrapping_add_i32x8(sums, pairs);
        }
        let eight: [i32; 8] = pulp::cast(sums);
        eight.into_iter().fold(HALF, i32::wrapping_add)
    }
}
