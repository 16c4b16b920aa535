//! What the first bytes of a file say it is.

use super::Format;

/// How many bytes [`sniff`] wants to see, if the file has them.
pub const SNIFF_BYTES: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    Known(Format),
    /// Refused whatever the extension; the text says what it is.
    Dangerous(&'static str),
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
    for (signature, what) in DANGEROUS {
        // "MZ" and "BZh" are also how a sentence may begin: a program has bytes that no text has.
        let wordlike = signature.is_ascii() && signature.iter().all(u8::is_ascii_alphabetic);
        if head.starts_with(signature) && !(wordlike && is_text(head)) {
            return Sniffed::Dangerous(what);
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

fn media(head: &[u8]) -> Option<Format> {
    let riff = |form: &[u8]| head.starts_with(b"RIFF") && head.get(8..12) == Some(form);
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
    } else if head.starts_with(b"ID3") {
        Some(Format::Mp3)
    } else if let Some(format) = iso_media(head) {
        Some(format)
    } else if is_pdf(head) {
        Some(Format::Pdf)
    } else {
        mpeg_audio(head)
    }
}

/// `%PDF` may follow up to 1 KiB of something else, but not a page of text that merely mentions it.
fn is_pdf(head: &[u8]) -> bool {
    let window = &head[..head.len().min(1_024)];
    let Some(at) = window.windows(5).position(|w| w == b"%PDF-") else { return window.starts_with(b"%PDF") };
    at == 0 || !is_text(head) || window[..at].iter().all(u8::is_ascii_whitespace)
}

/// ISO base media (MP4, QuickTime): a box type at offset 4, its brand at offset 8.
fn iso_media(head: &[u8]) -> Option<Format> {
    match head.get(4..8)? {
        b"ftyp" => Some(match head.get(8..12)? {
            b"M4A " | b"M4B " | b"M4P " => Format::M4a,
            b"qt  " => Format::Mov,
            _ => Format::Mp4,
        }),
        b"moov" | b"mdat" | b"wide" => Some(Format::Mov),
        _ => None,
    }
}

/// Frame sync of MPEG audio: layer bits 0 are ADTS (AAC), 1 with a valid rate are Layer III, which is MP3. The byte
/// order mark of UTF-16 looks like Layer I.
fn mpeg_audio(head: &[u8]) -> Option<Format> {
    let (&first, &second, &third) = (head.first()?, head.get(1)?, head.get(2)?);
    if first != 0xff || second & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if layer == 0 {
        let rate_index = third >> 2 & 0xf;
        return (second & 0xf0 == 0xf0 && rate_index < 13).then_some(Format::Aac);
    }
    let (bitrate, rate) = (third >> 4, third >> 2 & 3);
    (layer == 1 && version != 1 && bitrate != 0xf && rate != 3).then_some(Format::Mp3)
}

/// No NUL, and mostly valid UTF-8, or UTF-16 with a byte order mark, or Latin text.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return is_utf16_text(head);
    }
    if head.is_empty() || head.contains(&0) {
        return false;
    }
    let control =
        head.iter().filter(|&&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b)).count();
    if control * 50 > head.len() {
        return false;
    }
    let valid: usize = head.utf8_chunks().map(|chunk| chunk.valid().len()).sum();
    // Valid UTF-8 but for a few bytes, or a single-byte alphabet: mostly ASCII with letters above 0xa0.
    let above = head.iter().filter(|&&b| b >= 0xa0).count();
    let ascii = head.iter().filter(|&&b| b < 0x80).count();
    valid * 10 >= head.len() * 9 || (ascii + above) * 20 >= head.len() * 19 && ascii * 2 >= head.len()
}

fn is_utf16_text(head: &[u8]) -> bool {
    let little = head.starts_with(b"\xff\xfe");
    let units: Vec<u16> = head[2..]
        .chunks_exact(2)
        .map(
            |pair| if little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) },
        )
        .collect();
    let bad = char::decode_utf16(units.iter().copied())
        .filter(|c| !matches!(c, Ok(c) if !c.is_control() || c.is_whitespace()))
        .count();
    // The last unit may be half of a pair that goes on after the head.
    bad <= 1 + units.len() / 20
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
            (b"MZ\x90\0\x03\0\0\0", Sniffed::Dangerous("a Windows program")),
            (b"MZ is where my name begins", Sniffed::Known(Format::Text)),
            (b"PK\x03\x04\x14\0", Sniffed::Dangerous("a zip archive")),
            (b"\x1f\x8b\x08\0", Sniffed::Dangerous("a gzip archive")),
            (b"\0\0\0\0\0\0\0\0\0", Sniffed::Unknown),
            (b"", Sniffed::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(sniff(head), *expected, "{:?}", String::from_utf8_lossy(head));
        }
    }
}
