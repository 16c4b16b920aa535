//! Words of a text in normal form, with their offsets.
//!
//! The normal form: NFKC, lower case (and final sigma as sigma), words joined by single spaces, nothing else. A word is a
//! run of letters, marks and numbers. Characters of scripts that are written without spaces are words of their own (Han,
//! Kana, Thai, Lao, Myanmar, Khmer), and so are symbols such as emoji. Format characters (soft hyphens, zero width
//! spaces, byte order marks) are dropped; all other characters, punctuation and white space, separate words.

use sha2::{Digest, Sha256};
use unicode_general_category::{GeneralCategory, get_general_category};

use super::memo::Memo;
use super::normal::{ClusterSink, Clusters};
use super::shingles::{Shingler, Token};

/// Characters of one word; longer runs are cut, so that a gigabyte without spaces takes no memory.
const WORD_CHARS_MAX: u32 = 64;
/// Bytes of normalised text that are kept before they are hashed.
const HASHED_AT_BYTES: usize = 16 << 10;

/// What a word counts: shingles consist of words of [`super::shingles::SHINGLE_WEIGHT`] together, which is five words.
mod weight {
    pub(super) const WORD: u32 = 4;
    /// Ten characters of these carry about what five words do.
    pub(super) const IDEOGRAPH: u32 = 2;
    /// Letters of scripts without spaces: twenty of them.
    pub(super) const LETTER: u32 = 1;
}

/// What a character is in the normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Continues or begins a word.
    Word,
    /// Belongs to what stands before it.
    Mark,
    /// A word of its own, of that weight.
    Alone(u32),
    Dropped,
    Separator,
}

fn classify(c: char) -> Class {
    use GeneralCategory as Category;
    match c {
        '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{3029}'
        | '\u{3041}'..='\u{3096}'
        | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}'
        | '\u{3105}'..='\u{312f}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}' => return Class::Alone(weight::IDEOGRAPH),
        _ => {}
    }
    match get_general_category(c) {
        Category::UppercaseLetter
        | Category::LowercaseLetter
        | Category::TitlecaseLetter
        | Category::ModifierLetter
        | Category::OtherLetter => match c {
            // Thai, Lao, Myanmar, Khmer.
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Class::Alone(weight::LETTER),
            _ => Class::Word,
        },
        Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber => Class::Word,
        Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark => Class::Mark,
        // What could not be decoded says nothing.
        Category::OtherSymbol if c != char::REPLACEMENT_CHARACTER => Class::Alone(weight::WORD),
        Category::Format => Class::Dropped,
        _ => Class::Separator,
    }
}

/// The lower case of `c` when that is one character; final sigma is sigma.
fn lower(c: char) -> Option<char> {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some('ς'), None) => Some('σ'),
        (lower, None) => lower,
        _ => None,
    }
}

/// A word that may go on.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: usize,
    offset: u32,
    chars: u32,
    /// Weight of a character that stands alone, only marks may follow.
    alone: Option<u32>,
}

/// Finds words, hashes the normal form, and passes words on to the [`Shingler`].
#[derive(Debug, Default)]
pub(super) struct Words {
    clusters: Clusters,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    hasher: Sha256,
    /// The end of the normalised text: what shingles still need.
    normal: Vec<u8>,
    /// Bytes of `normal` that are hashed already.
    hashed: usize,
    started: bool,
    open: Option<Open>,
    shingler: Shingler,
    /// Of characters that are not ASCII, with their lower case.
    classes: Memo<(Class, Option<char>)>,
}

impl Words {
    /// Adds `text`, which follows what was fed before.
    pub(super) fn feed(&mut self, text: &str) {
        self.clusters.feed(text, &mut self.found);
    }

    /// SHA-256 of the normalised text, and its shingles.
    pub(super) fn finish(mut self) -> ([u8; 32], Shingler) {
        self.clusters.flush(&mut self.found);
        let Found { mut hasher, normal, hashed, open, mut shingler, .. } = self.found;
        if let Some(open) = open {
            shingler.push(open.token(normal.len()), &normal);
        }
        shingler.finish(&normal);
        hasher.update(&normal[hashed..]);
        (hasher.finalize().into(), shingler)
    }
}

impl Open {
    fn token(self, end: usize) -> Token {
        Token { start: self.start, end, offset: self.offset, weight: self.alone.unwrap_or(weight::WORD) }
    }
}

impl Found {
    fn open(&mut self, offset: u32, alone: Option<u32>) {
        self.close();
        if self.started {
            self.normal.push(b' ');
        }
        self.started = true;
        self.open = Some(Open { start: self.normal.len(), offset, chars: 0, alone });
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.shingler.push(open.token(self.normal.len()), &self.normal);
        if self.normal.len() >= HASHED_AT_BYTES {
            self.hasher.update(&self.normal[self.hashed..]);
            let done = self.shingler.forget_before(self.normal.len());
            self.normal.drain(..done);
            self.hashed = self.normal.len();
        }
    }

    /// Where a character of a word goes: into the open one, when it is one and has room.
    fn in_word(&mut self, offset: u32) {
        match &mut self.open {
            Some(open) if open.alone.is_none() && open.chars < WORD_CHARS_MAX => {}
            _ => self.open(offset, None),
        }
    }

    /// Adds the lower case of `c`, which is `lower` if it is one character.
    fn append(&mut self, c: char, lower: Option<char>) {
        if let Some(lower) = lower {
            self.normal.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            for lower in c.to_lowercase() {
                self.normal.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if let Some(open) = &mut self.open {
            open.chars += 1;
        }
    }
}

impl ClusterSink for Found {
    fn ascii(&mut self, text: &str, offset: u32) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_alphanumeric() {
                self.close();
                at += 1;
                continue;
            }
            self.in_word(offset + at as u32);
            let room = self.open.map_or(0, |open| WORD_CHARS_MAX - open.chars) as usize;
            let run = bytes[at..].iter().take(room).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            self.normal.extend(bytes[at..at + run].iter().map(u8::to_ascii_lowercase));
            if let Some(open) = &mut self.open {
                open.chars += run as u32;
            }
            at += run;
        }
    }

    fn char(&mut self, c: char, offset: u32) {
        if c.is_ascii() {
            return self.ascii(c.encode_utf8(&mut [0; 4]), offset);
        }
        let (class, lower) = self.classes.get(c, |c| (classify(c), lower(c)));
        match class {
            Class::Word => {
                self.in_word(offset);
                self.append(c, lower);
            }
            Class::Mark => {
                if self.open.is_none_or(|open| open.chars >= WORD_CHARS_MAX) {
                    self.open(offset, None);
                }
                self.append(c, lower);
            }
            Class::Alone(weight) => {
                self.open(offset, Some(weight));
                self.append(c, lower);
            }
            Class::Dropped => {}
            Class::Separator => self.close(),
        }
    }
}
