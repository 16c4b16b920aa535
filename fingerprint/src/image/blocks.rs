//! Blocks of metadata as they stand in a file: Exif, XMP and IPTC.

use std::io::{BufRead, Read};

use crate::{FingerprintError, Limits};

/// How an Exif block starts in JPEG files, and often elsewhere.
const EXIF_START: &[u8] = b"Exif\0\0";
/// How a segment of a JPEG file starts that holds XMP.
const XMP_START: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// How a segment of a JPEG file starts that holds the image resources of Photoshop.
const PHOTOSHOP_START: &[u8] = b"Photoshop 3.0\0";
/// The resource that holds IPTC.
const IPTC_RESOURCE: u16 = 0x0404;

/// What was found, each at most as long as `exif_bytes_max`; longer ones are ignored.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    /// TIFF structures, with or without their prefix.
    pub(super) exif: Vec<Vec<u8>>,
    /// An XML document.
    pub(super) xmp: Option<Vec<u8>>,
    /// Data sets, one after the other.
    pub(super) iptc: Vec<u8>,
}

impl Blocks {
    /// Takes the application segment of a JPEG file; others than those of metadata are left. A large Exif block stands in
    /// several segments.
    pub(super) fn take_segment(&mut self, segment: &[u8], limits: &Limits) {
        let fits = |length: usize| length as u64 <= limits.exif_bytes_max;
        if let Some(block) = segment.strip_prefix(EXIF_START) {
            match self.exif.last_mut() {
                Some(last) if !is_tiff(block) => {
                    if fits(last.len() + block.len()) {
                        last.extend_from_slice(block);
                    }
                }
                _ => self.exif.push(block.to_vec()),
            }
        } else if let Some(xmp) = segment.strip_prefix(XMP_START) {
            self.xmp.get_or_insert_with(|| xmp.to_vec());
        } else if let Some(resources) = segment.strip_prefix(PHOTOSHOP_START)
            && fits(self.iptc.len() + resources.len())
        {
            self.take_resources(resources);
        }
    }

    /// Takes what ImageMagick and its kin write as text: a name, a length, and the bytes in hexadecimal digits.
    pub(super) fn take_raw_profile(&mut self, keyword: &[u8], text: &[u8], limits: &Limits) {
        let Some(bytes) = raw_profile(text) else { return };
        match keyword {
            b"exif" | b"APP1" if bytes.starts_with(XMP_START) => self.take_segment(&bytes, limits),
            b"exif" | b"APP1" => self.exif.push(bytes),
            b"xmp" => {
                self.xmp.get_or_insert(bytes);
            }
            b"iptc" => match bytes.strip_prefix(PHOTOSHOP_START) {
                Some(resources) => self.take_resources(resources),
                None if bytes.starts_with(b"8BIM") => self.take_resources(&bytes),
                None => self.iptc.extend_from_slice(&bytes),
            },
            _ => {}
        }
    }

    /// Finds IPTC among the image resources: signature, id, a name of even length, size, and data of even length.
    fn take_resources(&mut self, mut rest: &[u8]) {
        while let [b'8', b'B', b'I', b'M', high, low, after @ ..] = rest {
            let id = u16::from_be_bytes([*high, *low]);
            let Some(name) = after.first() else { return };
            let Some(after) = after.get((usize::from(*name) + 2) & !1..) else { return };
            let Some((size, data)) = after.split_first_chunk::<4>() else { return };
            let size = u32::from_be_bytes(*size) as usize;
            if id == IPTC_RESOURCE {
                self.iptc.extend_from_slice(&data[..size.min(data.len())]);
            }
            rest = data.get(size.saturating_add(size & 1)..).unwrap_or_default();
        }
    }
}

/// Whether a TIFF structure begins here.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*")
}

/// The bytes of a raw profile: the first two words are its name and its length.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_start();
    let rest = &text[text.iter().position(u8::is_ascii_whitespace)?..];
    let rest = rest.trim_ascii_start();
    let digits = &rest[rest.iter().position(u8::is_ascii_whitespace)?..];
    let digits: Vec<u8> = digits.iter().copied().filter(|digit| !digit.is_ascii_whitespace()).collect();
    hex::decode(&digits[..digits.len() & !1]).ok()
}

/// The next `length` bytes when that is no more than `limit`; they are skipped otherwise, and `None` too where the file
/// ends before.
pub(super) fn read_block<R: BufRead>(
    reader: &mut R,
    length: u64,
    limit: u64,
) -> Result<Option<Vec<u8>>, FingerprintError> {
    let mut part = reader.take(length);
    if length > limit {
        std::io::copy(&mut part, &mut std::io::sink())?;
        return Ok(None);
    }
    let mut block = Vec::new();
    part.read_to_end(&mut block)?;
    Ok((block.len() as u64 == length).then_some(block))
}
