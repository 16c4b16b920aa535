//! Times written into pictures.

use super::pictures::Canvas;

/// Columns and rows of a glyph.
const GLYPH: (usize, usize) = (5, 7);
/// Pixels of a dot's side.
const DOT_PX: usize = 2;
const PADDING_PX: usize = 4;
const FOREGROUND: u8 = 240;

/// Rows of a glyph, the leftmost dot in bit 4.
const DIGITS: [[u8; 7]; 10] = [
    [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
    [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
];
const COLON: [u8; 7] = [0, 0b00100, 0b00100, 0, 0b00100, 0b00100, 0];

/// Seconds as `M:SS` or `H:MM:SS`.
pub(super) fn clock(seconds: f64) -> String {
    // Saturates: what is negative or not a number becomes 0.
    let seconds = seconds as u64;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// Writes digits and colons of `text` into the lower left corner of a `tile` (width, height) at `left`, `top`, on a
/// dark ground; nothing when it does not fit.
pub(super) fn draw(canvas: &mut Canvas, left: usize, top: usize, tile: (usize, usize), text: &str) {
    let advance = (GLYPH.0 + 1) * DOT_PX;
    let width = text.len() * advance - DOT_PX.min(text.len()) + 2 * PADDING_PX;
    let height = GLYPH.1 * DOT_PX + 2 * PADDING_PX;
    if width > tile.0 || height > tile.1 {
        return;
    }
    let top = top + tile.1 - height;
    for y in top..top + height {
        let start = (y * canvas.width + left) * 3;
        canvas.pixels[start..start + width * 3].iter_mut().for_each(|value| *value /= 4);
    }
    for (at, character) in text.chars().enumerate() {
        let rows = character.to_digit(10).map_or(COLON, |digit| DIGITS[digit as usize]);
        for (row, bits) in rows.into_iter().enumerate() {
            for column in (0..GLYPH.0).filter(|column| bits >> (GLYPH.0 - 1 - column) & 1 == 1) {
                let x = left + PADDING_PX + at * advance + column * DOT_PX;
                let y = top + PADDING_PX + row * DOT_PX;
                for y in y..y + DOT_PX {
                    let start = (y * canvas.width + x) * 3;
                    canvas.pixels[start..start + DOT_PX * 3].fill(FOREGROUND);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(clock(0.0), "0:00");
        assert_eq!(clock(75.9), "1:15");
        assert_eq!(clock(3_725.0), "1:02:05");
        assert_eq!(clock(f64::NAN), "0:00");
    }

    #[test]
    fn labels_stay_in_their_tile() {
        let mut canvas = Canvas { width: 80, height: 40, pixels: vec![100; 80 * 40 * 3] };
        draw(&mut canvas, 10, 5, (60, 30), "0:12");
        let row = |y: usize| &canvas.pixels[y * 240..(y + 1) * 240];
        assert!(row(12).iter().chain(row(35)).all(|&value| value == 100));
        assert!(row(20).contains(&FOREGROUND) && row(20)[..30].iter().all(|&value| value == 100));
        let before = canvas.pixels.clone();
        draw(&mut canvas, 0, 0, (20, 30), "0:12");
        assert_eq!(canvas.pixels, before);
    }
}
