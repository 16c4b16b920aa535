//! Peaks and loudness over time.

use super::canvas::Canvas;
use super::{Buckets, WIDTH, timeline};
use crate::vector::fast;
use crate::{EncodedPicture, FingerprintError};

const HEIGHT: usize = 240;
/// Samples of the smallest bucket.
const SAMPLES: usize = 32;

const BACKGROUND: u8 = 0;
const GRID: u8 = 1;
const MARK: u8 = 2;
const TEXT: u8 = 3;
const PEAK: u8 = 4;
const LOUDNESS: u8 = 5;
const PALETTE: [[u8; 3]; 6] =
    [[14, 17, 24], [30, 36, 48], [84, 94, 114], [148, 160, 182], [38, 110, 168], [128, 204, 248]];

/// What is drawn of a span of time.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: f32,
    high: f32,
    squares: f64,
    samples: u32,
}

/// Collects mono samples.
pub(in crate::audio) struct Waveform {
    buckets: Buckets<Span>,
    pending: Vec<f32>,
}

impl Waveform {
    pub(in crate::audio) fn new() -> Self {
        Self { buckets: Buckets::new(), pending: Vec::new() }
    }

    /// 1 is full scale.
    pub(in crate::audio) fn push(&mut self, mono: &[f32]) {
        let mut rest = mono;
        if !self.pending.is_empty() {
            let (start, after) = rest.split_at((SAMPLES - self.pending.len()).min(rest.len()));
            self.pending.extend_from_slice(start);
            rest = after;
            if self.pending.len() < SAMPLES {
                return;
            }
            let pending = std::mem::take(&mut self.pending);
            self.add(&pending);
        }
        let chunks = rest.chunks_exact(SAMPLES);
        self.pending.extend_from_slice(chunks.remainder());
        chunks.for_each(|chunk| self.add(chunk));
    }

    fn add(&mut self, samples: &[f32]) {
        let span = fast!(span(samples));
        self.buckets.push(span, |sum, span| {
            sum.low = sum.low.min(span.low);
            sum.high = sum.high.max(span.high);
            sum.squares += span.squares;
            sum.samples = sum.samples.saturating_add(span.samples);
        });
    }

    /// # Errors
    /// When the picture can't be encoded.
    pub(in crate::audio) fn finish(mut self, seconds: f64) -> Result<EncodedPicture, FingerprintError> {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.add(&pending);
        }
        let spans = self.buckets.finish();
        let mut canvas = Canvas::new(WIDTH, HEIGHT, BACKGROUND);
        let floor = HEIGHT - timeline::HEIGHT;
        timeline::draw(&mut canvas, seconds, MARK, TEXT, |canvas, x| canvas.column(x, 0, floor, GRID));
        let middle = floor as f32 / 2.0;
        // The loudest peak fills the height; sounds below an eighth of full scale stay small.
        let peak = spans.iter().map(|span| span.high.max(-span.low)).fold(0.0, f32::max);
        let scale = (middle - 4.0) / peak.clamp(0.125, 1e6);
        for x in 0..WIDTH {
            let (first, end) = (x * spans.len() / WIDTH, ((x + 1) * spans.len()).div_ceil(WIDTH));
            let Some(column) = spans.get(first..end) else { continue };
            let low = column.iter().map(|span| span.low).fold(0.0, f32::min);
            let high = column.iter().map(|span| span.high).fold(0.0, f32::max);
            let samples: f64 = column.iter().map(|span| f64::from(span.samples)).sum();
            let squares: f64 = column.iter().map(|span| span.squares).sum();
            let loudness = (squares / samples.max(1.0)).sqrt() as f32;
            let y = |value: f32| (middle - value * scale).clamp(0.0, floor as f32 - 1.0) as usize;
            canvas.column(x, y(high), y(low) + 1, PEAK);
            canvas.column(x, y(loudness.min(high)), y((-loudness).max(low)) + 1, LOUDNESS);
        }
        canvas.encode("waveform", &PALETTE)
    }
}

#[inline(always)]
fn span(samples: &[f32]) -> Span {
    let (mut low, mut high, mut squares) = ([0.0_f32; 8], [0.0_f32; 8], [0.0_f32; 8]);
    let mut take = |lane: usize, x: f32| {
        low[lane] = if x < low[lane] { x } else { low[lane] };
        high[lane] = if x > high[lane] { x } else { high[lane] };
        squares[lane] += x * x;
    };
    let (rows, rest) = samples.as_chunks::<8>();
    for row in rows {
        row.iter().enumerate().for_each(|(lane, x)| take(lane, *x));
    }
    rest.iter().enumerate().for_each(|(lane, x)| take(lane, *x));
    Span {
        low: low.into_iter().fold(0.0, f32::min),
        high: high.into_iter().fold(0.0, f32::max),
        squares: squares.iter().map(|x| f64::from(*x)).sum(),
        samples: samples.len() as u32,
    }
}
