//! Guesses the encoding of a text for its metadata.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

/// Bytes from the start that the statistical guess sees.
const HEAD_BYTES: usize = 64 << 10;

/// Collects what is needed to name the encoding of a text.
pub(super) struct EncodingGuess {
    head: Vec<u8>,
    ascii: bool,
}

impl EncodingGuess {
    pub(super) fn new() -> Self {
        Self { head: Vec::new(), ascii: true }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.ascii &= bytes.is_ascii();
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
    }

    /// Lower-case name and confidence; `malformed` says whether the whole text failed to decode as
    /// UTF-8 somewhere. The table is in the documentation of
    /// [`TextFingerprint::metadata`](super::TextFingerprint::metadata).
    pub(super) fn finish(self, malformed: bool) -> (String, f64) {
        if let Some((encoding, length)) = encoding_rs::Encoding::for_bom(&self.head) {
            let name = if length == 3 { "utf-8-sig".to_owned() } else { encoding.name().to_lowercase() };
            return (name, 1.0);
        }
        if self.ascii {
            return ("ascii".to_owned(), 1.0);
        }
        if !malformed {
            return ("utf-8".to_owned(), 0.99);
        }
        // The head may end inside a character; that alone does not make it malformed.
        let head_is_utf8 = match std::str::from_utf8(&self.head) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none() && self.head.len() == HEAD_BYTES,
        };
        if head_is_utf8 {
            return ("utf-8".to_owned(), 0.5);
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(&self.head, true);
        let encoding = detector.guess(None, Utf8Detection::Deny);
        (encoding.name().to_lowercase(), 0.5)
    }
}
