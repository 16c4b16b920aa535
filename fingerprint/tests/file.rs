//! Whole files: what the job and the command line get.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use metastamp_fingerprint::digest::of_reader;
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Progress, Tools, fingerprint_file};
use metastamp_protocol::FileKind;
use metastamp_protocol::files::kind_of_name;
use metastamp_protocol::fingerprint::FingerprintContent;

fn of(
    path: &Path,
    kind: FileKind,
    name: &str,
    progress: &mut dyn Progress,
) -> Result<FingerprintContent, FingerprintError> {
    fingerprint_file(path, kind, name, None, &Tools::default(), &Limits::default(), progress).map(|found| found.content)
}

fn text_file(content: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn kinds_go_by_the_last_extension() {
    let cases = [
        ("a.txt", Some(FileKind::Text)),
        ("A.PDF", Some(FileKind::Text)),
        ("x.tar.png", Some(FileKind::Image)),
        ("x.JPEG", Some(FileKind::Image)),
        ("dir.mp3/x.wav", Some(FileKind::Audio)),
        ("x.mov", Some(FileKind::Video)),
        ("x.zip", None),
        ("mp4", None),
        (".mp4", None),
        ("", None),
    ];
    for (path, kind) in cases {
        assert_eq!(kind_of_name(path), kind, "{path}");
    }
}

#[test]
fn a_text_has_digests_and_codes() {
    let content = b"Hello World, this is a text of some words. ".repeat(30);
    let file = text_file(&content);
    let report = of(file.path(), FileKind::Text, "hello.txt", &mut NoProgress).unwrap();
    assert_eq!(report.digests.as_ref(), Some(&of_reader(&content[..], &mut NoProgress).unwrap()));
    assert_eq!(report.word_count, Some(9 * 30));
    let iscc = report.iscc.as_ref().unwrap();
    assert_eq!(iscc.meta.as_deref(), Some("ISCC:AAAWKLHFXM75OAMK"));
    for field in ["text_hash", "sha256", "blake3", "iscc_meta", "iscc_data", "iscc_instance"] {
        assert!(report.algorithms.get(field).is_some(), "{field}");
    }

    // Digests that are known already are not made again.
    let mut known = report.digests.clone().unwrap();
    known.sha256 = "known".to_owned();
    let limits = Limits::default();
    let again = fingerprint_file(
        file.path(),
        FileKind::Text,
        "hello.txt",
        Some(known.clone()),
        &Tools::default(),
        &limits,
        &mut NoProgress,
    );
    assert_eq!(again.unwrap().content.digests, Some(known));
}

#[test]
fn pdf_documents_are_found_by_name_or_content() {
    let file = text_file(b"%PDF-1.4 nothing more");
    for name in ["x.pdf", "x", "x.upload"] {
        assert!(
            matches!(of(file.path(), FileKind::Text, name, &mut NoProgress), Err(FingerprintError::Malformed(_))),
            "{name}"
        );
    }
    assert!(of(file.path(), FileKind::Text, "x.txt", &mut NoProgress).unwrap().text_hash.is_some());
}

#[test]
fn images_report_both_ways() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/images/rgb_256.png");
    let report = of(&path, FileKind::Image, "rgb_256.png", &mut NoProgress).unwrap();
    assert!(report.perceptual_hashes.is_some() && report.iscc.is_some());
    assert_eq!(report.image_metadata.as_ref(), Some(&report.metadata));
}

#[test]
fn progress_rises_to_the_end_and_stops_the_work() {
    let file = text_file(&vec![b'x'; 4 << 20]);
    let mut seen = Vec::new();
    let mut watch = |percent| {
        seen.push(percent);
        ControlFlow::Continue(())
    };
    of(file.path(), FileKind::Text, "x.txt", &mut watch).unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.last() == Some(&100), "{seen:?}");

    let mut stop = |percent| if percent > 30 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert!(matches!(of(file.path(), FileKind::Text, "x.txt", &mut stop), Err(FingerprintError::Cancelled)));
}

#[test]
fn a_file_that_is_gone_may_be_tried_again() {
    let result = of(Path::new("/nowhere/x.txt"), FileKind::Text, "x.txt", &mut NoProgress);
    assert!(matches!(result, Err(FingerprintError::Io(_))));
}
