//! Small real files, each different from every other.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A file to upload: its route, the name the client gives it and its bytes.
#[derive(Debug, Clone)]
pub struct UploadFile {
    /// Last part of the upload route: `text`, `image`, `audio` or `video`.
    pub route: String,
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
    /// Further text parts of the form, such as `title`.
    pub fields: Vec<(String, String)>,
}

impl UploadFile {
    pub fn new(route: &str, name: &str, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let (route, name, content_type) = (route.to_owned(), name.to_owned(), content_type.to_owned());
        Self { route, name, content_type, bytes: bytes.into(), fields: Vec::new() }
    }

    /// A text file whose content repeats `seed`.
    pub fn text(name: &str, seed: &str) -> Self {
        let line = format!("{seed}: every work has a first line, and this one says whose it is.\n");
        Self::new("text", name, "text/plain", line.repeat(8))
    }

    /// A picture of noise that depends on `seed` alone.
    pub fn png(name: &str, seed: u64) -> Self {
        Self::new("image", name, "image/png", noise_png(48, 32, seed))
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }

    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// An RGB picture of pseudo-random pixels, as a PNG without compression.
pub fn noise_png(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        // splitmix64: enough to make pictures differ
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    let mut rows = Vec::with_capacity((width as usize * 3 + 1) * height as usize);
    for _ in 0..height {
        rows.push(0);
        rows.extend((0..width * 3).map(|_| next()));
    }
    let mut png = png_head(width, height);
    png.extend(png_chunk(b"IDAT", &zlib_stored(&rows)));
    png.extend(png_chunk(b"IEND", b""));
    png
}

/// Signature and header of an 8-bit RGB picture with any declared dimensions.
pub fn png_head(width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(png_chunk(b"IHDR", &header));
    png
}

/// One PNG chunk with its length and checksum.
pub fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(data.len() + 12);
    chunk.extend((data.len() as u32).to_be_bytes());
    chunk.extend(kind);
    chunk.extend(data);
    let checksum = crc32(&chunk[4..]);
    chunk.extend(checksum.to_be_bytes());
    chunk
}

/// A zlib stream of stored blocks.
pub fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = data.chunks(0xffff).count();
    for (i, block) in data.chunks(0xffff).enumerate() {
        let length = block.len() as u16;
        out.push(u8::from(i + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in data {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert!(zlib_stored(b"Wikipedia").ends_with(&0x11e6_0398u32.to_be_bytes()));
    }

    #[test]
    fn pictures_differ_by_seed_only() {
        assert_eq!(noise_png(4, 4, 7), noise_png(4, 4, 7));
        assert_ne!(noise_png(4, 4, 7), noise_png(4, 4, 8));
    }
}
