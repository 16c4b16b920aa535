//! Pictures by formula: one for each image format.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, ImageResult, Rgb, RgbImage};

/// A colour from three waves over `t` in 0..1, each with its own phase: smooth, and never muddy.
fn rainbow(t: f64, phases: [f64; 3]) -> Rgb<u8> {
    Rgb(phases.map(|phase| (127.5 + 127.5 * (std::f64::consts::TAU * (t + phase)).cos()) as u8))
}

/// Linear between two colours.
fn blend(from: [f64; 3], to: [f64; 3], t: f64) -> [f64; 3] {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * t.clamp(0.0, 1.0))
}

fn rgb(colour: [f64; 3]) -> Rgb<u8> {
    Rgb(colour.map(|channel| channel.clamp(0.0, 255.0) as u8))
}

/// A Julia set of z² + c, 800x600.
pub fn julia_png() -> ImageResult<Vec<u8>> {
    const ROUNDS: u32 = 160;
    let picture = RgbImage::from_fn(800, 600, |px, py| {
        let (mut x, mut y) = ((f64::from(px) - 400.0) / 260.0, (f64::from(py) - 300.0) / 260.0);
        let mut round = 0;
        while round < ROUNDS && x * x + y * y < 64.0 {
            (x, y) = (x * x - y * y - 0.7269, 2.0 * x * y + 0.1889);
            round += 1;
        }
        if round == ROUNDS {
            return Rgb([12, 10, 24]);
        }
        // The fraction of the last round makes the bands flow into each other; steps keep the file small.
        let smooth = f64::from(round) + 1.0 - ((x * x + y * y).ln() / 2.0).log2();
        let t = (smooth.max(0.0).sqrt() * 24.0).round() / 24.0;
        rainbow(t * 0.19, [0.62, 0.52, 0.30])
    });
    encode(&picture, ImageFormat::Png)
}

/// Mountains in five layers before an evening sky, 900x560.
pub fn landscape_jpeg() -> ImageResult<Vec<u8>> {
    const SKY: [[f64; 3]; 2] = [[38.0, 42.0, 96.0], [250.0, 164.0, 96.0]];
    const RIDGES: [[f64; 3]; 2] = [[196.0, 120.0, 118.0], [24.0, 20.0, 44.0]];
    let ridge = |layer: f64, x: f64| {
        let wave = |length: f64, height: f64| (x / length + layer * 2.4).sin() * height;
        230.0 + layer * 66.0 + wave(140.0, 38.0) + wave(61.0, 17.0) + wave(23.0, 6.0) + wave(9.0, 2.0)
    };
    let picture = RgbImage::from_fn(900, 560, |px, py| {
        let (x, y) = (f64::from(px), f64::from(py));
        // The nearest layer that reaches up to this pixel hides the others.
        let nearest = (0..5).rev().map(f64::from).find(|&layer| y > ridge(layer, x));
        if let Some(layer) = nearest {
            let haze = ((y - ridge(layer, x)) / 160.0).min(1.0) * 0.18;
            return rgb(blend(RIDGES[0], RIDGES[1], layer / 4.0 + 0.1 - haze));
        }
        let sky = blend(SKY[0], SKY[1], y / 300.0);
        let distance = ((x - 620.0).powi(2) + (y - 170.0).powi(2)).sqrt();
        let glow = if distance < 46.0 { 1.0 } else { (46.0 / distance).powi(2) * 0.7 };
        rgb(blend(sky, [255.0, 240.0, 200.0], glow))
    });
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 88).encode_image(&picture)?;
    Ok(out)
}

/// Circular waves from three points, in few colours, 480x480.
pub fn interference_webp() -> ImageResult<Vec<u8>> {
    const SOURCES: [(f64, f64); 3] = [(120.0, 140.0), (370.0, 110.0), (250.0, 390.0)];
    let picture = RgbImage::from_fn(480, 480, |px, py| {
        let height: f64 = SOURCES
            .iter()
            .map(|(x, y)| (((f64::from(px) - x).powi(2) + (f64::from(py) - y).powi(2)).sqrt() / 9.0).cos())
            .sum();
        let step = ((height + 3.0) * 2.0).floor() / 12.0;
        rgb(blend([10.0, 34.0, 64.0], [240.0, 226.0, 180.0], step))
    });
    // The encoder of the image crate writes lossless WebP only, which is what is wanted here.
    encode(&picture, ImageFormat::WebP)
}

/// One frame of the clip: a planet and two moons, `turn` in 0..1.
pub fn orbit_frame(width: u32, height: u32, turn: f64) -> RgbImage {
    let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let moon = |radius: f64, turns: f64| {
        let angle = std::f64::consts::TAU * turn * turns;
        (cx + radius * angle.cos(), cy + radius * 0.6 * angle.sin())
    };
    let (near, far) = (moon(36.0, 2.0), moon(58.0, 1.0));
    RgbImage::from_fn(width, height, |px, py| {
        let (x, y) = (f64::from(px), f64::from(py));
        let within = |(mx, my): (f64, f64), radius: f64| (x - mx).powi(2) + (y - my).powi(2) < radius.powi(2);
        match () {
            () if within(near, 5.0) => Rgb([250, 220, 120]),
            () if within(far, 7.0) => Rgb([150, 210, 250]),
            () if within((cx, cy), 16.0) => rainbow(0.05 + (x - cx) / 220.0, [0.0, 0.12, 0.4]),
            () => rgb(blend([8.0, 8.0, 28.0], [46.0, 24.0, 66.0], y / f64::from(height))),
        }
    })
}

fn encode(picture: &RgbImage, format: ImageFormat) -> ImageResult<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format)?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pictures_decode_to_their_size() {
        for (bytes, format, size) in [
            (julia_png().unwrap(), ImageFormat::Png, (800, 600)),
            (landscape_jpeg().unwrap(), ImageFormat::Jpeg, (900, 560)),
            (interference_webp().unwrap(), ImageFormat::WebP, (480, 480)),
        ] {
            let picture = image::load_from_memory_with_format(&bytes, format).unwrap().to_rgb8();
            assert_eq!(picture.dimensions(), size, "{format:?}");
            let colours: std::collections::HashSet<_> = picture.pixels().collect();
            assert!(colours.len() >= 8, "{format:?} has {} colours", colours.len());
        }
    }

    #[test]
    fn frames_differ() {
        assert_ne!(orbit_frame(160, 120, 0.0), orbit_frame(160, 120, 0.1));
    }
}
