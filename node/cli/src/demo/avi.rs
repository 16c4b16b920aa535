//! A short clip as Motion JPEG in AVI: the one video format that can be written honestly with a picture encoder alone.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageResult, RgbImage};

use super::pictures::orbit_frame;

const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
const FRAMES_PER_SECOND: u32 = 10;
const FRAMES: u32 = 30;
const HAS_INDEX: u32 = 0x10;
const KEY_FRAME: u32 = 0x10;

/// Three seconds of two moons.
pub fn clip() -> ImageResult<Vec<u8>> {
    let frames = (0..FRAMES).map(|n| jpeg(&orbit_frame(WIDTH, HEIGHT, f64::from(n) / f64::from(FRAMES))));
    Ok(container(&frames.collect::<ImageResult<Vec<_>>>()?))
}

fn jpeg(frame: &RgbImage) -> ImageResult<Vec<u8>> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 85).encode_image(frame)?;
    Ok(out)
}

/// RIFF: headers, then the frames, then an index of them.
fn container(frames: &[Vec<u8>]) -> Vec<u8> {
    let largest = frames.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let count = frames.len() as u32;
    let stream = list(b"strl", &[stream_header(count, largest), stream_format()].concat());
    let headers = list(b"hdrl", &[main_header(count, largest), stream].concat());
    let (mut movie, mut index) = (Vec::new(), Vec::new());
    for frame in frames {
        // Offsets count from the word `movi`.
        let offset = 4 + movie.len() as u32;
        index.extend_from_slice(b"00dc");
        index.extend_from_slice(&words(&[KEY_FRAME, offset, frame.len() as u32]));
        movie.extend_from_slice(&chunk(b"00dc", frame));
    }
    let body = [b"AVI ".to_vec(), headers, list(b"movi", &movie), chunk(b"idx1", &index)].concat();
    chunk(b"RIFF", &body)
}

fn main_header(frames: u32, largest: u32) -> Vec<u8> {
    let bytes_per_second = largest * FRAMES_PER_SECOND;
    let mut header = words(&[1_000_000 / FRAMES_PER_SECOND, bytes_per_second, 0, HAS_INDEX, frames, 0, 1, largest]);
    header.extend_from_slice(&words(&[WIDTH, HEIGHT, 0, 0, 0, 0]));
    chunk(b"avih", &header)
}

fn stream_header(frames: u32, largest: u32) -> Vec<u8> {
    let mut header = b"vidsMJPG".to_vec();
    // Flags, priority and language, initial frames; then the rate as a fraction, start, length; quality is unspecified.
    header.extend_from_slice(&words(&[0, 0, 0, 1, FRAMES_PER_SECOND, 0, frames, largest, u32::MAX, 0]));
    for edge in [0, 0, WIDTH as u16, HEIGHT as u16] {
        header.extend_from_slice(&edge.to_le_bytes());
    }
    chunk(b"strh", &header)
}

/// A Windows bitmap header: size, picture, planes and bits per pixel, codec.
fn stream_format() -> Vec<u8> {
    let mut format = words(&[40, WIDTH, HEIGHT, 1 | 24 << 16]);
    format.extend_from_slice(b"MJPG");
    format.extend_from_slice(&words(&[WIDTH * HEIGHT * 3, 0, 0, 0, 0]));
    chunk(b"strf", &format)
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Name, length, data, and a zero to make the next chunk start at an even offset.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

fn list(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[name, data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and data of each chunk, which must fill `bytes` exactly.
    fn chunks(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
            found.push((&bytes[..4], &bytes[8..8 + length]));
            bytes = &bytes[8 + length + length % 2..];
        }
        found
    }

    fn word(data: &[u8], index: usize) -> u32 {
        u32::from_le_bytes(data[index * 4..index * 4 + 4].try_into().unwrap())
    }

    #[test]
    fn the_structure_is_whole() {
        let clip = clip().unwrap();
        let outer = chunks(&clip);
        assert_eq!((outer.len(), outer[0].0, &outer[0].1[..4]), (1, &b"RIFF"[..], &b"AVI "[..]));
        let parts = chunks(&outer[0].1[4..]);
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [&b"LIST"[..], b"LIST", b"idx1"]);
        let headers = chunks(&parts[0].1[4..]);
        assert_eq!((headers[0].0, headers[0].1.len()), (&b"avih"[..], 56));
        assert_eq!([0, 4, 8, 9].map(|i| word(headers[0].1, i)), [100_000, 30, 160, 120]);
        let stream = chunks(&headers[1].1[4..]);
        assert_eq!((stream[0].0, stream[0].1.len(), &stream[0].1[..8]), (&b"strh"[..], 56, &b"vidsMJPG"[..]));
        assert_eq!((stream[1].0, stream[1].1.len(), &stream[1].1[16..20]), (&b"strf"[..], 40, &b"MJPG"[..]));
    }

    #[test]
    fn the_index_leads_to_frames_that_decode() {
        let clip = clip().unwrap();
        let parts = chunks(&chunks(&clip)[0].1[4..]).into_iter().map(|(_, data)| data).collect::<Vec<_>>();
        let (movie, index) = (parts[1], parts[2]);
        assert_eq!(index.len(), 30 * 16);
        for entry in index.chunks_exact(16) {
            let (offset, length) = (word(entry, 2) as usize, word(entry, 3) as usize);
            assert_eq!(&movie[offset..offset + 4], b"00dc");
            let frame = image::load_from_memory(&movie[offset + 8..offset + 8 + length]).unwrap();
            assert_eq!((frame.width(), frame.height()), (WIDTH, HEIGHT));
        }
    }
}
