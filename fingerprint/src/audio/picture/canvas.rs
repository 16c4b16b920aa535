//! A picture with a palette.

use crate::{EncodedPicture, FingerprintError};

/// One byte per pixel: an index into the palette that it is encoded with.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, background: u8) -> Self {
        Self { width, height, pixels: vec![background; width * height] }
    }

    /// Outside of the picture nothing happens.
    pub(super) fn set(&mut self, x: usize, y: usize, colour: u8) {
        if x < self.width && y < self.height {
            self.pixels[y * self.width + x] = colour;
        }
    }

    /// Pixels `top..bottom` of a column.
    pub(super) fn column(&mut self, x: usize, top: usize, bottom: usize, colour: u8) {
        (top..bottom).for_each(|y| self.set(x, y, colour));
    }

    /// Digits and colons, five pixels high times `scale`; the width it takes.
    pub(super) fn text(&mut self, text: &str, x: usize, y: usize, scale: usize, colour: u8) {
        let mut left = x;
        for letter in text.chars() {
            let (columns, rows) = glyph(letter);
            for (row, bits) in rows.iter().enumerate() {
                for column in (0..columns).filter(|column| bits >> (columns - 1 - column) & 1 == 1) {
                    for (dx, dy) in (0..scale * scale).map(|i| (i % scale, i / scale)) {
                        self.set(left + column * scale + dx, y + row * scale + dy, colour);
                    }
                }
            }
            left += (columns + 1) * scale;
        }
    }

    /// Pixels that [`Self::text`] takes across.
    pub(super) fn text_width(text: &str, scale: usize) -> usize {
        text.chars().map(|letter| (glyph(letter).0 + 1) * scale).sum()
    }

    /// # Errors
    /// None is known: the size is ours.
    pub(super) fn encode(&self, name: &'static str, palette: &[[u8; 3]]) -> Result<EncodedPicture, FingerprintError> {
        let failed = |_| FingerprintError::malformed("the picture of the sound could not be made");
        let (width, height) = (self.width as u32, self.height as u32);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette.concat());
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(EncodedPicture::new(name, "image/png", (width, height), bytes))
    }
}

/// Columns and the bits of the five rows.
fn glyph(letter: char) -> (usize, [u8; 5]) {
    match letter {
        '0' => (3, [7, 5, 5, 5, 7]),
        '1' => (3, [2, 6, 2, 2, 7]),
        '2' => (3, [7, 1, 7, 4, 7]),
        '3' => (3, [7, 1, 7, 1, 7]),
        '4' => (3, [5, 5, 7, 1, 1]),
        '5' => (3, [7, 4, 7, 1, 7]),
        '6' => (3, [7, 4, 7, 5, 7]),
        '7' => (3, [7, 1, 1, 1, 1]),
        '8' => (3, [7, 5, 7, 5, 7]),
        '9' => (3, [7, 5, 7, 1, 7]),
        ':' => (1, [0, 1, 0, 1, 0]),
        '.' => (1, [0, 0, 0, 0, 1]),
        _ => (1, [0; 5]),
    }
}
