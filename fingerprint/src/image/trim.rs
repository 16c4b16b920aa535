//! Finds the uniform border around a picture.
//!
//! As iscc-sdk 0.9.7 does (`image_trim_tolerant`): the box of all pixels that differ from a corner by more than 16 in
//! any channel, again and again until nothing goes, at most 16 times. A cut at one side only must take away a flat
//! band (no pixel differs by more than 8), so that a sky is no border.

use super::orientation::Orientation;
use super::pixels::Pixels;

const TOLERANCE: u8 = 16;
const PASSES_MAX: usize = 16;

/// A part of a picture, in stored pixels; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    /// First column behind the area.
    pub(super) right: usize,
    /// First row below the area.
    pub(super) bottom: usize,
}

impl Area {
    pub(super) fn of(pixels: &Pixels) -> Self {
        Self { left: 0, top: 0, right: pixels.width, bottom: pixels.height }
    }

    pub(super) fn width(self) -> usize {
        self.right - self.left
    }

    pub(super) fn height(self) -> usize {
        self.bottom - self.top
    }

    fn sides_cut_from(self, outer: Self) -> usize {
        [self.left > outer.left, self.top > outer.top, self.right < outer.right, self.bottom < outer.bottom]
            .into_iter()
            .filter(|&cut| cut)
            .count()
    }
}

/// What is left without the border. The corner that counts is the upper left one of the upright picture.
pub(super) fn trim(pixels: &Pixels, orientation: Orientation) -> Area {
    let mut area = Area::of(pixels);
    for _ in 0..PASSES_MAX {
        let x = if orientation.mirrored_x { area.right - 1 } else { area.left };
        let y = if orientation.mirrored_y { area.bottom - 1 } else { area.top };
        let corner = &pixels.row(y)[x * pixels.channels..][..pixels.channels];
        let found = bounding_box(pixels, area, corner, TOLERANCE);
        let Some(inner) = found.filter(|&inner| inner != area) else { break };
        if inner.sides_cut_from(area) == 1 && bounding_box(pixels, area, corner, TOLERANCE / 2) != found {
            break;
        }
        area = inner;
    }
    area
}

/// Box of the pixels that differ from `reference`; `None` when there are none.
fn bounding_box(pixels: &Pixels, area: Area, reference: &[u8], tolerance: u8) -> Option<Area> {
    match (pixels.channels, reference) {
        (3, &[r, g, b]) => search::<3>(pixels, area, [r, g, b], tolerance),
        (_, reference) => search::<1>(pixels, area, [*reference.first()?], tolerance),
    }
}

fn search<const N: usize>(pixels: &Pixels, area: Area, reference: [u8; N], tolerance: u8) -> Option<Area> {
    let row = |y: usize| &pixels.row(y).as_chunks::<N>().0[area.left..area.right];
    let differs = |pixel: &[u8; N]| {
        pixel
            .iter()
            .zip(reference)
            .fold(false, |differs, (&value, wanted)| differs | (value.abs_diff(wanted) > tolerance))
    };
    let has_some = |y: &usize| row(*y).iter().any(differs);
    let top = (area.top..area.bottom).find(has_some)?;
    let bottom = (top..area.bottom).rev().find(has_some)? + 1;
    let (mut left, mut right) = (area.width(), 0);
    for y in top..bottom {
        let row = row(y);
        left = row[..left].iter().position(differs).unwrap_or(left);
        right = row[right..].iter().rposition(differs).map_or(right, |found| right + found + 1);
        if left == 0 && right == row.len() {
            break;
        }
    }
    Some(Area { left: area.left + left, top, right: area.left + right, bottom })
}
