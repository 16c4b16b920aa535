//! Where a text may be cut so that the parts can be normalised on their own.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

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
        // Russian, without the letters behind it that have marks.
        '\u{400}'..='\u{45f}' => true,
        _ => canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes,
    }
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
                let run = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
                // Something may combine with the last one.
                let (safe, last) = rest[..run].split_at(run - 1);
                if !safe.is_empty() {
                    sink.ascii(safe, self.offset);
                    self.offset = self.offset.saturating_add(safe.len() as u32);
                }
                self.push(last);
                rest = &rest[run..];
            } else {
                if !self.pending.is_empty() && (self.pending.len() > CLUSTER_BYTES_MAX || starts_cluster(c)) {
                    self.flush(sink);
                }
                self.push(&rest[..c.len_utf8()]);
                rest = &rest[c.len_utf8()..];
            }
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
