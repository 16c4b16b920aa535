//! Whole files: what the job and the command line get.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use metastamp_fingerprint::compare::{Finding, Verdict, compare, conclusion};
use metastamp_fingerprint::digest::of_reader;
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Progress, Tools, fingerprint_file, image};
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

/// A picture of 96 x 96 pixels, as a PNG file with alpha.
fn picture(pixel: impl Fn(i32, i32) -> [u8; 4]) -> FingerprintContent {
    let pixels: Vec<u8> = (0..96).flat_map(|y| (0..96).flat_map(|x| pixel(x, y)).collect::<Vec<_>>()).collect();
    let file = text_file(&image::encode_png(96, 96, 4, &pixels).unwrap());
    of(file.path(), FileKind::Image, "picture.png", &mut NoProgress).unwrap()
}

/// A sound of `seconds` at 8 kHz, as a wav file.
fn sound(seconds: u32, sample: impl Fn(u32) -> i16) -> FingerprintContent {
    let data: Vec<u8> = (0..seconds * 8_000).flat_map(|at| sample(at).to_le_bytes()).collect();
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
    wav.extend_from_slice(&(data.len() as u32).to_le_bytes());
    wav.extend_from_slice(&data);
    let length = (wav.len() as u32 - 8).to_le_bytes();
    wav[4..8].copy_from_slice(&length);
    let file = text_file(&wav);
    of(file.path(), FileKind::Audio, "sound.wav", &mut NoProgress).unwrap()
}

fn text(content: &[u8]) -> FingerprintContent {
    let file = text_file(content);
    of(file.path(), FileKind::Text, "text.txt", &mut NoProgress).unwrap()
}

/// Each of these against each other: nothing can be said of any two.
fn assert_say_nothing(works: &[(&str, FingerprintContent)]) {
    for (i, (first, a)) in works.iter().enumerate() {
        for (second, b) in &works[i + 1..] {
            let findings = compare(a, b);
            let verdict = conclusion(&findings);
            assert_eq!(verdict, Verdict::NotComparable, "{first}, {second}: {findings:#?}");
        }
    }
}

fn found<'a>(findings: &'a [Finding], field: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.field == field).unwrap()
}

#[test]
fn pictures_of_nothing_are_not_compared() {
    let noise = |seed: i32| move |x: i32, y: i32| [(200 + (x * 7 + y * 13 + seed * x * y) % 2) as u8; 3];
    let opaque = |rgb: [u8; 3]| [rgb[0], rgb[1], rgb[2], 255];
    let (one, two) = (noise(3), noise(4));
    assert_say_nothing(&[
        ("black", picture(|_, _| [0, 0, 0, 255])),
        ("white", picture(|_, _| [255; 4])),
        ("red", picture(|_, _| [200, 0, 0, 255])),
        ("noise of one level", picture(|x, y| opaque(one(x, y)))),
        ("other noise of one level", picture(|x, y| opaque(two(x, y)))),
        ("a ramp", picture(|x, _| opaque([(x * 2) as u8; 3]))),
        ("another ramp", picture(|x, _| opaque([(50 + x) as u8; 3]))),
        ("a ramp downwards", picture(|_, y| opaque([(y * 2) as u8; 3]))),
        ("a speck", picture(|x, y| if (x, y) == (40, 50) { [240, 240, 240, 255] } else { [255; 4] })),
        ("nothing but transparency", picture(|_, _| [0; 4])),
        (
            "white on nothing",
            picture(|x, y| [255, 255, 255, if (x - 40).pow(2) + (y - 50).pow(2) < 600 { 255 } else { 0 }]),
        ),
    ]);
}

#[test]
fn logos_drawn_in_alpha_are_compared_over_white() {
    let ring = |x: i32, y: i32| (400..1_500).contains(&((x - 48).pow(2) + (y - 44).pow(2)));
    let bars = |x: i32, y: i32| (x / 7 + y / 23) % 3 == 0 && x > 10;
    let logo = |shape: &dyn Fn(i32, i32) -> bool| picture(|x, y| [0, 0, 0, if shape(x, y) { 255 } else { 0 }]);
    let (rings, stripes) = (logo(&ring), logo(&bars));
    let findings = compare(&rings, &stripes);
    for field in ["phash", "dhash", "ahash", "pdq"] {
        assert_eq!(found(&findings, field).verdict, Verdict::NotComparable, "{field}");
    }
    assert_eq!(found(&findings, "phash_on_white").verdict, Verdict::Different);
    assert_eq!(conclusion(&findings), Verdict::Different, "{findings:#?}");
    // The same logo softened, and laid on white by somebody else.
    let soft = picture(|x, y| [9, 0, 0, if ring(x, y) { 240 } else { 3 }]);
    let flat = picture(|x, y| if ring(x, y) { [0, 0, 0, 255] } else { [255; 4] });
    for copy in [soft, flat] {
        let findings = compare(&rings, &copy);
        assert_eq!(found(&findings, "phash_on_white").verdict, Verdict::Same, "{findings:#?}");
        assert_eq!(conclusion(&findings), Verdict::Same);
    }
}

#[test]
fn sounds_of_nothing_are_not_compared() {
    let tone = |hertz: f64| {
        move |at: u32| (f64::sin(f64::from(at) / 8_000.0 * hertz * std::f64::consts::TAU) * 8_000.0) as i16
    };
    let click = |when: u32| move |at: u32| if at == when { 20_000 } else { 0 };
    assert_say_nothing(&[
        ("silence", sound(10, |_| 0)),
        ("longer silence", sound(14, |_| 0)),
        ("short silence", sound(2, |_| 0)),
        ("a constant voltage", sound(12, |_| 900)),
        ("a click", sound(12, click(30_000))),
        ("another click", sound(13, click(50_000))),
    ]);
    let findings = compare(&sound(12, tone(440.0)), &sound(13, tone(440.0)));
    for field in ["chromaprint", "iscc_content", "iscc_data"] {
        assert_eq!(found(&findings, field).verdict, Verdict::NotComparable, "{field}");
    }
}

#[test]
fn texts_of_nothing_are_not_compared() {
    assert_say_nothing(&[
        ("blanks", text(&b" \n".repeat(4_000))),
        ("more blanks", text(&b" \n".repeat(9_000))),
        ("one letter", text(&b"a".repeat(5_000))),
        ("more of it", text(&b"a".repeat(9_000))),
        ("dashes", text(&b"- ".repeat(4_000))),
    ]);
    let words = |seed: u32| (0..300).map(|i| format!("w{} ", (i * seed) % 397)).collect::<String>();
    let (one, two) = (text(words(7).as_bytes()), text(words(11).as_bytes()));
    assert_eq!(conclusion(&compare(&one, &two)), Verdict::Different);
    assert_eq!(conclusion(&compare(&one, &text(words(7).to_uppercase().as_bytes()))), Verdict::Same);
}

/// A film of `seconds` of one colour, with its sound, made by ffmpeg.
fn film(colour: &str, seconds: u32) -> FingerprintContent {
    let file = tempfile::Builder::new().suffix(".mp4").tempfile().unwrap();
    let picture = format!("color={colour}:s=64x48:r=5:d={seconds}");
    let sound = format!("anullsrc=r=8000:cl=mono:d={seconds}");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound, "-shortest"])
        .args(["-c:v", "mpeg4", "-c:a", "aac"])
        .arg(file.path())
        .status()
        .unwrap();
    assert!(made.success());
    of(file.path(), FileKind::Video, "film.mp4", &mut NoProgress).unwrap()
}

#[test]
fn films_of_nothing_are_not_compared() {
    assert_say_nothing(&[("black", film("black", 6)), ("white", film("white", 6)), ("longer black", film("black", 9))]);
}

fn files_below(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// All samples are read by the engine; their golden files say what it makes of them.
#[test]
fn what_the_engine_reads_is_let_in_at_the_door() {
    use metastamp_protocol::files::{SNIFF_BYTES, check_content, extension, kind_of_extension};

    // made of control characters alone: any bytes are a text to the engine, and these are none to anybody else
    let no_text = ["controls.txt"];
    let (mut samples, mut seen) = (Vec::new(), 0);
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"), &mut samples);
    for path in samples {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if extension(&name).and_then(|ending| kind_of_extension(&ending)).is_none() || no_text.contains(&name.as_str())
        {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let judged = check_content(&name, &bytes[..bytes.len().min(SNIFF_BYTES)]);
        assert!(judged.is_ok(), "{}: {judged:?}", path.display());
        seen += 1;
    }
    assert!(seen > 50, "{seen} samples");
}
