//! CPU time of each fingerprint against bare decoding or reading.
//!
//! `cargo bench -p metastamp-fingerprint`. Inputs are generated; every line is the median of
//! several calls on one thread, in wall-clock milliseconds, which equals CPU time on an idle core.

use std::hint::black_box;
use std::io::{Cursor, Write};
use std::time::Instant;

use image::{ImageFormat, RgbImage};
use lopdf::{Document, Object, Stream, dictionary};
use metastamp_fingerprint::{Limits, NoProgress, image as fingerprint_image, pdf, text};

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let mut out = std::io::stdout().lock();
    let limits = Limits::default();
    for (name, width, height, format) in
        [("1 MP PNG", 1_000, 1_000, ImageFormat::Png), ("12 MP JPEG", 4_000, 3_000, ImageFormat::Jpeg)]
    {
        let file = encode(width, height, format)?;
        let bare = median_ms(|| image::load_from_memory_with_format(&file, format).map(drop).map_err(Into::into))?;
        let full = median_ms(|| {
            let result = fingerprint_image::fingerprint(Cursor::new(&file), &limits, &mut NoProgress);
            black_box(result).map(drop).map_err(Into::into)
        })?;
        writeln!(out, "{name:<12} {full:8.2} ms, {:5.2} times bare decode ({bare:.2} ms)", full / bare)?;
    }
    let words = "The quick brown fox jumps over the lazy dog, größer als 漢字.\n".repeat(16_000);
    let words = &words.as_bytes()[..1 << 20];
    let bare = median_ms(|| {
        drop(black_box(String::from_utf8_lossy(words).into_owned()));
        Ok(())
    })?;
    let full = median_ms(|| {
        let result = text::fingerprint(words, None, &limits, &mut NoProgress);
        black_box(result).map(drop).map_err(Into::into)
    })?;
    writeln!(out, "{:<12} {full:8.2} ms, {:5.2} times bare decode ({bare:.2} ms)", "1 MiB text", full / bare)?;

    let file = document(100)?;
    let bare = median_ms(|| Document::load_mem(&file).map(drop).map_err(Into::into))?;
    let full = median_ms(|| {
        let result = pdf::fingerprint(&file, &limits, &mut NoProgress);
        black_box(result).map(drop).map_err(Into::into)
    })?;
    writeln!(out, "{:<12} {full:8.2} ms, {:5.2} times bare parse ({bare:.2} ms)", "100 page PDF", full / bare)?;
    Ok(())
}

/// Smooth colours with some texture, as a photograph compresses.
fn encode(width: u32, height: u32, format: ImageFormat) -> Result<Vec<u8>, BoxError> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let texture = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 28;
        let wave = |phase: f32| 120.0 + 100.0 * ((x as f32 / 90.0 + phase).sin() * (y as f32 / 70.0).cos());
        image::Rgb([wave(0.0), wave(1.0), wave(2.0)].map(|value| value as u8 + texture as u8))
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format)?;
    Ok(file.into_inner())
}

fn document(pages: usize) -> Result<Vec<u8>, BoxError> {
    let mut document = Document::with_version("1.5");
    let root = document.new_object_id();
    let font = document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
    let line = "BT /F1 10 Tf 72 700 Td [(The quick brown) -250 (fox jumps over) -20 (it)] TJ ET\n";
    let kids: Vec<Object> = (0..pages)
        .map(|_| {
            let content = document.add_object(Stream::new(dictionary! {}, line.repeat(60).into_bytes()));
            let page = dictionary! {
                "Type" => "Page", "Parent" => root, "Contents" => content,
                "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
            };
            document.add_object(page).into()
        })
        .collect();
    document.objects.insert(root, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => pages as i64 }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    document.trailer.set("Root", catalog);
    document.compress();
    let mut file = Vec::new();
    document.save_to(&mut file)?;
    Ok(file)
}

/// Median wall-clock time of seven calls, after one to warm up.
fn median_ms(mut call: impl FnMut() -> Result<(), BoxError>) -> Result<f64, BoxError> {
    call()?;
    let mut times = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
