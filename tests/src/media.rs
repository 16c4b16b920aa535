//! Files of every kind, real or spoiled, made on the spot.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use metastamp_chaos::UploadFile;
use metastamp_chaos::files::{noise_png, png_chunk, png_head, zlib_stored};

/// A smooth picture that depends on `seed`.
fn picture(width: u32, height: u32, seed: u32) -> DynamicImage {
    let pixel = |x, y| Rgb([(x * 3 + seed) as u8, (y * 5 + seed * 7) as u8, ((x * y + seed * 13) / 7) as u8]);
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

fn encoded(format: ImageFormat, seed: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture(320, 200, seed).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn png(name: &str, seed: u32) -> UploadFile {
    UploadFile::new("image", name, "image/png", encoded(ImageFormat::Png, seed))
}

pub fn jpeg(name: &str, seed: u32) -> UploadFile {
    UploadFile::new("image", name, "image/jpeg", encoded(ImageFormat::Jpeg, seed))
}

pub fn webp(name: &str, seed: u32) -> UploadFile {
    UploadFile::new("image", name, "image/webp", encoded(ImageFormat::WebP, seed))
}

/// A picture whose decoding and hashing takes a moment.
pub fn large_png(name: &str, seed: u64) -> UploadFile {
    UploadFile::new("image", name, "image/png", noise_png(1800, 1500, seed))
}

/// Right signature and header, then rubbish.
pub fn broken_png(name: &str) -> UploadFile {
    let mut bytes = png_head(64, 64);
    bytes.extend(png_chunk(b"IDAT", b"this is no zlib stream at all"));
    bytes.extend(png_chunk(b"IEND", b""));
    UploadFile::new("image", name, "image/png", bytes)
}

/// A few hundred bytes that claim to be 50,000 by 50,000 pixels.
pub fn png_bomb(name: &str) -> UploadFile {
    let mut bytes = png_head(50_000, 50_000);
    bytes.extend(png_chunk(b"IDAT", &zlib_stored(&[0; 256])));
    bytes.extend(png_chunk(b"IEND", b""));
    UploadFile::new("image", name, "image/png", bytes)
}

pub fn truncated_jpeg(name: &str) -> UploadFile {
    let mut file = jpeg(name, 99);
    file.bytes.truncate(file.bytes.len() / 3);
    file
}

/// A PDF of `pages` pages that all show the same words.
pub fn pdf(name: &str, pages: usize, words: &str) -> UploadFile {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |bytes: &mut Vec<u8>, text: String| {
        offsets.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n{text}\nendobj\n", offsets.len()).bytes());
    };
    let kids: String = (0..pages).map(|i| format!("{} 0 R ", i + 6)).collect();
    let content = format!("BT /F1 18 Tf 40 100 Td ({words}) Tj ET");
    object(&mut bytes, "<< /Type /Catalog /Pages 2 0 R >>".to_owned());
    object(&mut bytes, format!("<< /Type /Pages /Count {pages} /Kids [{kids}] >>"));
    object(&mut bytes, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned());
    object(&mut bytes, format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    object(&mut bytes, "<< /Title (A title) /Author (An author) >>".to_owned());
    for _ in 0..pages {
        let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] \
                    /Resources << /Font << /F1 3 0 R >> >> /Contents 4 0 R >>";
        object(&mut bytes, page.to_owned());
    }
    let start = bytes.len();
    let count = offsets.len() + 1;
    bytes.extend(format!("xref\n0 {count}\n0000000000 65535 f \n").bytes());
    for offset in offsets {
        bytes.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    bytes.extend(format!("trailer\n<< /Size {count} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes());
    UploadFile::new("text", name, "application/pdf", bytes)
}

pub fn text(name: &str, content: &str) -> UploadFile {
    UploadFile::new("text", name, "text/plain", content.to_owned())
}

/// A second of silence.
pub fn wav(name: &str) -> UploadFile {
    pcm(name, 8_000, &[0; 16_000])
}

/// A sound of no length.
pub fn mute_wav(name: &str) -> UploadFile {
    pcm(name, 8_000, &[])
}

/// A WAVE file of signed 16-bit samples, mono.
fn pcm(name: &str, rate: u32, samples: &[u8]) -> UploadFile {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((2 * rate).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    UploadFile::new("audio", name, "audio/wav", bytes)
}

/// A melody that never repeats itself, mono at 22,050 Hz.
pub fn tune(name: &str, seconds: u32) -> UploadFile {
    const RATE: u32 = 22_050;
    let sample = |at: u32| {
        let note = (at / (RATE / 4)) * 5 % 24;
        let hz = 220.0 * 2_f64.powf(f64::from(note) / 12.0);
        let phase = f64::from(at) / f64::from(RATE) * hz * std::f64::consts::TAU;
        ((phase.sin() + (2.0 * phase).sin() / 3.0) * 12_000.0) as i16
    };
    let samples: Vec<u8> = (0..RATE * seconds).flat_map(|at| sample(at).to_le_bytes()).collect();
    pcm(name, RATE, &samples)
}

/// A short film with sound.
pub fn film(name: &str) -> UploadFile {
    let bytes: &[u8] = include_bytes!("../../fingerprint/golden/video/h264.mp4");
    UploadFile::new("video", name, "video/mp4", bytes)
}

/// A JPEG that says it was taken at 52.5 degrees north, 13.4 east.
pub fn photo_with_gps(name: &str) -> UploadFile {
    let plain = jpeg(name, 3);
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat()
    };
    // the first directory holds nothing but the place of the one about the place
    tiff.extend(1_u16.to_le_bytes());
    tiff.extend(entry(0x8825, 4, 1, 26_u32.to_le_bytes()));
    tiff.extend([0; 4]);
    tiff.extend(4_u16.to_le_bytes());
    tiff.extend(entry(1, 2, 2, *b"N\0\0\0"));
    tiff.extend(entry(2, 5, 3, 80_u32.to_le_bytes()));
    tiff.extend(entry(3, 2, 2, *b"E\0\0\0"));
    tiff.extend(entry(4, 5, 3, 104_u32.to_le_bytes()));
    tiff.extend([0; 4]);
    for [degrees, minutes] in [[52_u32, 30], [13, 24]] {
        tiff.extend([degrees, 1, minutes, 1, 0, 1].into_iter().flat_map(u32::to_le_bytes));
    }
    let mut bytes = plain.bytes[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((tiff.len() as u16 + 8).to_be_bytes());
    bytes.extend(b"Exif\0\0");
    bytes.extend(tiff);
    bytes.extend(&plain.bytes[2..]);
    UploadFile { bytes: bytes.into(), ..plain }
}

/// Frame headers of MPEG audio with empty frames.
pub fn mp3(name: &str) -> UploadFile {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x00];
    frame.resize(417, 0);
    UploadFile::new("audio", name, "audio/mpeg", frame.repeat(10))
}

/// An MP4 container with nothing in it.
pub fn mp4(name: &str) -> UploadFile {
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".to_vec();
    bytes.extend(b"\0\0\x01\x08mdat");
    bytes.extend([0; 256]);
    UploadFile::new("video", name, "video/mp4", bytes)
}

/// An AVI container with nothing in it.
pub fn avi(name: &str) -> UploadFile {
    let mut bytes = b"RIFF\x00\x01\0\0AVI LIST".to_vec();
    bytes.extend([0; 248]);
    UploadFile::new("video", name, "video/x-msvideo", bytes)
}

/// The first bytes of things that nobody may upload, with their names.
pub fn dangerous() -> Vec<(&'static str, Vec<u8>)> {
    let padded = |head: &[u8]| {
        let mut bytes = head.to_vec();
        bytes.resize(600, 0);
        bytes
    };
    let mut tar = padded(b"work.txt");
    tar[257..263].copy_from_slice(b"ustar\0");
    vec![
        ("PE", padded(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff")),
        ("ELF", padded(b"\x7fELF\x02\x01\x01\0")),
        ("Mach-O", padded(b"\xcf\xfa\xed\xfe\x07\0\0\x01")),
        ("shebang", b"#!/bin/sh\necho hello\n".to_vec()),
        ("zip", padded(b"PK\x03\x04\x14\0\0\0\x08\0")),
        ("gzip", padded(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")),
        ("bzip2", padded(b"BZh91AY&SY\0\x01")),
        ("xz", padded(b"\xfd7zXZ\0\0\x04")),
        ("7z", padded(b"7z\xbc\xaf\x27\x1c\0\x04")),
        ("rar", padded(b"Rar!\x1a\x07\x01\0")),
        ("class file", padded(b"\xca\xfe\xba\xbe\0\0\0\x34")),
        ("tar", tar),
    ]
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::files::{Refusal, check_content};

    use super::*;

    #[test]
    fn files_are_what_they_pretend_to_be() {
        let files = [
            text("a.txt", "text"),
            pdf("a.pdf", 2, "words"),
            png("a.png", 1),
            jpeg("a.jpg", 1),
            webp("a.webp", 1),
            large_png("b.png", 1),
            UploadFile::png("c.png", 1),
            wav("a.wav"),
            mp3("a.mp3"),
            mp4("a.mp4"),
            avi("a.avi"),
        ];
        for file in files {
            let head = &file.bytes[..file.bytes.len().min(4_096)];
            assert_eq!(check_content(&file.name, head), Ok(file.content_type.as_str()), "{}", file.name);
            if file.route == "image" {
                image::load_from_memory(&file.bytes).unwrap();
            }
        }
    }

    #[test]
    fn dangerous_heads_are_dangerous() {
        for (what, bytes) in dangerous() {
            assert!(matches!(check_content("a.png", &bytes), Err(Refusal::DangerousContent(_))), "{what}");
        }
    }

    #[test]
    fn a_broken_png_does_not_decode() {
        assert!(image::load_from_memory(&broken_png("a.png").bytes).is_err());
    }
}
