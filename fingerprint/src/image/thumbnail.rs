//! The small picture that people see in lists.

use super::encode::{encode_jpeg, encode_png};
use super::orientation::Orientation;
use super::pixels::Pixels;
use super::resample::{Filter, Raster, resize};
use crate::vector::fast;
use crate::{EncodedPicture, FingerprintError};

/// Both sides of a thumbnail are at most this long.
const SIDE_PX_MAX: usize = 512;
const JPEG_QUALITY: u8 = 80;
/// Rows summed up into one at most, so that 16 bits hold the sum; of larger groups the rest is left out.
const ROWS_SUMMED_MAX: usize = 257;

/// Shrinks a picture by whole factors while its rows pass by: means of blocks, to somewhat more than the thumbnail.
pub(super) struct Shrinker {
    target: (usize, usize),
    /// Rows and columns of a block.
    factor: (usize, usize),
    width: usize,
    channels: usize,
    sums: Vec<u16>,
    rows_summed: usize,
    rows_seen: usize,
    values: Vec<u8>,
    /// Colours times alpha, alpha behind them.
    blended: Vec<u8>,
}

impl Shrinker {
    pub(super) fn new(pixels: &Pixels) -> Self {
        let (width, height) = (pixels.width, pixels.height);
        let longest = width.max(height);
        let fit = |side: usize| {
            if longest <= SIDE_PX_MAX { side } else { (side * SIDE_PX_MAX).div_ceil(longest).clamp(1, SIDE_PX_MAX) }
        };
        let target = (fit(width), fit(height));
        // What is left is at least 4/3 of the thumbnail: the filter behind takes care of the edges.
        let factor = |side: usize, target: usize| (side * 3 / (target * 4)).max(1);
        let channels = if pixels.alpha.is_some() { 4 } else { pixels.channels };
        Self {
            target,
            factor: (factor(width, target.0), factor(height, target.1)),
            width,
            channels,
            sums: vec![0; width * channels],
            rows_summed: 0,
            rows_seen: 0,
            values: Vec::new(),
            blended: Vec::new(),
        }
    }

    /// Takes the next row and its alpha.
    pub(super) fn row(&mut self, row: &[u8], alpha: Option<&[u8]>) {
        if self.factor == (1, 1) {
            match alpha {
                Some(alpha) => {
                    blend(row, alpha, &mut self.blended);
                    self.values.extend_from_slice(&self.blended);
                }
                None => self.values.extend_from_slice(row),
            }
            return;
        }
        if self.rows_summed < ROWS_SUMMED_MAX {
            match alpha {
                Some(alpha) => {
                    blend(row, alpha, &mut self.blended);
                    fast!(sum_up(&mut self.sums, &self.blended));
                }
                None => fast!(sum_up(&mut self.sums, row)),
            }
            self.rows_summed += 1;
        }
        self.rows_seen += 1;
        if self.rows_seen == self.factor.1 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.rows_summed == 0 {
            return;
        }
        for block in self.sums.chunks(self.factor.0 * self.channels) {
            let count = (block.len() / self.channels * self.rows_summed) as u32;
            match self.channels {
                1 => self.values.extend(means::<1>(block, count)),
                3 => self.values.extend(means::<3>(block, count)),
                _ => self.values.extend(means::<4>(block, count)),
            }
        }
        self.sums.fill(0);
        self.rows_summed = 0;
        self.rows_seen = 0;
    }

    /// The thumbnail, upright: JPEG, or PNG when the picture is transparent somewhere.
    pub(super) fn finish(mut self, orientation: Orientation) -> Result<EncodedPicture, FingerprintError> {
        self.flush();
        let (channels, width) = (self.channels, self.width.div_ceil(self.factor.0));
        let height = self.values.len() / (width * channels);
        let shrunk = Raster { width, height, channels, values: self.values };
        let Raster { values, .. } = resize(&shrunk, self.target.0, self.target.1, Filter::Lanczos);
        let (width, height, mut values) = match channels {
            1 => orientation.apply::<1>(self.target.0, self.target.1, &values),
            3 => orientation.apply::<3>(self.target.0, self.target.1, &values),
            _ => orientation.apply::<4>(self.target.0, self.target.1, &values),
        };
        let size = (width as u32, height as u32);
        let (media_type, bytes) = match channels {
            4 => {
                unblend(&mut values);
                ("image/png", encode_png(size.0, size.1, 4, &values)?)
            }
            1 => {
                let rgb: Vec<u8> = values.iter().flat_map(|&value| [value; 3]).collect();
                ("image/jpeg", encode_jpeg(size.0, size.1, &rgb, JPEG_QUALITY)?)
            }
            _ => ("image/jpeg", encode_jpeg(size.0, size.1, &values, JPEG_QUALITY)?),
        };
        Ok(EncodedPicture::new("thumbnail", media_type, size, bytes))
    }
}

fn means<const N: usize>(block: &[u16], count: u32) -> [u8; N] {
    let mut sums = [0_u32; N];
    for pixel in block.as_chunks::<N>().0 {
        for channel in 0..N {
            sums[channel] += u32::from(pixel[channel]);
        }
    }
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

#[inline(always)]
fn sum_up(sums: &mut [u16], row: &[u8]) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(u16::from(value));
    }
}

/// Colours weighted with their alpha, so that what is invisible does not shine through when pixels are mixed.
fn blend(row: &[u8], alpha: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let channels = row.len() / alpha.len();
    for (pixel, &alpha) in row.chunks_exact(channels).zip(alpha) {
        let weighted = |channel: usize| ((u32::from(pixel[channel % channels]) * u32::from(alpha) + 127) / 255) as u8;
        out.extend_from_slice(&[weighted(0), weighted(1), weighted(2), alpha]);
    }
}

fn unblend(values: &mut [u8]) {
    for [r, g, b, alpha] in values.as_chunks_mut::<4>().0 {
        let whole = u32::from(*alpha);
        for value in [r, g, b] {
            *value = (u32::from(*value) * 255 + whole / 2).checked_div(whole).unwrap_or(0).min(255) as u8;
        }
    }
}
