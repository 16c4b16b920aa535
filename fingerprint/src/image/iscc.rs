//! ISCC Image-Code (ISO 24138:2024, 64 bits) as iscc-sdk 0.9.7 gives it for a file: upright, on white, without its
//! border, grey, 32x32 with Pillow's bicubic filter; the code itself is iscc-lib's.

use super::hash;
use super::orientation::Orientation;
use super::pixels::Pixels;
use super::resample::{Filter, ToSquare, luma_row};
use super::trim::Area;
use crate::FingerprintError;

const SIDE_PX: usize = 32;
const CODE_BITS: u32 = 64;
/// The code is made of so many lowest frequencies each way.
const CODE_SIDE: usize = 8;

/// The code of the part `area` of `pixels`, which have no alpha any more: `ISCC:...`, and its evidence: per cent of its
/// bits that the picture decides.
pub(super) fn image_code(
    pixels: &Pixels,
    area: Area,
    orientation: Orientation,
) -> Result<(String, u8), FingerprintError> {
    let grey = if orientation.is_upright() {
        let mut square = ToSquare::new(area.width(), area.height(), 1, SIDE_PX, Filter::Bicubic);
        let mut grey = vec![0; area.width()];
        for y in area.top..area.bottom {
            luma_row(part(pixels, area, y), pixels.channels, &mut grey);
            square.row(&grey);
        }
        square.finish()
    } else {
        let mut stored = vec![0; area.width() * area.height()];
        for (y, grey) in stored.chunks_exact_mut(area.width()).enumerate() {
            luma_row(part(pixels, area, area.top + y), pixels.channels, grey);
        }
        let (width, height, upright) = orientation.apply::<1>(area.width(), area.height(), &stored);
        let mut square = ToSquare::new(width, height, 1, SIDE_PX, Filter::Bicubic);
        for row in upright.chunks_exact(width) {
            square.row(row);
        }
        square.finish()
    };
    let code = iscc_lib::gen_image_code_v0(&grey.values, CODE_BITS);
    let code = code.map_err(|_| FingerprintError::malformed("image has no image code"))?.iscc;
    Ok((code, hash::low_frequencies(&grey.values, SIDE_PX, CODE_SIDE).evidence()))
}

fn part(pixels: &Pixels, area: Area, y: usize) -> &[u8] {
    &pixels.row(y)[area.left * pixels.channels..area.right * pixels.channels]
}
