//! What other modalities take from images: hashes of raw pixels, encoders.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use metastamp_fingerprint::{Limits, NoProgress, image};

fn pixels(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| [(x * 3 + y) as u8, (x * y / 7) as u8, (y * 5) as u8];
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

#[test]
fn hashes_of_pixels_are_those_of_the_file() {
    for (width, height) in [(90, 61), (300, 200), (3, 400), (1, 1)] {
        let rgb = pixels(width, height);
        let file = image::encode_png(width, height, 3, &rgb).unwrap();
        let found = image::fingerprint(Cursor::new(file), &Limits::default(), &mut NoProgress).unwrap();
        let (phash, _, _) = image::rgb_hashes(width, height, &rgb);
        assert_eq!(phash, found.perceptual_hashes.phash);
    }
    let zeros = "0".repeat(64);
    assert_eq!(image::rgb_hashes(0, 0, &[]), (zeros.clone(), zeros, 0));
}

#[test]
fn pictures_are_encoded() {
    let rgb = pixels(40, 30);
    let jpeg = image::encode_jpeg(40, 30, &rgb, 80).unwrap();
    let found = image::fingerprint(Cursor::new(jpeg), &Limits::default(), &mut NoProgress).unwrap();
    assert_eq!((&found.metadata["resolution"], &found.metadata["mode"]), (&"40x30".into(), &"RGB".into()));
    for (channels, mode) in [(1, "L"), (3, "RGB"), (4, "RGBA")] {
        let png = image::encode_png(10, 5, channels, &rgb[..50 * usize::from(channels)]).unwrap();
        let found = image::fingerprint(Cursor::new(png), &Limits::default(), &mut NoProgress).unwrap();
        assert_eq!(found.metadata["mode"], mode);
    }
    assert!(image::encode_jpeg(40, 31, &rgb, 80).is_err());
    assert!(image::encode_png(40, 30, 2, &rgb[..2400]).is_err());
    assert!(image::encode_png(0, 0, 3, &[]).is_err());
}
