//! Texts whose units are bytes: UTF-8, the Latin encodings, and those of other alphabets.

use encoding_rs::{Encoding, MACINTOSH, SHIFT_JIS, UTF_8};

/// Whether there are bytes that no such text has: a zero, or more than a few controls.
pub(super) fn has_binary(head: &[u8]) -> bool {
    let control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b);
    let controls = head.iter().filter(|&&byte| control(byte)).count();
    head.contains(&0) || controls * 50 > head.len()
}

/// Whether `head` reads as a text of this encoding. Nearly all bytes mean something in some of them, so that of bytes without
/// ASCII between them the letters of one alphabet are asked for.
pub(super) fn is_text(head: &[u8], encoding: &'static Encoding) -> bool {
    if encoding == UTF_8 {
        return true;
    }
    let valid: usize = head.utf8_chunks().map(|chunk| chunk.valid().len()).sum();
    if valid * 10 >= head.len() * 9 {
        return true;
    }
    let (text, _) = encoding.decode_without_bom_handling(head);
    let (mut chars, mut odd, mut foreign, mut ascii) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars() {
        chars += 1;
        odd += usize::from(is_odd(c));
        ascii += usize::from(c.is_ascii());
        foreign += usize::from(!c.is_ascii() && u32::from(c) >= 0x370 && c.is_alphanumeric());
    }
    odd * 20 <= chars && (ascii * 2 >= chars || (ascii + foreign) * 5 >= chars * 4)
}

/// Stands for bytes that mean nothing.
fn is_odd(c: char) -> bool {
    matches!(c, char::REPLACEMENT_CHARACTER | '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}')
}

/// `guess`, unless the bytes tell of an encoding that the detector knows nothing of.
pub(super) fn corrected(window: &[u8], guess: &'static Encoding) -> &'static Encoding {
    if is_half_width_kana(window) {
        return SHIFT_JIS;
    }
    let latin = window.iter().filter(|byte| byte.is_ascii()).count() * 3 >= window.len() * 2;
    if latin && guess.is_single_byte() && is_mac_roman(window, guess) {
        return MACINTOSH;
    }
    guess
}

/// Half-width kana alone, beside ASCII: bytes from 0xa1 to 0xdf, many of them where KOI8 and Latin have no letters.
fn is_half_width_kana(window: &[u8]) -> bool {
    let high = window.iter().filter(|byte| !byte.is_ascii());
    let (mut all, mut symbols) = (0_usize, 0_usize);
    for &byte in high {
        if !(0xa1..=0xdf).contains(&byte) {
            return false;
        }
        all += 1;
        symbols += usize::from((0xa6..=0xbf).contains(&byte));
    }
    let runs = window.windows(2).filter(|pair| pair.iter().all(|byte| !byte.is_ascii())).count();
    all >= 4 && symbols * 100 >= all * 15 && runs * 2 >= all
}

/// Whether the letters stand where letters stand only when they are read as those of the old Macintosh.
fn is_mac_roman(window: &[u8], other: &'static Encoding) -> bool {
    let (mac, other) = (fitness(window, MACINTOSH), fitness(window, other));
    mac > 0 && mac > 2 * other.max(0)
}

/// Points for small letters within words, and against what is seldom there: symbols and capitals.
fn fitness(window: &[u8], encoding: &'static Encoding) -> i64 {
    let (text, _) = encoding.decode_without_bom_handling(window);
    let mut points = 0;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or(' ');
        if !c.is_ascii() {
            let within = before.is_ascii_lowercase() || after.is_ascii_lowercase();
            points += match c {
                c if c.is_lowercase() && within => 2,
                c if c.is_lowercase() => 1,
                c if c.is_uppercase() && !before.is_alphabetic() => 1,
                c if is_odd(c) => -2,
                '’' if before.is_alphabetic() => 1,
                _ if before.is_ascii_lowercase() && after.is_ascii_lowercase() => -2,
                c if c.is_uppercase() && before.is_lowercase() => -2,
                _ => 0,
            };
        }
        before = c;
    }
    points
}
