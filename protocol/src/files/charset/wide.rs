//! UTF-16 whose characters are beyond Latin: no zeros tell of it, but its units spell one alphabet, and that with bytes that
//! no text of single bytes has.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::narrow::has_binary;

/// Of a hundred units so many make sense in a text.
const SENSIBLE_MIN: usize = 95;
/// Of a hundred letters so many are of one alphabet.
const OF_ONE_MIN: usize = 80;
/// Alphabets told apart.
const ALPHABETS: usize = 64;

/// UTF-16 without a byte order mark, if it is nothing else.
pub(super) fn guess(window: &[u8]) -> Option<&'static Encoding> {
    if window.len() < 4 || !(has_binary(window) || is_laced(window)) {
        return None;
    }
    let spelled = |encoding| (Spelling::of(window, encoding), encoding);
    let candidates = [spelled(UTF_16LE), spelled(UTF_16BE)];
    let best = candidates.into_iter().filter(|(spelling, _)| spelling.is_one_alphabet());
    best.max_by_key(|(spelling, _)| spelling.sensible).map(|(_, encoding)| encoding)
}

/// Whether a tab, a line end or the like is as frequent as the upper halves of Indic letters are, beside bytes that no line of
/// ASCII has; others write no such text.
fn is_laced(window: &[u8]) -> bool {
    let is_ascii_text = |byte: &u8| matches!(byte, b'\t'..=b'\r' | 0x20..=0x7e);
    !window.iter().all(is_ascii_text)
        && (b'\t'..=b'\r').any(|blank| window.iter().filter(|&&byte| byte == blank).count() * 4 >= window.len())
}

/// Whether the units make sense, whatever the alphabets: for text that has a mark, or whose zeros tell.
pub(super) fn is_text(head: &[u8], encoding: &'static Encoding, marked: bool) -> bool {
    let spelling = Spelling::of(head, encoding);
    // a mark is a word: then one may be amiss, as when the last unit is half of a pair that goes on after the head
    spelling.units - spelling.sensible <= usize::from(marked) + spelling.units / 20
}

/// The same of UTF-32.
pub(super) fn is_text_of_32(head: &[u8], big: bool) -> bool {
    let (units, _) = head.as_chunks::<4>();
    let code = |unit: &[u8; 4]| if big { u32::from_be_bytes(*unit) } else { u32::from_le_bytes(*unit) };
    let odd = units.iter().filter(|unit| char::from_u32(code(unit)).and_then(alphabet).is_none()).count();
    !units.is_empty() && odd * 20 <= units.len()
}

struct Spelling {
    units: usize,
    sensible: usize,
    letters: [usize; ALPHABETS],
}

impl Spelling {
    fn of(bytes: &[u8], encoding: &'static Encoding) -> Self {
        let little = encoding == UTF_16LE;
        let (pairs, _) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) });
        let mut spelling = Self { units: 0, sensible: 0, letters: [0; ALPHABETS] };
        for c in char::decode_utf16(units) {
            spelling.units += 1;
            let Ok(c) = c else { continue };
            match alphabet(c) {
                Some(0) => spelling.sensible += 1,
                Some(alphabet) => {
                    spelling.sensible += 1;
                    spelling.letters[alphabet] += 1;
                }
                None => {}
            }
        }
        spelling
    }

    fn is_one_alphabet(&self) -> bool {
        let (all, most) = (self.letters.iter().sum::<usize>(), self.letters.iter().max().copied().unwrap_or(0));
        let own = all * 4 >= self.units;
        own && self.sensible * 100 >= self.units * SENSIBLE_MIN && most * 100 >= all * OF_ONE_MIN
    }
}

/// A number for the alphabet; 0 for what goes with all of them, `None` for what no text has.
fn alphabet(c: char) -> Option<usize> {
    Some(match u32::from(c) {
        9 | 10 | 12 | 13 | 0x1b | 0x20..=0x7e | 0xa0..=0xff | 0x2000..=0x206f | 0x20a0..=0x20cf | 0x2100..=0x27bf => 0,
        0xfeff | 0x1f000..=0x1faff => 0,
        0x100..=0x2ff | 0x1e00..=0x1eff => 1,
        0x300..=0x36f => 0,
        0x370..=0x3ff | 0x1f00..=0x1fff => 2,
        0x400..=0x52f => 3,
        0x531..=0x58f => 4,
        0x591..=0x5f4 => 5,
        0x600..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfefc => 6,
        // each Indic block is one alphabet
        code @ 0x900..=0xdff => 8 + (code as usize - 0x900) / 0x80,
        0xe00..=0xe7f => 20,
        0xe80..=0xeff => 21,
        0xf00..=0xfff => 22,
        0x1000..=0x109f => 23,
        0x10a0..=0x10ff => 24,
        0x1200..=0x139f => 25,
        0x1780..=0x17ff => 26,
        0x1800..=0x18af => 27,
        0x13a0..=0x13ff => 28,
        0x3000..=0x303f | 0xff00..=0xffef => 0,
        0x3040..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff => 29,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7a3 => 30,
        0x3100..=0x312f => 31,
        _ => return None,
    })
}
