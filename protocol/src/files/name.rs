//! File names: what a stranger sends, made safe to store and log, and what people are shown of it.
//!
//! Names of ASCII keep letters, digits, `_ - .` alone. Beyond it, whatever is not dangerous stays: the world's names are
//! made of more than letters (vowel signs, joiners, emoji), and no list of what is allowed would hold them all. Dangerous
//! is what hides (controls, bidirectional controls, fillers), and what some system reads as a part of a path.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_segmentation::UnicodeSegmentation as _;

/// Longest stored name, in characters.
const NAME_CHARS_MAX: usize = 255;
/// Longest extension, in characters.
const ENDING_CHARS_MAX: usize = 20;
/// Marks on one letter; the bound that Unicode sets for texts that are safe to stream.
const MARKS_MAX: usize = 30;
const PASSES_MAX: usize = 8;
/// Devices of Windows, whatever follows the first dot.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Reduces a name to its last component without what is dangerous in it, at most 255 characters, in NFC.
///
/// `../../etc/passwd` becomes `passwd`, `My File (1).PNG` becomes `My_File_1.png`, `<>:.pdf` becomes `unnamed_file.pdf`,
/// `Käse für Zoë.txt` becomes `Käse_für_Zoë.txt` however its letters were composed.
pub fn sanitise(name: &str) -> String {
    let mut safe = sanitise_once(name);
    // what goes at the end of a name may bare another extension: safe is what stays as it is
    for _ in 0..PASSES_MAX {
        let again = sanitise_once(&safe);
        if again == safe {
            break;
        }
        safe = again;
    }
    safe
}

fn sanitise_once(name: &str) -> String {
    let (stem, ending) = split(last_component(name));
    let ending = ending.map(|ending| clean(&ending.to_lowercase())).unwrap_or_default();
    let ending = cut(&ending, ENDING_CHARS_MAX).trim_end_matches(PUNCTUATION).to_owned();
    let stem = clean(stem);
    let stem = match stem.as_str() {
        "" => "unnamed_file".to_owned(),
        reserved if is_reserved(reserved) => format!("file_{reserved}"),
        _ => stem,
    };
    with_ending(&stem, &ending)
}

/// The name as people are shown it: as it was sent, but for directories, controls and what turns the direction of writing.
pub fn shown_name(name: &str) -> String {
    let shown: String = last_component(name).chars().filter(|&c| !is_control(c) && !is_noncharacter(c)).collect();
    let shown = shown.trim();
    match split(shown) {
        (stem, Some(ending)) if ending.chars().count() <= ENDING_CHARS_MAX => with_ending(stem, ending),
        _ => cut(shown, NAME_CHARS_MAX).to_owned(),
    }
}

fn last_component(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

fn split(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !ending.is_empty() && !stem.is_empty() => (stem, Some(ending)),
        _ => (name, None),
    }
}

fn with_ending(stem: &str, ending: &str) -> String {
    if ending.is_empty() {
        return cut(stem, NAME_CHARS_MAX).trim_end_matches(PUNCTUATION).to_owned();
    }
    let room = NAME_CHARS_MAX - ending.chars().count() - 1;
    let cut = match stem.chars().count() > room {
        true => cut(stem, room).trim_end_matches(PUNCTUATION),
        false => stem,
    };
    format!("{cut}.{ending}")
}

/// The longest beginning of at most `chars_max` characters that ends where a reader sees a character end.
fn cut(text: &str, chars_max: usize) -> &str {
    let (mut chars, mut end) = (0, 0);
    for grapheme in text.graphemes(true) {
        chars += grapheme.chars().count();
        if chars > chars_max {
            break;
        }
        end += grapheme.len();
    }
    // a single one may be longer than all the room
    if end == 0 { text.char_indices().nth(chars_max).map_or(text, |(at, _)| &text[..at]) } else { &text[..end] }
}

const PUNCTUATION: [char; 3] = ['_', '-', '.'];

/// Blanks become `_`, what is dangerous goes, runs collapse, ends are trimmed.
fn clean(text: &str) -> String {
    let mut out = Cleaned::default();
    for c in text.nfc() {
        out.push(c);
    }
    let text: String = out.text.nfc().collect();
    text.trim_matches(|c| PUNCTUATION.contains(&c) || is_joiner(c)).to_owned()
}

#[derive(Default)]
struct Cleaned {
    text: String,
    /// What joins the last character to the next one, if that is one to be joined.
    joiner: Option<char>,
    marks: usize,
}

impl Cleaned {
    fn push(&mut self, c: char) {
        let c = if c.is_whitespace() && !is_control(c) { '_' } else { c };
        let last = self.text.chars().next_back();
        let on_something = last.is_some_and(|last| !PUNCTUATION.contains(&last));
        if is_joiner(c) {
            self.joiner = on_something.then_some(c);
            return;
        }
        let punctuation = PUNCTUATION.contains(&c);
        if !(punctuation || is_kept(c, last)) || (punctuation && last == Some(c)) {
            return;
        }
        if is_mark(c) {
            // without a letter it would be put on whatever comes to stand before the name
            if !on_something || self.marks >= MARKS_MAX {
                return;
            }
            self.marks += 1;
        } else {
            self.marks = 0;
        }
        self.text.extend(self.joiner.take().filter(|_| !punctuation));
        self.text.push(c);
    }
}

/// Whether a character beside `_ - .` stays, behind `last`.
fn is_kept(c: char, last: Option<char>) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    if is_tag(c) {
        return last.is_some_and(|last| last == BLACK_FLAG || is_tag(last));
    }
    !is_control(c) && !is_invisible(c) && !is_noncharacter(c) && !is_path_character(c)
}

fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    let marks = [EnclosingMark, NonspacingMark, SpacingMark];
    canonical_combining_class(c) != 0 || (!c.is_ascii() && marks.contains(&get_general_category(c)))
}

/// Joins or parts the letters around it in Persian, Indian scripts, Mongolian and emoji.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{180e}')
}

const BLACK_FLAG: char = '\u{1f3f4}';

/// Spells out the region of a flag.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// Controls, and those that turn the direction of writing: `exe.gnp` would be shown as something else.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Nothing is seen of them, so that two names look alike.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffd}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}')
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Read as one of `<>:"/\|?*` by a system that decomposes names or knows fewer characters.
fn is_path_character(c: char) -> bool {
    let mut found = matches!(
        c,
        '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' | '\u{29f9}' | '\u{a5}' | '\u{20a9}'
    );
    decompose_compatible(c, |part| found |= "<>:\"/\\|?*".contains(part));
    found
}

/// `con`, `com1` and the like, before the first dot.
fn is_reserved(stem: &str) -> bool {
    let first = stem.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = |device: &str| {
        first
            .strip_prefix(device)
            .is_some_and(|n| matches!(n, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "0" | "¹" | "²" | "³"))
    };
    RESERVED.contains(&first.as_str()) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        for (raw, safe) in [
            ("../../etc/passwd", "passwd"),
            ("My File (1).PNG", "My_File_1.png"),
            ("a  b..c.txt", "a_b.c.txt"),
            (".hidden.txt", "hidden.txt"),
            ("<>:.pdf", "unnamed_file.pdf"),
            ("C:\\work\\x.md", "x.md"),
            ("tab\tnew\nline.txt", "tabnewline.txt"),
            ("naïve 画.txt", "naïve_画.txt"),
            ("", "unnamed_file"),
            ("nul\0byte.txt", "nulbyte.txt"),
        ] {
            assert_eq!(sanitise(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn names_of_the_world_keep_all_their_characters() {
        for (raw, safe) in [
            // as macOS and as everybody else sends it
            ("Ka\u{308}se fu\u{308}r Zoe\u{308}.txt", "K\u{e4}se_f\u{fc}r_Zo\u{eb}.txt"),
            ("K\u{e4}se f\u{fc}r Zo\u{eb}.txt", "K\u{e4}se_f\u{fc}r_Zo\u{eb}.txt"),
            ("हिन्दी में.txt", "हिन्दी_में.txt"),
            ("বাংলা গান.mp3", "বাংলা_গান.mp3"),
            ("தமிழ் பாடல்.mp3", "தமிழ்_பாடல்.mp3"),
            ("ภาษาไทย ที่นี่.pdf", "ภาษาไทย_ที่นี่.pdf"),
            ("မြန်မာ.png", "မြန်မာ.png"),
            ("ខ្មែរ.png", "ខ្មែរ.png"),
            ("བོད་ཡིག.png", "བོད་ཡིག.png"),
            ("שָׁלוֹם.txt", "שָׁלוֹם.txt"),
            ("مُحَمَّد.txt", "مُحَمَّد.txt"),
            // the joiner that parts, in Persian, and the one that joins, in Sinhala
            ("می\u{200c}خواهم.txt", "می\u{200c}خواهم.txt"),
            ("ශ්\u{200d}රී.txt", "ශ්\u{200d}රී.txt"),
            ("한국어 노래.mp3", "한국어_노래.mp3"),
            ("\u{1112}\u{1161}\u{11ab}.mp3", "한.mp3"),
            ("東京の夜（ライブ）「完全版」.mp4", "東京の夜（ライブ）「完全版」.mp4"),
            ("e\u{331}\u{301}.txt", "\u{e9}\u{331}.txt"),
            ("Việt Nam.txt", "Việt_Nam.txt"),
            ("İstanbul.TXT", "İstanbul.txt"),
            ("Ωμέγα – τέλος.md", "Ωμέγα_–_τέλος.md"),
            ("party \u{1f389}.png", "party_\u{1f389}.png"),
            ("\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}.png", "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}.png"),
            ("\u{2764}\u{fe0f}.png", "\u{2764}\u{fe0f}.png"),
            ("\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}.png", "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}.png"),
            ("l’été.md", "l’été.md"),
        ] {
            assert_eq!(sanitise(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn what_is_dangerous_goes() {
        for (raw, safe) in [
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("a\u{2066}b\u{2069}.txt", "ab.txt"),
            ("a\u{200e}\u{200f}\u{61c}b.txt", "ab.txt"),
            ("a\u{85}\u{9b}b\u{7f}.txt", "ab.txt"),
            ("a\u{2028}b\u{2029}.txt", "ab.txt"),
            ("a\u{200b}\u{feff}\u{ad}\u{3164}b.txt", "ab.txt"),
            ("a\u{200d}.txt", "a.txt"),
            ("\u{200d}\u{200c}a.txt", "a.txt"),
            ("a\u{200d} \u{200d}b.txt", "a_b.txt"),
            ("a\u{2215}b\u{ff0f}c\u{ff3c}d\u{29f8}e.txt", "abcde.txt"),
            ("a\u{ff1a}b\u{ff1f}c\u{ff5c}d<\u{338}e.txt", "abcde.txt"),
            ("\u{301}a.txt", "a.txt"),
            ("a \u{308}b.txt", "a_b.txt"),
            ("e\u{200b}\u{301}.txt", "é.txt"),
            ("a\u{fffd}b\u{ffff}.txt", "ab.txt"),
            ("a\u{e0041}b.txt", "ab.txt"),
            ("a\u{a0}b\u{3000}c.txt", "a_b_c.txt"),
            ("CON.txt", "file_CON.txt"),
            ("aux", "file_aux"),
            ("com1.tar.png", "file_com1.tar.png"),
            ("LPT\u{b9}.png", "file_LPT\u{b9}.png"),
            ("console.txt", "console.txt"),
            ("...", "unnamed_file"),
            ("..", "unnamed_file"),
            ("....txt", "unnamed_file.txt"),
            ("a.txt. . .", "a.txt"),
            ("\u{202e}.txt", "unnamed_file.txt"),
        ] {
            assert_eq!(sanitise(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_what_a_reader_sees() {
        let family = "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        let safe = sanitise(&format!("{}.png", family.repeat(100)));
        assert_eq!(safe, format!("{}.png", family.repeat(50)));
        assert_eq!(sanitise(&"e\u{301}".repeat(300)), "é".repeat(255));
        let marks = sanitise(&format!("a{}.txt", "\u{331}".repeat(1_000)));
        assert_eq!(marks, format!("a{}.txt", "\u{331}".repeat(MARKS_MAX)));
    }

    #[test]
    fn people_see_the_name_as_it_was_sent() {
        for (raw, shown) in [
            ("My File (1).PNG", "My File (1).PNG"),
            ("Ka\u{308}se & Zoe\u{308}.txt", "Ka\u{308}se & Zoe\u{308}.txt"),
            ("C:\\Users\\me\\x y.md", "x y.md"),
            ("../../etc/passwd", "passwd"),
            ("<>:.pdf", "<>:.pdf"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("a\r\nb\0.txt", "ab.txt"),
            ("...", "..."),
            ("", ""),
        ] {
            assert_eq!(shown_name(raw), shown, "{raw:?}");
        }
        let long = shown_name(&format!("{} .Jpeg", "x y".repeat(200)));
        assert!(long.chars().count() == 255 && long.ends_with(".Jpeg"), "{long}");
    }

    #[test]
    fn sanitising_twice_changes_nothing() {
        for raw in ["a b.txt", "x..y..z.md", "-._-.pdf", "é (copy) (2).JPG", "a._b.txt", "a-_.-.txt"] {
            let once = sanitise(raw);
            assert_eq!(sanitise(&once), once, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_becomes_a_name(raw in ".{0,300}") {
            let safe = sanitise(&raw);
            prop_assert!(!safe.is_empty() && safe.chars().count() <= NAME_CHARS_MAX);
            prop_assert!(!safe.contains(['/', '\\', '~']) && !safe.contains(|c: char| is_control(c)));
            prop_assert_eq!(&safe, &safe.nfc().collect::<String>());
            prop_assert_eq!(&sanitise(&safe), &safe);
            prop_assert!(shown_name(&raw).chars().count() <= NAME_CHARS_MAX);
        }

        #[test]
        fn composed_or_not_makes_no_difference(raw in "[\\p{L}\\p{M}\\p{N} ._-]{0,60}") {
            prop_assert_eq!(sanitise(&raw.nfc().collect::<String>()), sanitise(&raw.nfd().collect::<String>()));
        }
    }
}
