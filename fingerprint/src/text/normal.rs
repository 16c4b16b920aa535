//! Where a text may be cut so that the parts can be normalised on their own.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::ngrams::ascii_length;

/// Bytes of one cluster: a base character and what combines with it. Longer ones (there are none in any language) are
/// cut, so that a gigabyte of combining marks takes no memory.
pub(super) const CLUSTER_BYTES_MAX: usize = 256;

/// Whether normalisation (NFKC) leaves `c` alone and never lets it touch what stands before it, so that a text may be cut
/// before `c` (UAX #15, section 9.1).
pub(super) fn starts_cluster(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => true,
        // Ideographs, and the syllables of Hangul: most of East Asian text.
        '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => true,
        // The letters of Western Europe, quotation marks, Greek, Russian, Kana.
        '\u{c0}'..='\u{ff}' | '\u{2018}'..='\u{201f}' => true,
        '\u{386}' | '\u{388}'..='\u{38a}' | '\u{38e}'..='\u{3ce}' | '\u{400}'..='\u{45f}' => true,
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => true,
        _ => canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes,
    }
}

/// Whether the normal form of `c` is a space: often there, and not worth the long way.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{3000}')
}

/// Clusters of a text that arrives in pieces, each with the offset of its first character.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    pending: String,
    pending_offset: u32,
    /// Characters so far.
    offset: u32,
}

/// What [`Clusters`] finds.
pub(super) trait ClusterSink {
    /// ASCII characters that nothing combines with.
    fn ascii(&mut self, text: &str, offset: u32);
    /// One character in normal form.
    fn char(&mut self, c: char, offset: u32);
}

impl Clusters {
    /// Adds `text`, which follows what was fed before.
    pub(super) fn feed(&mut self, text: &str, sink: &mut impl ClusterSink) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c.is_ascii() {
                self.flush(sink);
                let run = ascii_length(rest.as_bytes());
                // Something may combine with the last one.
                let next = rest[run..].chars().next();
                let safe = if next.is_some_and(starts_cluster) { run } else { run - 1 };
                if safe > 0 {
                    sink.ascii(&rest[..safe], self.offset);
                    self.offset = self.offset.saturating_add(safe as u32);
                }
                if safe < run {
                    self.push(&rest[safe..run]);
                }
                rest = &rest[run..];
                continue;
            }
            let after = &rest[c.len_utf8()..];
            if is_blank(c) && after.chars().next().is_some_and(starts_cluster) {
                self.flush(sink);
                sink.ascii(" ", self.offset);
                self.offset = self.offset.saturating_add(1);
            } else {
                if !self.pending.is_empty() && (self.pending.len() > CLUSTER_BYTES_MAX || starts_cluster(c)) {
                    self.flush(sink);
                }
                self.push(&rest[..c.len_utf8()]);
            }
            rest = after;
        }
    }

    fn push(&mut self, c: &str) {
        if self.pending.is_empty() {
            self.pending_offset = self.offset;
        }
        self.pending.push_str(c);
        self.offset = self.offset.saturating_add(1);
    }

    /// Passes on what is pending: the text ends here, or something that stands alone follows.
    pub(super) fn flush(&mut self, sink: &mut impl ClusterSink) {
        let mut chars = self.pending.chars();
        match (chars.next(), chars.next()) {
            (None, _) => return,
            (Some(c), None) if c.is_ascii() => sink.ascii(&self.pending, self.pending_offset),
            (Some(c), None) if starts_cluster(c) => sink.char(c, self.pending_offset),
            _ => self.pending.nfkc().for_each(|c| sink.char(c, self.pending_offset)),
        }
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_are_right() {
        for c in '\0'..=char::MAX {
            let by_table = canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes;
            assert_eq!(starts_cluster(c), by_table, "{c:?}");
            assert!(!is_blank(c) || std::iter::once(c).nfkc().eq([' ']), "{c:?}");
        }
    }
}
