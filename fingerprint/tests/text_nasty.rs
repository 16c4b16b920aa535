//! Texts made to hurt: each gives a fingerprint, and none takes memory or time out of proportion.
#![allow(clippy::unwrap_used)]

use std::io::{BufReader, Read};

use metastamp_fingerprint::text::{TextFingerprint, fingerprint};
use metastamp_fingerprint::{Limits, NoProgress};
use proptest::prelude::*;

fn of(bytes: &[u8]) -> TextFingerprint {
    fingerprint(bytes, None, &Limits::default(), &mut NoProgress).unwrap()
}

/// Repeats `unit` up to `left` bytes.
struct Endless<'a> {
    unit: &'a [u8],
    at: usize,
    left: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.left);
        for byte in &mut buffer[..length] {
            *byte = self.unit[self.at];
            self.at = (self.at + 1) % self.unit.len();
        }
        self.left -= length;
        Ok(length)
    }
}

fn endless(unit: &[u8], length: usize) -> TextFingerprint {
    let reader = BufReader::with_capacity(1 << 20, Endless { unit, at: 0, left: length });
    fingerprint(reader, Some(length as u64), &Limits::default(), &mut NoProgress).unwrap()
}

#[test]
fn nothing_to_see() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for bytes in [&b""[..], b" \n\t ", "\u{2003}\u{85}".as_bytes(), b"\xef\xbb\xbf", b"\xff\xfe", b"...!"] {
        let found = of(bytes);
        assert_eq!(found.features.normalized_hash, empty, "{bytes:?}");
        assert_eq!(found.features.shingles.count, 0);
        assert_eq!(found.features.language, None);
    }
    assert_eq!(of(b" \n").iscc_content, None);
    assert_eq!(of(b"").iscc_content, None);
}

/// As long as the limit allows; one line, one word.
#[test]
fn a_line_without_end() {
    for unit in [&b"x"[..], b"word "] {
        let found = endless(unit, 24 << 20);
        assert_eq!(found.line_count, 1);
        assert!(found.features.shingles.count >= 1 && found.features.shingles.count < 10);
        assert!(found.iscc_content.is_some());
    }
}

#[test]
fn combining_marks_and_expansions() {
    // U+FDFA becomes 18 characters.
    let found = endless("\u{fdfa}".as_bytes(), 2 << 20);
    assert!(found.iscc_content.is_some());
    let found = endless("\u{301}\u{316}".as_bytes(), 2 << 20);
    assert!(found.iscc_content.is_some());
    let found = endless("a\u{301}\u{316}\u{300}\u{323}".as_bytes(), 2 << 20);
    assert!(found.iscc_content.is_some());
    assert!(endless("\u{1161}\u{11a8}".as_bytes(), 2 << 20).iscc_content.is_some());
}

#[test]
fn broken_encodings() {
    // Lone surrogates, an odd byte at the end, text that changes its mind.
    let mut surrogates = vec![0xff, 0xfe];
    surrogates.extend([0x00, 0xd8, b'a', 0, 0x00, 0xdc, b'b', 0, 0x01]);
    let found = of(&surrogates);
    assert_eq!(found.metadata["encoding"], "utf-16le");
    assert_eq!(found.metadata["wordCount"], 1);
    let utf32 = [0xff, 0xfe, 0, 0, b'a', 0, 0, 0, 0, 0xd8, 0, 0, 0xff, 0xff, 0xff, 0xff, b'b', 0];
    assert_eq!(of(&utf32).metadata["encoding"], "utf-32le");
    for bytes in [&b"abc\0def"[..], b"\0", &[0; 5000], &[0xff; 5000], b"\x1b$B", &[0x80; 70_000], b"\xf0\x9f\x98"] {
        of(bytes);
    }
}

#[test]
fn right_to_left_and_marks_of_direction() {
    let plain = of("שלום עולם, this is one line of text".as_bytes());
    let marked = of("\u{202b}שלום\u{200f} עולם\u{202c},  this is\u{200b} one line of text".as_bytes());
    assert_eq!(plain.features.normalized_hash, marked.features.normalized_hash);
    assert_eq!(
        plain.features.shingles.data,
        of("שלום עולם this is one line of text".as_bytes()).features.shingles.data
    );
}

/// Only the encoding differs.
#[test]
fn the_same_text_in_many_encodings() {
    let text = "Съешь же ещё этих мягких французских булок, да выпей чаю. ".repeat(20);
    let hash = of(text.as_bytes()).features.normalized_hash;
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let utf32: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
    let windows = encoding_rs::WINDOWS_1251.encode(&text).0.into_owned();
    for bytes in [utf16, marked, utf32, windows] {
        assert_eq!(of(&bytes).features.normalized_hash, hash);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// How the bytes arrive changes nothing.
    #[test]
    fn any_bytes_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..4_000), buffer in 1_usize..300) {
        let reader = BufReader::with_capacity(buffer, &bytes[..]);
        let found = fingerprint(reader, None, &Limits::default(), &mut NoProgress).unwrap();
        prop_assert_eq!(found, of(&bytes));
    }

    /// Non-ASCII that begins behind the first 64 KiB, in any encoding.
    #[test]
    fn late_surprises(pad in 65_530_usize..65_545, tail in proptest::collection::vec(any::<u8>(), 0..300), buffer in 1_000_usize..200_000) {
        let mut bytes = b"plain words ".repeat(6_000);
        bytes.truncate(pad);
        bytes.extend(tail);
        let reader = BufReader::with_capacity(buffer, &bytes[..]);
        let found = fingerprint(reader, None, &Limits::default(), &mut NoProgress).unwrap();
        prop_assert_eq!(found, of(&bytes));
    }

    #[test]
    fn clothes_do_not_matter(words in proptest::collection::vec("[a-zé漢]{1,9}", 1..60)) {
        let plain = of(words.join(" ").as_bytes());
        let dressed = of(words.iter().map(|word| format!("\n({}); ", word.to_uppercase())).collect::<String>().as_bytes());
        prop_assert_eq!(&plain.features.normalized_hash, &dressed.features.normalized_hash);
        prop_assert_eq!(plain.features.shingles.count, dressed.features.shingles.count);
    }
}
