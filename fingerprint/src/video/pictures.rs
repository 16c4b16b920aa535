//! What people look at: a thumbnail and a contact sheet, made of the sampled frames as they pass by.
//!
//! Candidates are kept small and few, so that neither their number nor their cost grows with the length: every
//! `stride`-th frame, and when that becomes too many, every second of them goes and the stride doubles.

use crate::image::encode_jpeg;
use crate::{EncodedPicture, FingerprintError};

use super::label;

/// Tiles of a contact sheet.
const TILES: usize = 16;
const COLUMNS: usize = 4;
/// Candidates that are kept at once.
const CANDIDATES_MAX: usize = TILES * 2;
/// Longer side of a tile, in pixels.
const TILE_SIDE_PX: u32 = 320;
/// Longer side of a thumbnail, in pixels.
const THUMBNAIL_SIDE_PX: u32 = 512;
/// Between tiles and around them.
const GAP_PX: usize = 8;
const BACKGROUND: u8 = 24;
const TILE_QUALITY: u8 = 75;
const THUMBNAIL_QUALITY: u8 = 80;
/// Side of the grid of pixels a frame is judged by.
const JUDGED_SIDE: usize = 48;
/// A frame this much better takes the place of the best so far; less is not worth the work.
const BETTER: f64 = 1.1;

/// RGB pixels, row by row.
#[derive(Debug)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

/// Collects candidates.
#[derive(Debug)]
pub(super) struct Pictures {
    /// Width over height as people see it.
    ratio: f64,
    stride: usize,
    seen: usize,
    /// Number of the sampled frame, its tile.
    tiles: Vec<(usize, Canvas)>,
    thumbnail: Option<(f64, Canvas)>,
}

impl Pictures {
    /// For about `frames` sampled frames of the display ratio `ratio`.
    pub(super) fn new(ratio: f64, frames: usize) -> Self {
        Self { ratio, stride: (frames / TILES).max(1), seen: 0, tiles: Vec::new(), thumbnail: None }
    }

    /// Takes a sampled frame into account.
    pub(super) fn add(&mut self, width: u32, height: u32, rgb: &[u8]) {
        let number = self.seen;
        self.seen += 1;
        if !number.is_multiple_of(self.stride) {
            return;
        }
        let source = Source { width: width as usize, height: height as usize, rgb };
        let score = source.score();
        if self.thumbnail.as_ref().is_none_or(|(best, _)| score > best * BETTER) {
            self.thumbnail = Some((score, source.shrink(self.ratio, THUMBNAIL_SIDE_PX, 4)));
        }
        self.tiles.push((number, source.shrink(self.ratio, TILE_SIDE_PX, 2)));
        if self.tiles.len() >= CANDIDATES_MAX {
            self.stride *= 2;
            self.tiles.retain(|(number, _)| number.is_multiple_of(self.stride));
        }
    }

    /// Thumbnail and contact sheet; `times` in seconds, of each frame that was added.
    pub(super) fn finish(self, times: &[f64]) -> Result<Vec<EncodedPicture>, FingerprintError> {
        let mut pictures = Vec::new();
        if let Some((_, canvas)) = &self.thumbnail {
            pictures.push(encode("thumbnail", canvas, THUMBNAIL_QUALITY)?);
        }
        let count = self.tiles.len().min(TILES);
        // From the middle of each of `count` equal parts.
        let chosen: Vec<_> = (0..count).map(|at| &self.tiles[(at * 2 + 1) * self.tiles.len() / (count * 2)]).collect();
        if let Some(sheet) = sheet(&chosen, times) {
            pictures.push(encode("contact_sheet", &sheet, TILE_QUALITY)?);
        }
        Ok(pictures)
    }
}

/// Tiles of one size in rows, each with its time.
fn sheet(tiles: &[&(usize, Canvas)], times: &[f64]) -> Option<Canvas> {
    let (_, first) = tiles.first()?;
    let columns = tiles.len().min(COLUMNS);
    let rows = tiles.len().div_ceil(columns);
    let width = columns * (first.width + GAP_PX) + GAP_PX;
    let height = rows * (first.height + GAP_PX) + GAP_PX;
    let mut sheet = Canvas { width, height, pixels: vec![BACKGROUND; width * height * 3] };
    for (at, (number, tile)) in tiles.iter().enumerate() {
        let left = GAP_PX + at % columns * (first.width + GAP_PX);
        let top = GAP_PX + at / columns * (first.height + GAP_PX);
        for (y, row) in tile.pixels.chunks_exact(tile.width * 3).enumerate() {
            let start = ((top + y) * width + left) * 3;
            sheet.pixels[start..start + row.len()].copy_from_slice(row);
        }
        if let Some(&time) = times.get(*number) {
            label::draw(&mut sheet, left, top, (tile.width, tile.height), &label::clock(time));
        }
    }
    Some(sheet)
}

fn encode(name: &'static str, canvas: &Canvas, quality: u8) -> Result<EncodedPicture, FingerprintError> {
    let (width, height) = (canvas.width as u32, canvas.height as u32);
    let bytes = encode_jpeg(width, height, &canvas.pixels, quality)?;
    Ok(EncodedPicture::new(name, "image/jpeg", (width, height), bytes))
}

/// A frame.
struct Source<'a> {
    width: usize,
    height: usize,
    rgb: &'a [u8],
}

impl Source<'_> {
    fn pixel(&self, x: usize, y: usize) -> [u16; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]].map(u16::from)
    }

    /// How much there is to see: contrast and detail of a coarse grid, little for frames that are almost black or
    /// almost white.
    fn score(&self) -> f64 {
        let at = |index: usize, length: usize| (index * 2 + 1) * length / (JUDGED_SIDE * 2);
        let mut luma = [[0.0; JUDGED_SIDE]; JUDGED_SIDE];
        for (y, row) in luma.iter_mut().enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                let [r, g, b] = self.pixel(at(x, self.width), at(y, self.height)).map(f64::from);
                *value = 0.299 * r + 0.587 * g + 0.114 * b;
            }
        }
        let count = (JUDGED_SIDE * JUDGED_SIDE) as f64;
        let mean = luma.as_flattened().iter().sum::<f64>() / count;
        let variance = luma.as_flattened().iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let detail =
            luma.iter().flat_map(|row| row.windows(2)).map(|pair| (pair[0] - pair[1]).abs()).sum::<f64>() / count;
        let exposed = ((mean - 8.0) / 32.0).clamp(0.05, 1.0) * ((248.0 - mean) / 16.0).clamp(0.05, 1.0);
        (variance.sqrt() + detail) * exposed
    }

    /// To a picture of `ratio` whose longer side has `side` pixels at most: each is the mean of up to `taps` squared
    /// pixels spread over its area.
    fn shrink(&self, ratio: f64, side: u32, taps: usize) -> Canvas {
        let (width, height) = fit(ratio, side.min(self.width.max(self.height) as u32));
        let columns = Spread::new(self.width, width, taps);
        let rows = Spread::new(self.height, height, taps);
        let mut pixels = Vec::with_capacity(width * height * 3);
        let count = (rows.taps * columns.taps) as u16;
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0_u16; 3];
                for &source_y in rows.of(y) {
                    for &source_x in columns.of(x) {
                        let pixel = self.pixel(source_x, source_y);
                        (0..3).for_each(|channel| sum[channel] += pixel[channel]);
                    }
                }
                pixels.extend(sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Canvas { width, height, pixels }
    }
}

/// The largest size of `ratio` within a square of `side` pixels, at least one pixel each way.
fn fit(ratio: f64, side: u32) -> (usize, usize) {
    let side = f64::from(side.max(1));
    let (width, height) = if ratio >= 1.0 { (side, side / ratio) } else { (side * ratio, side) };
    ((width.round() as usize).max(1), (height.round() as usize).max(1))
}

/// Where the positions of a shrunk side take their values from.
struct Spread {
    taps: usize,
    positions: Vec<usize>,
}

impl Spread {
    fn new(from: usize, to: usize, taps: usize) -> Self {
        let taps = taps.min(from.div_ceil(to)).max(1);
        let all = to * taps;
        let positions = (0..all).map(|at| (at * 2 + 1) * from / (all * 2)).collect();
        Self { taps, positions }
    }

    fn of(&self, position: usize) -> &[usize] {
        &self.positions[position * self.taps..(position + 1) * self.taps]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one grey with a bright right half when `varied`.
    fn frame(value: u8, varied: bool) -> Vec<u8> {
        (0..64 * 36 * 3).map(|at| if varied && at / 3 % 64 >= 32 { 220 } else { value }).collect()
    }

    #[test]
    fn few_candidates_stay_and_are_spread_over_the_length() {
        let mut pictures = Pictures::new(16.0 / 9.0, 0);
        for number in 0..1_000 {
            pictures.add(64, 36, &frame((number % 250) as u8, false));
            assert!(pictures.tiles.len() < CANDIDATES_MAX);
        }
        let numbers: Vec<usize> = pictures.tiles.iter().map(|(number, _)| *number).collect();
        assert!(numbers.len() >= TILES && numbers[0] == 0 && numbers[numbers.len() - 1] >= 900, "{numbers:?}");
        let times: Vec<f64> = (0..1_000).map(f64::from).collect();
        let made = pictures.finish(&times).unwrap();
        assert_eq!(
            made.iter().map(|picture| picture.about.name.as_str()).collect::<Vec<_>>(),
            ["thumbnail", "contact_sheet"]
        );
        assert_eq!((made[1].about.width, made[1].about.height), (4 * 72 + 8, 4 * 44 + 8));
    }

    #[test]
    fn the_thumbnail_is_of_a_frame_with_something_to_see() {
        let mut pictures = Pictures::new(1.0, 3);
        pictures.add(64, 36, &frame(0, false));
        pictures.add(64, 36, &frame(100, true));
        pictures.add(64, 36, &frame(255, false));
        let (_, thumbnail) = pictures.thumbnail.as_ref().unwrap();
        assert_eq!((thumbnail.width, thumbnail.height), (64, 64));
        assert_eq!(thumbnail.pixels[..3], [100; 3]);
    }

    #[test]
    fn sizes_fit_whatever_the_ratio() {
        assert_eq!(fit(16.0 / 9.0, 320), (320, 180));
        assert_eq!(fit(0.5, 320), (160, 320));
        assert_eq!(fit(50_000.0, 320), (320, 1));
        assert_eq!(fit(1.0, 0), (1, 1));
        let one = [7, 8, 9];
        let source = Source { width: 1, height: 1, rgb: &one };
        assert_eq!(source.shrink(3.0, 320, 4).pixels, one);
        assert!(source.score() >= 0.0);
    }
}
