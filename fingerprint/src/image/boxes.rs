//! Sliding means of [`super::pdq`], whose sums run in the reference's order so that `f32` rounds as there.

use crate::vector::fast;

/// Rows filtered at once: each is one long chain of additions, several of them fill a vector.
pub(super) const LANES: usize = 8;

/// From rows to one array per column.
#[inline(always)]
pub(super) fn interleave(rows: &[f32], width: usize, out: &mut [[f32; LANES]]) {
    let mut starts = rows.chunks_exact(width);
    let rows: [&[f32]; LANES] = std::array::from_fn(|_| starts.next().unwrap_or_default());
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let done = blocks.len() * LANES;
    for (at, block) in blocks.iter_mut().enumerate() {
        let square: [[f32; LANES]; LANES] =
            std::array::from_fn(|lane| rows[lane][at * LANES..].first_chunk().copied().unwrap_or_default());
        *block = transpose(&square);
    }
    for (x, lanes) in rest.iter_mut().enumerate() {
        *lanes = std::array::from_fn(|lane| rows[lane][done + x]);
    }
}

/// Back to rows.
#[inline(always)]
pub(super) fn separate(interleaved: &[[f32; LANES]], rows: &mut [f32]) {
    let width = interleaved.len();
    let (blocks, rest) = interleaved.as_chunks::<LANES>();
    let done = blocks.len() * LANES;
    for (at, block) in blocks.iter().enumerate() {
        for (row, values) in rows.chunks_exact_mut(width).zip(transpose(block)) {
            row[at * LANES..][..LANES].copy_from_slice(&values);
        }
    }
    for (lane, row) in rows.chunks_exact_mut(width).enumerate() {
        for (value, lanes) in row[done..].iter_mut().zip(rest) {
            *value = lanes[lane];
        }
    }
}

#[inline(always)]
fn transpose(square: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
    let mut out = [[0.0; LANES]; LANES];
    for (i, row) in square.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            out[j][i] = value;
        }
    }
    out
}

/// Mean over a sliding window along `input`, for `N` independent sequences; the window is cut at both ends.
#[inline(always)]
pub(super) fn box_filter<const N: usize>(input: &[[f32; N]], out: &mut [[f32; N]], window: usize) {
    box_sums::<N, true>(input, out, window);
}

/// Values that the window around `at` covers.
pub(super) fn within_window(at: usize, length: usize, window: usize) -> f32 {
    let end = at + window / 2 + 1;
    (end.min(length) - end.saturating_sub(window)) as f32
}

/// Sums over a sliding window, `DIVIDED` by the number of values in it.
#[inline(always)]
pub(super) fn box_sums<const N: usize, const DIVIDED: bool>(input: &[[f32; N]], out: &mut [[f32; N]], window: usize) {
    let ahead = window / 2;
    let mut sums = [0.0_f32; N];
    for row in &input[..ahead] {
        add(&mut sums, row);
    }
    let growing = window - ahead;
    let mut count = ahead as f32;
    let (start, out) = out.split_at_mut(growing);
    for (row, out) in input[ahead..window].iter().zip(start) {
        add(&mut sums, row);
        count += 1.0;
        *out = sums;
        if DIVIDED {
            divide(out, count);
        }
    }
    let sliding = input.len() - window;
    let (middle, end) = out.split_at_mut(sliding);
    for ((row, gone), out) in input[window..].iter().zip(input).zip(middle) {
        add(&mut sums, row);
        subtract(&mut sums, gone);
        *out = sums;
        if DIVIDED {
            divide(out, count);
        }
    }
    for (gone, out) in input[sliding..].iter().zip(end) {
        subtract(&mut sums, gone);
        count -= 1.0;
        *out = sums;
        if DIVIDED {
            divide(out, count);
        }
    }
}

#[inline(always)]
fn add<const N: usize>(sums: &mut [f32; N], row: &[f32; N]) {
    for lane in 0..N {
        sums[lane] += row[lane];
    }
}

#[inline(always)]
fn subtract<const N: usize>(sums: &mut [f32; N], row: &[f32; N]) {
    for lane in 0..N {
        sums[lane] -= row[lane];
    }
}

#[inline(always)]
fn divide<const N: usize>(sums: &mut [f32; N], count: f32) {
    for sum in sums {
        *sum /= count;
    }
}

/// The vertical box filter of the first pass: as [`box_filter`], one row at a time.
pub(super) struct ColumnFilter {
    width: usize,
    window: usize,
    sums: Vec<f32>,
    count: f32,
    /// The last `window` rows, row `y` at `y % window`.
    ring: Vec<f32>,
    taken: usize,
    /// Rows that still leave the window behind the last one.
    draining: usize,
}

impl ColumnFilter {
    pub(super) fn new(width: usize, window: usize) -> Self {
        Self {
            width,
            window,
            sums: vec![0.0; width],
            count: 0.0,
            ring: vec![0.0; window * width],
            taken: 0,
            draining: window / 2,
        }
    }

    /// Takes a row; true when `out` has one.
    pub(super) fn push(&mut self, row: &[f32], out: &mut [f32]) -> bool {
        let oldest = &mut self.ring[self.taken % self.window * self.width..][..self.width];
        let has_out = self.taken >= self.window / 2;
        if self.taken < self.window {
            self.count += 1.0;
            for ((sum, &value), old) in self.sums.iter_mut().zip(row).zip(oldest) {
                *sum += value;
                *old = value;
            }
            if has_out {
                self.divide(out);
            }
        } else {
            fast!(slide(&mut self.sums, row, oldest, self.count, out));
        }
        self.taken += 1;
        has_out
    }

    /// After the last row: true while `out` has another one.
    pub(super) fn drain(&mut self, out: &mut [f32]) -> bool {
        if self.draining == 0 {
            return false;
        }
        self.draining -= 1;
        self.count -= 1.0;
        // The rows taken number at least one window, so the oldest row lies where the next would go.
        let oldest = &self.ring[self.taken % self.window * self.width..][..self.width];
        for (sum, &old) in self.sums.iter_mut().zip(oldest) {
            *sum -= old;
        }
        self.taken += 1;
        self.divide(out);
        true
    }

    fn divide(&self, out: &mut [f32]) {
        for (out, &sum) in out.iter_mut().zip(&self.sums) {
            *out = sum / self.count;
        }
    }
}

#[inline(always)]
fn slide(sums: &mut [f32], row: &[f32], oldest: &mut [f32], count: f32, out: &mut [f32]) {
    for (((sum, &value), old), out) in sums.iter_mut().zip(row).zip(oldest).zip(out) {
        *sum += value;
        *sum -= *old;
        *old = value;
        *out = *sum / count;
    }
}
