//! Exif orientation: how the stored pixels lie against the picture that people see.

/// Where the pixel `(x, y)` of the upright picture is stored: `(u, v)`, which is `(y, x)` when transposed, mirrored
/// along the stored axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    pub(super) transposed: bool,
    pub(super) mirrored_x: bool,
    pub(super) mirrored_y: bool,
}

impl Orientation {
    /// From the value of the Exif tag; what the standard does not know counts as upright.
    pub(super) fn from_exif(value: u32) -> Self {
        let (transposed, mirrored_x, mirrored_y) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Self { transposed, mirrored_x, mirrored_y }
    }

    pub(super) fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// Turns stored pixels of `N` channels upright; gives the size they then have.
    pub(super) fn apply<const N: usize>(self, width: usize, height: usize, stored: &[u8]) -> (usize, usize, Vec<u8>) {
        if self.is_upright() {
            return (width, height, stored.to_vec());
        }
        let (pixels, _) = stored.as_chunks::<N>();
        let mut upright = vec![0; stored.len()];
        let (out, _) = upright.as_chunks_mut::<N>();
        let (out_width, out_height) = if self.transposed { (height, width) } else { (width, height) };
        // Blocks of a few rows: reading along rows and writing along columns stays within the cache.
        for block in (0..height).step_by(BLOCK) {
            for u in 0..width {
                let x = if self.mirrored_x { width - 1 - u } else { u };
                for v in block..height.min(block + BLOCK) {
                    let y = if self.mirrored_y { height - 1 - v } else { v };
                    let at = if self.transposed { u * height + v } else { v * width + u };
                    out[at] = pixels[y * width + x];
                }
            }
        }
        (out_width, out_height, upright)
    }
}

const BLOCK: usize = 16;
