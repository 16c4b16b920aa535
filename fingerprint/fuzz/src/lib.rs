//! What is fuzzed: one function for each parser of ours, from bytes nobody promises anything about.
//!
//! A target passes when it returns: a fingerprint or a reasoned error are both fine. What it checks beyond "no panic,
//! no endless loop, bounded memory" is told at each. `fuzz.sh` runs them under libFuzzer, `tests/corpus.rs` runs the
//! kept inputs in the ordinary tests.

use std::io::{BufReader, Cursor, Write};
use std::ops::ControlFlow;

use metastamp_fingerprint::audio;
use metastamp_fingerprint::digest::Digester;
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Tools, compare, fuzzing, image, pdf, text};
use metastamp_protocol::fingerprint::{Chromaprint, FingerprintContent};

/// A parser under attack.
pub type Target = fn(&[u8]);

/// Every target with the name of its folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("audio", sound),
    ("chromaprint", chromaprints),
    ("digest", digests),
    ("exif", exif),
    ("image", picture),
    ("pdf", document),
    ("signature", signature),
    ("text", words),
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Small limits: what is large is refused, not waited for.
fn limits() -> Limits {
    Limits {
        pixels_max: 1 << 16,
        decoded_bytes_max: 64 << 20,
        pdf_decoded_bytes_max: 16 << 20,
        pdf_text_chars_max: 100_000,
        pdf_pages_max: 100,
        pdf_tokens_max: 100_000,
        pdf_operations_max: 100_000,
        ..Limits::default()
    }
}

/// A limit or a malformed file are answers; a message that a creator can't read is not.
fn check<T>(result: Result<T, FingerprintError>) {
    if let Err(error) = result {
        let message = error.to_string();
        assert!(!message.is_empty() && message.len() < 1_000, "an error message of {} bytes", message.len());
    }
}

/// Header and markers of PNG, JPEG and WebP, and their decoders behind the header checks.
fn picture(data: &[u8]) {
    check(image::fingerprint(Cursor::new(data), &limits(), &mut NoProgress));
}

/// An Exif block within a sound JPEG, so that every byte of it is looked at.
fn exif(data: &[u8]) {
    const JPEG: &[u8] = include_bytes!("../corpus/exif.jpg");
    let data = &data[..data.len().min(65_000)];
    let length = (data.len() + 8) as u16;
    // after the start of the image comes the block
    let mut file = JPEG[..2].to_vec();
    file.extend([0xff, 0xe1]);
    file.extend(length.to_be_bytes());
    file.extend(b"Exif\0\0");
    file.extend(data);
    file.extend(&JPEG[2..]);
    check(image::fingerprint(Cursor::new(&file), &limits(), &mut NoProgress));
}

/// Lexer, structure, object streams, fonts and text operators.
fn document(data: &[u8]) {
    check(pdf::fingerprint(data, &limits(), &mut Steps(100_000)));
}

/// Encodings. However a text is cut on its way, its fingerprint is the same.
fn words(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let limits = limits();
    let whole = text::fingerprint(data, None, &limits, &mut NoProgress);
    let pieces = BufReader::with_capacity(usize::from(*cut) + 1, data);
    let pieces = text::fingerprint(pieces, Some(data.len() as u64), &limits, &mut NoProgress);
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => assert!(whole == pieces, "cut into pieces of {} bytes", usize::from(*cut) + 1),
        (whole, pieces) => {
            check(whole);
            check(pieces);
        }
    }
}

/// However the bytes arrive, the digests are the same.
fn digests(data: &[u8]) {
    let Some((cuts, data)) = data.split_at_checked(8) else { return };
    let mut whole = Digester::new();
    whole.update(data);
    let mut pieces = Digester::new();
    let mut rest = data;
    for cut in cuts.iter().cycle().take(64) {
        let (piece, tail) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.update(piece);
        rest = tail;
    }
    pieces.update(rest);
    assert!(whole.finalize() == pieces.finalize(), "digests depend on how the bytes arrive");
}

/// Containers and codecs of sound. No other program is run for what can't be read here.
fn sound(data: &[u8]) {
    let nowhere = Tools { ffmpeg: "/nonexistent".into(), ffprobe: "/nonexistent".into(), ..Tools::default() };
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_ok() {
        check(audio::fingerprint(file.path(), &nowhere, &limits(), &mut Steps(10_000)));
    }
}

/// The compressed form of a Chromaprint, and the search for what two of them share.
fn chromaprints(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut halves = text.split('\n');
    let mut report = || {
        let fingerprint = halves.next().unwrap_or_default().to_owned();
        let raw = audio::decompress(&fingerprint);
        FingerprintContent {
            chromaprint: Some(Chromaprint { fingerprint, raw, ..Chromaprint::default() }),
            algorithms: [("chromaprint", "chromaprint/x@1")].into(),
            ..FingerprintContent::default()
        }
    };
    let (a, b) = (report(), report());
    for finding in compare::compare(&a, &b) {
        let distance = finding.distance.map_or(0.0, |distance| distance.value);
        assert!((0.0..=1.0).contains(&distance), "a bit error rate of {distance}");
    }
}

/// The MPEG-7 signature that ffmpeg writes of a video.
fn signature(data: &[u8]) {
    check(fuzzing::video_signature(data));
}

/// Progress that stops after so many reports.
struct Steps(u32);

impl metastamp_fingerprint::Progress for Steps {
    fn report(&mut self, _percent: u8) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
