//! Hostile, broken and unusual images.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;

use metastamp_fingerprint::{FingerprintError, ImageFingerprint, Limits, NoProgress, image};

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/images").join(name)).unwrap()
}

fn run(bytes: &[u8]) -> Result<ImageFingerprint, FingerprintError> {
    image::fingerprint(Cursor::new(bytes), &Limits::default(), &mut NoProgress)
}

fn message(bytes: &[u8]) -> String {
    run(bytes).unwrap_err().to_string()
}

/// A PNG header that declares a size, and nothing else.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend_from_slice(&width.to_be_bytes());
    png.extend_from_slice(&height.to_be_bytes());
    png.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    png
}

#[test]
fn declared_sizes_are_refused_from_the_header() {
    assert_eq!(
        message(&png_header(50_000, 50_000)),
        "image declares 50000x50000 pixels, more than the limit of 100 megapixels"
    );
    assert_eq!(
        message(&png_header(u32::MAX, u32::MAX)),
        "image declares 4294967295x4294967295 pixels, more than the limit of 100 megapixels"
    );
    assert_eq!(
        message(&png_header(1_000_000, 2)),
        "image declares 1000000x2 pixels, more than the limit of 65535 on a side"
    );
    assert_eq!(message(&png_header(0, 5)), "image has no pixels");

    let mut jpeg = golden("rgb_444.jpg");
    let frame = jpeg.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert!(message(&jpeg).starts_with("image declares 65535x65535 pixels"));

    let mut webp = golden("lossless_alpha.webp");
    webp[21..25].fill(0xff);
    assert!(message(&webp).starts_with("image declares 16384x16384 pixels"));
}

#[test]
fn memory_of_the_decoder_is_limited() {
    let limits = Limits { decoded_bytes_max: 1 << 20, ..Limits::default() };
    let error = image::fingerprint(Cursor::new(golden("rgb_large.png")), &limits, &mut NoProgress).unwrap_err();
    assert!(matches!(&error, FingerprintError::LimitExceeded { limit: "decoded_bytes_max", .. }), "{error}");
    assert_eq!(error.to_string(), "image of 640x480 pixels needs 2 MiB to decode, more than the limit of 1 MiB");

    let limits = Limits { jpeg_scans_max: 3, ..Limits::default() };
    let error = image::fingerprint(Cursor::new(golden("rgb_progressive.jpg")), &limits, &mut NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "jpeg image has more than 3 scans");
}

#[test]
fn truncated_files_are_refused() {
    for name in ["rgb.png", "palette.png", "rgb_420.jpg", "rgb_progressive.jpg", "lossless.webp", "lossy.webp"] {
        let bytes = golden(name);
        for keep in [bytes.len() - 30, bytes.len() / 2, bytes.len() / 10, 40] {
            assert_eq!(message(&bytes[..keep]), "image is truncated", "{name} cut to {keep}");
        }
    }
    let jpeg = golden("rgb_444.jpg");
    assert_eq!(message(&jpeg[..jpeg.len() - 1]), "image is truncated");
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"GIF89a", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"\xff\xd8", &[0; 100]] {
        assert_eq!(message(bytes), "not a PNG, JPEG or WebP image");
    }
}

#[test]
fn corrupt_bytes_never_panic() {
    for name in [
        "rgb.png",
        "palette.png",
        "grey_16.png",
        "rgb_exif.jpg",
        "rgb_progressive.jpg",
        "lossy_alpha.webp",
        "exif.webp",
        "animated.webp",
    ] {
        let bytes = golden(name);
        // A small generator (xorshift) keeps the run the same every time.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..60 {
            let mut broken = bytes.clone();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = state as usize % broken.len();
                broken[at] = (state >> 40) as u8;
            }
            // Either outcome is fine; the call returns.
            let _ = run(&broken);
        }
    }
}

#[test]
fn exif_is_read_without_the_place() {
    for name in ["rgb_exif.jpg", "rgb_exif.png", "exif.webp"] {
        let metadata = run(&golden(name)).unwrap().metadata;
        assert_eq!(metadata["has_exif"], true, "{name}");
        assert_eq!(metadata["camera"], "Pinhole Zero", "{name}");
        assert_eq!(metadata["dateTaken"], "2024-02-29T12:34:56+02:00", "{name}");
        let exif = metadata["exif"].as_object().unwrap();
        assert_eq!(exif["Orientation"], 6);
        assert_eq!(exif["ExposureTime"], 0.004);
        assert!(exif.keys().all(|key| !key.contains("GPS")), "{exif:?}");
    }
    let plain = run(&golden("rgb.png")).unwrap();
    assert_eq!(plain.metadata["has_exif"], false);
    assert_eq!(plain.metadata["resolution"], "120x90");
    assert_eq!(plain.metadata["file_size"], golden("rgb.png").len());
    assert_eq!(plain.algorithms.get("phash").unwrap(), "phash/imagehash-16-pillow-12.2.0@2");
}

#[test]
fn progress_rises_and_cancels() {
    let mut seen = Vec::new();
    let mut watch = |percent| {
        seen.push(percent);
        ControlFlow::Continue(())
    };
    image::fingerprint(Cursor::new(golden("rgb.png")), &Limits::default(), &mut watch).unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.last() == Some(&100), "{seen:?}");

    let mut stop = |_| ControlFlow::Break(());
    let result = image::fingerprint(Cursor::new(golden("rgb.png")), &Limits::default(), &mut stop);
    assert!(matches!(result, Err(FingerprintError::Cancelled)));
}

/// A PNG file of the same picture as `golden`, its data cut in two at `at`, the check sum of the second half wrong when
/// `bad`, and without its end when `endless`.
fn png_in_two(golden: &[u8], bad: bool, endless: bool) -> Vec<u8> {
    let mut data = Vec::new();
    let mut at = 8;
    while at < golden.len() {
        let length = u32::from_be_bytes(golden[at..at + 4].try_into().unwrap()) as usize;
        if &golden[at + 4..at + 8] == b"IDAT" {
            data.extend_from_slice(&golden[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    let mut out = golden[..33].to_vec();
    let (first, second) = data.split_at(data.len() / 2);
    for (part, bad) in [(first, false), (second, bad)] {
        let mut crc = flate2::Crc::new();
        crc.update(b"IDAT");
        crc.update(part);
        out.extend_from_slice(&(part.len() as u32).to_be_bytes());
        out.extend_from_slice(b"IDAT");
        out.extend_from_slice(part);
        out.extend_from_slice(&(crc.sum() ^ u32::from(bad)).to_be_bytes());
    }
    if !endless {
        out.extend_from_slice(&golden[golden.len() - 12..]);
    }
    out
}

/// As Pillow 12.2.0 opens them: all of these, to the same pixels.
#[test]
fn png_without_its_end_or_with_wrong_check_sums_is_read() {
    for name in ["rgb.png", "grey.png", "rgb_16.png"] {
        let whole = golden(name);
        let wanted = run(&whole).unwrap();
        for (bad, endless) in [(true, false), (false, true), (true, true)] {
            let found = run(&png_in_two(&whole, bad, endless)).unwrap();
            assert_eq!(found.perceptual_hashes, wanted.perceptual_hashes, "{name} {bad} {endless}");
            assert_eq!((&found.pdq, &found.iscc_content), (&wanted.pdq, &wanted.iscc_content));
        }
        // The check sums of the picture and of its end.
        let endless = png_in_two(&whole, false, true);
        assert_eq!(run(&endless[..endless.len() - 4]).unwrap().pdq, wanted.pdq, "{name}");
        // A header that is wrong makes another picture of it.
        let mut wrong = endless.clone();
        wrong[30] ^= 1;
        assert_eq!(message(&wrong), "image data is corrupt", "{name}");
        assert_eq!(message(&endless[..endless.len() - 60]), "image is truncated", "{name}");
    }
}
