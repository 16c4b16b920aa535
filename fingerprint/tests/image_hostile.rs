//! Images that try to cost more than they are worth, and odd ones that people really have.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use libjpeg_turbo_rs::{Encoder, PixelFormat};
use metastamp_fingerprint::{FingerprintError, ImageFingerprint, Limits, NoProgress, image};

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)).unwrap()
}

fn run(bytes: &[u8]) -> Result<ImageFingerprint, FingerprintError> {
    image::fingerprint(Cursor::new(bytes), &Limits::default(), &mut NoProgress)
}

fn ramp(width: usize, height: usize) -> Vec<u8> {
    let pixel = |at: usize| [(at % width % 251) as u8, (at / width % 241) as u8, (at % 7 * 30) as u8];
    (0..width * height).flat_map(pixel).collect()
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = (body.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(body);
    let mut crc = u32::MAX;
    for &byte in &chunk[4..] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    chunk.extend_from_slice(&(!crc).to_be_bytes());
    chunk
}

/// `png` with another chunk behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&png[..33], &chunk(kind, body), &png[33..]].concat()
}

/// A zlib stream of about 64 MB of zeros: the data of a black image.
fn bomb() -> Vec<u8> {
    let png = image::encode_png(8_000, 8_000, 1, &vec![0; 64_000_000]).unwrap();
    let (mut at, mut stream) = (8, Vec::new());
    while at < png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            stream.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    assert!(stream.len() < 1 << 20);
    stream
}

#[test]
fn compressed_metadata_costs_nothing() {
    let png = image::encode_png(40, 30, 3, &ramp(40, 30)).unwrap();
    let plain = run(&png).unwrap();
    let bomb = bomb();
    for (kind, start) in [(b"zTXt", &b"Comment\0\0"[..]), (b"iCCP", b"profile\0\0"), (b"iTXt", b"Comment\0\x01\0\0\0")]
    {
        let file = with_chunk(&png, kind, &[start, &bomb].concat());
        // Refused with a reason or read without it.
        match run(&file) {
            Ok(found) => assert_eq!(found.perceptual_hashes, plain.perceptual_hashes),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let exif = with_chunk(&png, b"eXIf", &vec![b'M'; 2 << 20]);
    assert_eq!(run(&exif).unwrap().metadata["has_exif"], false);
}

#[test]
fn a_small_file_of_many_pixels_is_read_within_the_limits() {
    let png = image::encode_png(6_000, 4_000, 3, &vec![0; 72_000_000]).unwrap();
    assert!(png.len() < 500_000);
    let found = run(&png).unwrap();
    assert_eq!((found.pdq.quality, found.pdq.trimmed), (0, None));
    let limits = Limits { pixels_max: 20_000_000, ..Limits::default() };
    assert!(image::fingerprint(Cursor::new(png), &limits, &mut NoProgress).is_err());
}

#[test]
fn extreme_shapes_have_fingerprints() {
    for (width, height) in [(1, 1), (50_000, 3), (3, 50_000), (65_535, 1), (1, 65_535), (2, 2)] {
        let rgb = ramp(width as usize, height as usize);
        let found = run(&image::encode_png(width, height, 3, &rgb).unwrap()).unwrap();
        let thumbnail = &found.pictures[0].about;
        assert!(thumbnail.width.max(thumbnail.height) <= 512 && thumbnail.width.min(thumbnail.height) >= 1);
        assert!(found.iscc_content.starts_with("ISCC:EE"), "{}", found.iscc_content);
        if width.min(height) < 5 {
            assert_eq!((found.pdq.hash.as_str(), found.pdq.quality), ("0".repeat(64).as_str(), 0));
        }
        // libjpeg ends at 65,500.
        match image::encode_jpeg(width, height, &rgb, 80) {
            Ok(jpeg) => assert_eq!(run(&jpeg).unwrap().metadata["width"], width),
            Err(_) => assert_eq!(width.max(height), 65_535),
        }
    }
}

/// What libjpeg warns about and Pillow ignores.
#[test]
fn slightly_damaged_jpeg_files_are_read() {
    let jpeg = golden("images/rgb_444.jpg");
    let plain = run(&jpeg).unwrap();
    let extraneous = [&jpeg[..jpeg.len() - 2], &[0; 40], &jpeg[jpeg.len() - 2..]].concat();
    assert_eq!(run(&extraneous).unwrap().perceptual_hashes, plain.perceptual_hashes);
    let trailing = [&jpeg[..], &[7; 5_000]].concat();
    assert_eq!(run(&trailing).unwrap().perceptual_hashes, plain.perceptual_hashes);
    // A version of JFIF that nobody wrote.
    let mut version = jpeg.clone();
    assert_eq!(&version[6..10], b"JFIF");
    version[11] = 9;
    assert!(run(&version).is_ok());
}

#[test]
fn lying_jpeg_headers_are_refused() {
    let jpeg = golden("images/rgb_444.jpg");
    let frame = jpeg.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
    // Two frames of different sizes.
    let mut second = jpeg[frame..frame + 19].to_vec();
    second[5..9].copy_from_slice(&[0, 9, 0, 9]);
    let two = [&jpeg[..frame], &second, &jpeg[frame..]].concat();
    assert!(run(&two).is_err());
    // Many scans over many pixels.
    let mut scans = jpeg.clone();
    scans[frame + 1] = 0xc2;
    scans[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0xff, 0x1f, 0xff]);
    let scan = scans.windows(2).position(|window| window == [0xff, 0xda]).unwrap();
    let header = scans[scan..scan + 14].to_vec();
    for _ in 0..100 {
        scans.splice(scan..scan, header.iter().copied());
    }
    let limits = Limits { decoded_bytes_max: u64::MAX, ..Limits::default() };
    let error = image::fingerprint(Cursor::new(scans), &limits, &mut NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "jpeg image has 101 scans, too many for its size");
}

#[test]
fn arithmetic_coding_is_read() {
    let rgb = ramp(200, 120);
    let encode = |arithmetic| {
        Encoder::new(&rgb, 200, 120, PixelFormat::Rgb).quality(85).arithmetic(arithmetic).encode().unwrap()
    };
    let (arithmetic, huffman) = (run(&encode(true)).unwrap(), run(&encode(false)).unwrap());
    assert_eq!(arithmetic.perceptual_hashes, huffman.perceptual_hashes);
    assert_eq!(arithmetic.pdq, huffman.pdq);
}

#[test]
fn where_it_was_taken_is_for_the_owner() {
    for name in ["images/rgb_exif.jpg", "images/rgb_exif.png", "images/exif.webp"] {
        let found = run(&golden(name)).unwrap();
        let gps = found.gps.unwrap();
        assert_eq!((&gps["latitude"], &gps["longitude"]), (&48.2083333.into(), &16.3669444.into()), "{name}");
        assert!(!serde_json::to_string(&found.metadata).unwrap().contains("atitude"));
    }
    assert_eq!(run(&golden("images/rgb.png")).unwrap().gps, None);
}

#[test]
fn thumbnails_stand_upright_and_tell_nothing() {
    let upright = run(&golden("image/orientation_1.jpg")).unwrap().pictures.remove(0);
    assert_eq!((upright.about.width, upright.about.height, upright.about.media_type.as_str()), (100, 70, "image/jpeg"));
    let turned = run(&golden("image/orientation_6.jpg")).unwrap().pictures.remove(0);
    assert_eq!((turned.about.name.as_str(), turned.about.width, turned.about.height), ("thumbnail", 70, 100));
    let exif = run(&golden("images/rgb_exif.jpg")).unwrap().pictures.remove(0);
    assert!(!exif.bytes.windows(4).any(|window| window == b"Exif"));
    assert_eq!(run(&exif.bytes).unwrap().metadata["has_exif"], false);

    let transparent = run(&golden("image/alpha_ring.png")).unwrap().pictures.remove(0);
    assert_eq!(transparent.about.media_type, "image/png");
    assert_eq!(run(&transparent.bytes).unwrap().metadata["mode"], "RGBA");

    let large = run(&image::encode_png(1_300, 700, 3, &ramp(1_300, 700)).unwrap()).unwrap().pictures.remove(0);
    assert_eq!((large.about.width, large.about.height), (512, 276));
    let picture = run(&large.bytes).unwrap();
    assert_eq!(picture.metadata["resolution"], "512x276");
}

fn distance(a: &str, b: &str) -> u32 {
    let (a, b) = (hex::decode(a).unwrap(), hex::decode(b).unwrap());
    a.iter().zip(&b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn lookups_are_close_to_the_exact_hashes() {
    let (width, height) = (2_600, 2_100);
    // Patches of many sizes and colours.
    let patch = |x: usize, y: usize, size: usize| (((x / size * 2_654_435_761) ^ (y / size * 40_503_179)) >> 7) & 63;
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        let grey = patch(x, y, 701) + patch(x, y, 211) + patch(x, y, 83) + patch(x, y, 31);
        [grey as u8, (grey * 2 / 3) as u8, (255 - grey) as u8]
    };
    let rgb: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    let jpeg = image::encode_jpeg(width as u32, height as u32, &rgb, 85).unwrap();
    let exact = run(&jpeg).unwrap();
    let found = image::matching_hashes(Cursor::new(&jpeg), &Limits::default()).unwrap();
    assert!(distance(&exact.perceptual_hashes.phash, &found.perceptual_hashes.phash) <= 8);
    assert!(distance(&exact.pdq.hash, &found.pdq) <= 10);
    assert_eq!(found.algorithms.get("pdq").unwrap(), "pdq/pdqhash-scaled@1");
    let trio = image::exact_hashes(Cursor::new(&jpeg), &Limits::default()).unwrap();
    assert_eq!(trio, exact.perceptual_hashes);
    // Nothing to scale: the same hashes.
    let png = golden("images/rgb.png");
    let found = image::matching_hashes(Cursor::new(&png), &Limits::default()).unwrap();
    assert_eq!(found.perceptual_hashes, run(&png).unwrap().perceptual_hashes);
}
