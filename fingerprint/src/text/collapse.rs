//! What a Text-Code keeps of single characters: the way through all steps of cleaning, for characters whose neighbours
//! make no difference. That is nearly all text; the rest takes the long way, see [`super::code`].

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::memo::Memo;

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays, or one other character comes for it.
    Kept(char),
    Dropped,
    /// Neighbours make a difference, or several characters come for it.
    Other,
}

/// Fates of characters that are not ASCII.
#[derive(Debug, Default)]
pub(super) struct Fates(Memo<Fate>);

impl Fates {
    #[inline]
    pub(super) fn of(&mut self, c: char) -> Fate {
        match c {
            // Most of East Asian text, which has too many characters to be remembered.
            '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Fate::Kept(c),
            _ => self.0.get(c, fate),
        }
    }
}

fn fate(c: char) -> Fate {
    let clean: String = std::iter::once(c).nfkc().filter(|&c| is_newline(c) || !is_control(c)).nfd().collect();
    // The lower case of a sigma depends on what stands beside it.
    if !stands_alone(c) || clean.contains('Σ') {
        return Fate::Other;
    }
    let kept: String = clean.to_lowercase().chars().filter(|&c| !is_dropped(c)).nfkc().collect();
    let mut chars = kept.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Fate::Dropped,
        (Some(kept), None) if stands_alone(kept) => Fate::Kept(kept),
        _ => Fate::Other,
    }
}

/// Whether nothing before `c` ever combines with it (UAX #15, section 9.1).
pub(super) fn stands_alone(c: char) -> bool {
    let first = std::iter::once(c).nfkd().next().unwrap_or(c);
    canonical_combining_class(first) == 0 && is_nfc_quick(std::iter::once(first)) == IsNormalized::Yes
}

/// What cleaning keeps of the control characters, as line ends.
pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_control(c: char) -> bool {
    !c.is_ascii_graphic()
        && matches!(
            get_general_category(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Unassigned
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
        )
}

/// White space, control characters, marks, punctuation.
pub(super) fn is_dropped(c: char) -> bool {
    use GeneralCategory as Category;
    if c.is_ascii() {
        return COLLAPSED[usize::from(c as u8)] == 0;
    }
    c.is_whitespace()
        || is_control(c)
        || matches!(
            get_general_category(c),
            Category::NonspacingMark
                | Category::SpacingMark
                | Category::EnclosingMark
                | Category::ConnectorPunctuation
                | Category::DashPunctuation
                | Category::OpenPunctuation
                | Category::ClosePunctuation
                | Category::InitialPunctuation
                | Category::FinalPunctuation
                | Category::OtherPunctuation
        )
}

/// All steps for the ASCII characters, 0 for those that are dropped: letters in lower case, digits, and the symbols,
/// which Unicode does not count as punctuation, stay.
static COLLAPSED: [u8; 256] = {
    let mut collapsed = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'+' | b'<' | b'=' | b'>' | b'^' | b'`' | b'|' | b'~')
        {
            collapsed[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    collapsed
};

/// Adds what is kept of ASCII characters to `kept`.
pub(super) fn collapse_ascii(ascii: &[u8], kept: &mut Vec<u8>) {
    let mut length = kept.len();
    kept.resize(length + ascii.len(), 0);
    // Without branches: what is dropped is written, and then written over.
    let room = &mut kept[..];
    for &byte in ascii {
        let collapsed = COLLAPSED[usize::from(byte)];
        if let Some(place) = room.get_mut(length) {
            *place = collapsed;
        }
        length += usize::from(collapsed != 0);
    }
    kept.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_are_right() {
        let mut fates = Fates::default();
        for c in '\u{80}'..=char::MAX {
            assert_eq!(fates.of(c), fate(c), "{c:?}");
        }
    }
}
