use std::io::BufReader;
use std::ops::ControlFlow;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::NoProgress;

fn of(bytes: &[u8], buffer: usize) -> TextFingerprint {
    fingerprint(BufReader::with_capacity(buffer, bytes), None, &Limits::default(), &mut NoProgress).unwrap()
}

/// The definition, without streaming.
fn expected(bytes: &[u8]) -> (String, u64, u64, u64) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let lines = text.split('\n').filter(|_| !text.is_empty()).count();
    let words = text.split_whitespace().count();
    (hex::encode(Sha256::digest(text)), text.chars().count() as u64, words as u64, lines as u64)
}

fn actual(fingerprint: TextFingerprint) -> (String, u64, u64, u64) {
    (fingerprint.text_hash, fingerprint.text_length, fingerprint.word_count, fingerprint.line_count)
}

/// Bytes that start, continue and break characters, white space of several lengths among them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"word".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\r\n".to_vec()),
        Just("\u{2003}".as_bytes().to_vec()),
        Just("\u{85}".as_bytes().to_vec()),
        Just("é漢😀".as_bytes().to_vec()),
        Just("\u{feff}".as_bytes().to_vec()),
        Just(vec![0xf0, 0x9f, 0x98]),
        Just(vec![0xe2, 0x80]),
        Just(vec![0xed, 0xa0, 0x80]),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn equals_lossy_and_trimmed_for_any_buffer(bytes in pieces(), buffer in 1_usize..40) {
        prop_assert_eq!(actual(of(&bytes, buffer)), expected(&bytes));
    }
}

#[test]
fn boundaries_of_the_decode_buffer_do_not_show() {
    for pad in DECODED_BYTES - 5..DECODED_BYTES + 5 {
        let mut bytes = vec![b'a'; pad];
        bytes.extend_from_slice("😀 \u{2003}\n".as_bytes());
        bytes.extend_from_slice(&[0xf0, 0x9f]);
        bytes.extend(std::iter::repeat_n(b' ', DECODED_BYTES * 2));
        assert_eq!(actual(of(&bytes, 1 << 20)), expected(&bytes));
        bytes.push(b'z');
        assert_eq!(actual(of(&bytes, 1 << 20)), expected(&bytes));
    }
}

#[test]
fn empty_and_blank_texts() {
    for bytes in [&b""[..], b" \n\t ", "\u{2003}\u{85}".as_bytes()] {
        let fingerprint = of(bytes, 8);
        assert_eq!(fingerprint.text_hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!((fingerprint.text_length, fingerprint.word_count, fingerprint.line_count), (0, 0, 0));
        assert_eq!(fingerprint.metadata["is_empty"], true);
        assert_eq!(fingerprint.metadata["file_size"], bytes.len());
    }
}

#[test]
fn encodings_are_named() {
    let russian =
        encoding_rs::WINDOWS_1251.encode("Съешь же ещё этих мягких французских булок, да выпей чаю").0.into_owned();
    let mut late = "é".repeat(HEAD_CHARS).into_bytes();
    late.push(0xff);
    let cases: [(&[u8], &str, f64); 8] = [
        (b"", "ascii", 1.0),
        (b"plain", "ascii", 1.0),
        ("naïve".as_bytes(), "utf-8", 0.99),
        (b"\xef\xbb\xbfplain", "utf-8-sig", 1.0),
        (b"\xff\xfea\0", "utf-16le", 1.0),
        (b"\xfe\xff\0a", "utf-16be", 1.0),
        (&russian, "windows-1251", 0.5),
        (&late, "utf-8", 0.5),
    ];
    for (bytes, encoding, confidence) in cases {
        let metadata = of(bytes, 7).metadata;
        assert_eq!(metadata["encoding"], encoding);
        assert_eq!(metadata["encoding_confidence"], confidence);
    }
}

/// More two-byte characters than the encoding guess looks at.
const HEAD_CHARS: usize = 40_000;

#[test]
fn limit_and_cancellation() {
    let limits = Limits { text_bytes_max: 9, ..Limits::default() };
    let error = fingerprint(&b"0123456789"[..], None, &limits, &mut NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "text is larger than the limit of 9 bytes");

    let text = vec![b'x'; 3 << 20];
    let mut seen = Vec::new();
    let mut watch = |percent| {
        seen.push(percent);
        ControlFlow::Continue(())
    };
    fingerprint(&text[..], Some(text.len() as u64), &Limits::default(), &mut watch).unwrap();
    assert!(seen.len() >= 4 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&100));

    let mut stop = |percent| if percent > 30 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let result = fingerprint(&text[..], Some(text.len() as u64), &Limits::default(), &mut stop);
    assert!(matches!(result, Err(FingerprintError::Cancelled)));
}
