//! Decoded pixels in the one layout that everything here works on.

use std::cell::RefCell;

/// 8-bit pixels, row by row without gaps, and their alpha apart.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 (grey) or 3 (RGB). Grey with alpha, bilevel and 16-bit grey have one too: hashes of grey values and of the
    /// same values three times are the same.
    pub(super) channels: usize,
    /// `width * height * channels` values.
    pub(super) colour: Vec<u8>,
    /// `width * height` values where a pixel is transparent; none when all are opaque.
    pub(super) alpha: Option<Vec<u8>>,
}

/// How a decoder lays out a pixel: this many samples, the last one alpha when there are 2 or 4, each of 8 bits or of 16
/// with the high byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) samples: usize,
    pub(super) wide: bool,
}

impl Pixels {
    /// Takes what a decoder left in `bytes`: 16-bit samples are cut to their high byte, alpha is moved away, in place.
    pub(super) fn new(width: usize, height: usize, layout: Layout, mut bytes: Vec<u8>) -> Self {
        let Layout { samples, wide } = layout;
        if wide {
            for at in 0..bytes.len() / 2 {
                bytes[at] = bytes[2 * at];
            }
            bytes.truncate(bytes.len() / 2);
        }
        let (channels, alpha) = match samples {
            2 => (1, Some(split_alpha::<2>(&mut bytes))),
            4 => (3, Some(split_alpha::<4>(&mut bytes))),
            samples => (samples, None),
        };
        let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
        Self { width, height, channels, colour: bytes, alpha }
    }

    pub(super) fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.colour.chunks_exact(self.width * self.channels)
    }

    pub(super) fn row(&self, y: usize) -> &[u8] {
        let stride = self.width * self.channels;
        &self.colour[y * stride..][..stride]
    }

    pub(super) fn alpha_row(&self, y: usize) -> Option<&[u8]> {
        Some(&self.alpha.as_ref()?[y * self.width..][..self.width])
    }

    /// Row `y` laid on white, into `out`; false where nothing is transparent.
    pub(super) fn row_on_white(&self, y: usize, out: &mut Vec<u8>) -> bool {
        let Some(alpha) = self.alpha_row(y) else { return false };
        out.clear();
        out.extend_from_slice(self.row(y));
        on_white(out, alpha, self.channels);
        true
    }

    /// Lays the picture on white and forgets alpha, as Pillow pastes with a mask.
    pub(super) fn fill_white(&mut self) {
        let Some(alpha) = self.alpha.take() else { return };
        on_white(&mut self.colour, &alpha, self.channels);
    }
}

fn on_white(colour: &mut [u8], alpha: &[u8], channels: usize) {
    for (pixel, &alpha) in colour.chunks_exact_mut(channels).zip(alpha) {
        for value in pixel {
            let sum = u32::from(*value) * u32::from(alpha) + 255 * u32::from(255 - alpha) + 128;
            *value = ((sum + (sum >> 8)) >> 8) as u8;
        }
    }
}

/// Moves the last of `N` samples of each pixel into a buffer of its own and closes the gaps.
fn split_alpha<const N: usize>(bytes: &mut Vec<u8>) -> Vec<u8> {
    let pixels = bytes.len() / N;
    let mut alpha = vec![0; pixels];
    for (at, alpha) in alpha.iter_mut().enumerate() {
        for sample in 0..N - 1 {
            bytes[at * (N - 1) + sample] = bytes[at * N + sample];
        }
        *alpha = bytes[at * N + N - 1];
    }
    bytes.truncate(pixels * (N - 1));
    alpha
}

/// Bytes that a thread keeps for its next picture: fresh memory costs the kernel half as much time as decoding.
const KEPT_BYTES_MAX: usize = 64 << 20;

thread_local! {
    static KEPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `length` bytes with any content.
pub(super) fn take_buffer(length: usize) -> Vec<u8> {
    let mut buffer = KEPT.take();
    if buffer.capacity() < length {
        // Zeroed by the kernel, page by page when touched.
        return vec![0; length];
    }
    buffer.resize(length, 0);
    buffer
}

impl Drop for Pixels {
    fn drop(&mut self) {
        if self.colour.capacity() <= KEPT_BYTES_MAX {
            KEPT.replace(std::mem::take(&mut self.colour));
        }
    }
}
