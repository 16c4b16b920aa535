//! What the first bytes of a file say it is.

mod foreign;
mod iso;
mod mpeg;

use super::{Format, charset};
use crate::FileKind;

/// How many bytes [`sniff`] wants to see, if the file has them: as many as decide on the encoding of a text.
pub const SNIFF_BYTES: usize = charset::HEAD_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    Known(Format),
    /// Refused whatever the extension; the text says what it is.
    Dangerous(&'static str),
    /// A format that we don't read: what it is, and what to do.
    Foreign(&'static str, &'static str),
    Unknown,
}

const DANGEROUS: &[(&[u8], &str)] = &[
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xfe\xed\xfa\xce", "a macOS program"),
    (b"\xfe\xed\xfa\xcf", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a class file or macOS program"),
    (b"#!", "a script"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"PK\x07\x08", "a zip archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
];

/// Judges the first [`SNIFF_BYTES`] of a file.
pub fn sniff(head: &[u8]) -> Sniffed {
    if let Some((what, advice)) = foreign::named(head) {
        return Sniffed::Foreign(what, advice);
    }
    for (signature, what) in DANGEROUS {
        // "MZ" and "BZh" are also how a sentence may begin: a program has bytes that no text has, whatever follows.
        let wordlike = signature.is_ascii() && signature.iter().all(u8::is_ascii_alphabetic);
        if head.starts_with(signature) && !(wordlike && begins_in_words(head) && is_text(head)) {
            return Sniffed::Dangerous(if signature.starts_with(b"PK") { zip(head) } else { what });
        }
    }
    if head.get(257..262) == Some(b"ustar") {
        return Sniffed::Dangerous("a tar archive");
    }
    match media(head) {
        Some(format) => Sniffed::Known(format),
        None if is_text(head) => Sniffed::Known(Format::Text),
        None => Sniffed::Unknown,
    }
}

/// Documents that are archives: to say "a zip archive" of a letter helps nobody.
fn zip(head: &[u8]) -> &'static str {
    let holds = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if head.get(30..).is_some_and(|rest| rest.starts_with(b"mimetypeapplication/epub+zip")) {
        "an EPUB book (a zip archive; save it as PDF)"
    } else if head.get(30..).is_some_and(|rest| rest.starts_with(b"mimetypeapplication/vnd.oasis.opendocument")) {
        "an OpenDocument file (a zip archive; save it as PDF)"
    } else if holds(b"[Content_Types].xml") || holds(b"word/") {
        "an Office document (a zip archive; save it as PDF)"
    } else {
        "a zip archive"
    }
}

fn media(head: &[u8]) -> Option<Format> {
    let riff = |form: &[u8]| {
        (head.starts_with(b"RIFF") || head.starts_with(b"RF64") || head.starts_with(b"BW64"))
            && head.get(8..12) == Some(form)
    };
    if head.starts_with(b"\x89PNG") {
        Some(Format::Png)
    } else if head.starts_with(b"\xff\xd8\xff") {
        Some(Format::Jpeg)
    } else if riff(b"WEBP") {
        Some(Format::Webp)
    } else if riff(b"WAVE") {
        Some(Format::Wav)
    } else if riff(b"AVI ") {
        Some(Format::Avi)
    } else if head.starts_with(b"ID3") || head.starts_with(b"APETAGEX") {
        Some(Format::Mp3)
    } else if let Some(format) = iso::media(head) {
        Some(format)
    } else if is_pdf(head) {
        Some(Format::Pdf)
    } else {
        mpeg::starts(head)
    }
}

/// What the bytes are under an extension of `expected`: a page of text that mentions `%PDF` is a text, and as a document one
/// that begins late; frames of sound behind other bytes are looked for where sound is expected.
pub fn sniff_as(expected: Format, head: &[u8]) -> Sniffed {
    let found = sniff(head);
    match expected {
        Format::Pdf if found == Sniffed::Known(Format::Text) && mentions_pdf(head) => Sniffed::Known(Format::Pdf),
        _ if found == Sniffed::Unknown && expected.kind() == FileKind::Audio => {
            mpeg::behind_other_bytes(head).map_or(found, Sniffed::Known)
        }
        _ => found,
    }
}

fn mentions_pdf(head: &[u8]) -> bool {
    head[..head.len().min(PDF_WITHIN)].windows(5).any(|window| window == b"%PDF-")
}

/// Where the signature of a document may begin.
const PDF_WITHIN: usize = 1_024;

/// `%PDF` may follow up to 1 KiB of something else, but not a page of text that merely mentions it.
fn is_pdf(head: &[u8]) -> bool {
    let window = &head[..head.len().min(PDF_WITHIN)];
    let Some(at) = window.windows(5).position(|w| w == b"%PDF-") else { return window.starts_with(b"%PDF") };
    at == 0 || !is_text(head) || window[..at].iter().all(u8::is_ascii_whitespace)
}

fn begins_in_words(head: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < 0x20 && !byte.is_ascii_whitespace();
    !head.iter().take(64).any(is_control)
}

fn is_text(head: &[u8]) -> bool {
    charset::is_text(head, head.len() < SNIFF_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let cases: &[(&[u8], Sniffed)] = &[
            (b"\x89PNG\r\n\x1a\n", Sniffed::Known(Format::Png)),
            (b"\xff\xd8\xff\xe0", Sniffed::Known(Format::Jpeg)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Sniffed::Known(Format::Webp)),
            (b"RIFF\0\0\0\0WAVEfmt ", Sniffed::Known(Format::Wav)),
            (b"RIFF\0\0\0\0AVI LIST", Sniffed::Known(Format::Avi)),
            (b"ID3\x04\0\0", Sniffed::Known(Format::Mp3)),
            (b"\xff\xfb\x90\x64", Sniffed::Known(Format::Mp3)),
            (b"\xff\xf1\x50\x80", Sniffed::Known(Format::Aac)),
            (b"\0\0\0\x20ftypisom", Sniffed::Known(Format::Mp4)),
            (b"\0\0\0\x20ftypM4A ", Sniffed::Known(Format::M4a)),
            (b"\0\0\0\x14ftypqt  ", Sniffed::Known(Format::Mov)),
            (b"\n\n%PDF-1.4", Sniffed::Known(Format::Pdf)),
            (b"In a book about %PDF-1.4 files", Sniffed::Known(Format::Text)),
            ("Gr\u{fc}\u{df}e".as_bytes(), Sniffed::Known(Format::Text)),
            (b"caf\xe9 au lait, s'il vous pla\xeet", Sniffed::Known(Format::Text)),
            (b"\xff\xfeh\0i\0", Sniffed::Known(Format::Text)),
            (b"\xff\xfe\x41\0\x42\0", Sniffed::Known(Format::Text)),
            (b"RF64\xff\xff\xff\xffWAVEds64", Sniffed::Known(Format::Wav)),
            (b"\0\0\0\x08free\0\0\0\x10ftypqt  ", Sniffed::Known(Format::Mov)),
            (b"\0\0\0\x08free\0\0\x10\0moov", Sniffed::Known(Format::Mov)),
            (b"\0\0\0\x08wide\0\0\x10\0mdat", Sniffed::Known(Format::Mov)),
            (b"\0\0\0\x08skip\0\0\x10\0ftypisom", Sniffed::Known(Format::Mp4)),
            (b"\0\0\x10\0freeetcetera", Sniffed::Known(Format::Mov)),
            (b"APETAGEX\xd0\x07\0\0", Sniffed::Known(Format::Mp3)),
            (b"MZ\x90\0\x03\0\0\0", Sniffed::Dangerous("a Windows program")),
            (b"MZ is where my name begins", Sniffed::Known(Format::Text)),
            (
                b"MZ\x90\0\x03 and then a page of words that anybody can read, and another one",
                Sniffed::Dangerous("a Windows program"),
            ),
            (b"PK\x03\x04\x14\0", Sniffed::Dangerous("a zip archive")),
            (
                b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\x14\0\0\0\x08\0\0\0mimetypeapplication/epub+zip",
                Sniffed::Dangerous("an EPUB book (a zip archive; save it as PDF)"),
            ),
            (
                b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml",
                Sniffed::Dangerous("an Office document (a zip archive; save it as PDF)"),
            ),
            (b"\x1f\x8b\x08\0", Sniffed::Dangerous("a gzip archive")),
            (b"\0\0\0\0\0\0\0\0\0", Sniffed::Unknown),
            (b"", Sniffed::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(sniff(head), *expected, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_document_may_begin_late_and_a_text_may_mention_one() {
        let late = b"From the desk of the secretary of the board\n%PDF-1.4\n";
        assert_eq!(sniff_as(Format::Pdf, late), Sniffed::Known(Format::Pdf));
        assert_eq!(sniff_as(Format::Text, late), Sniffed::Known(Format::Text));
        let too_late = ["x".repeat(1_024), "%PDF-1.4".to_owned()].concat();
        assert_eq!(sniff_as(Format::Pdf, too_late.as_bytes()), Sniffed::Known(Format::Text));
    }

    #[test]
    fn sound_may_begin_behind_bytes_that_are_none() {
        // MPEG-1 Layer III, 128 kbit/s, 44.1 kHz: 417 bytes; ADTS: 200 bytes
        let mp3 = [&b"\xff\xfb\x90\x64"[..], &[0; 413]].concat().repeat(5);
        let adts = [&b"\xff\xf1\x50\x80\x19\x1f\xfc"[..], &[0; 193]].concat().repeat(5);
        let junk: Vec<u8> = (0..3_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        for before in [&[0; 5_000][..], &junk, b"\0", b"Xing\0\x01\x02\x03\xff\xfb", &[0xff; 100]] {
            let behind = |frames: &[u8]| [before, frames].concat();
            assert_eq!(sniff_as(Format::Mp3, &behind(&mp3)), Sniffed::Known(Format::Mp3));
            assert_eq!(sniff_as(Format::Aac, &behind(&adts)), Sniffed::Known(Format::Aac));
        }
        assert_eq!(sniff_as(Format::Mp3, &[0; 5_000]), Sniffed::Unknown);
        assert_eq!(sniff_as(Format::Mp3, &junk), Sniffed::Unknown);
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (head, name) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x18ftypcrx \0\0\0\0", "raw"),
            (b"\xff\x0a\0\0", "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"MM\0*\0\0\0\x08", "TIFF"),
            (b"GIF89a\x01\0", "GIF"),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "BMP"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns", "SVG"),
            (b"  <svg xmlns", "SVG"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office"),
            (b"{\\rtf1\\ansi", "RTF"),
            (b"%!PS-Adobe-3.0", "PostScript"),
            (b"fLaC\0\0\0\x22", "FLAC"),
            (b"OggS\0\x02", "Ogg"),
            (b"FORM\0\0\0\0AIFF", "AIFF"),
            (b"MThd\0\0\0\x06", "MIDI"),
            (b"#!AMR\n", "AMR"),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
            (b"FLV\x01\x05", "Flash"),
            (b"\x1a\x45\xdf\xa3\x01\0", "Matroska"),
            (b"\0\0\x01\xba\x44", "MPEG"),
        ] {
            let Sniffed::Foreign(what, advice) = sniff(head) else { panic!("{name}: {:?}", sniff(head)) };
            assert!(what.contains(name) && !advice.is_empty(), "{name}: {what}");
        }
        let transport = [&[0x47_u8][..], &[0x1f; 187]].concat().repeat(4);
        assert!(matches!(sniff(&transport), Sniffed::Foreign(what, _) if what.contains("transport")));
    }
}
