//! ISO base media (MP4, QuickTime): boxes, of which `ftyp` says what the file is for.

use super::super::Format;

/// Boxes that may stand before any other in a file of QuickTime, which had no `ftyp` in its first years.
const FILLING: [&[u8; 4]; 6] = [b"free", b"skip", b"wide", b"pnot", b"uuid", b"junk"];

pub(super) fn media(head: &[u8]) -> Option<Format> {
    let mut rest = head;
    loop {
        let (kind, body) = (rest.get(4..8), rest.get(8..));
        match kind {
            Some(b"ftyp") => return brand(body?),
            Some(b"moov" | b"mdat") => return Some(Format::Mov),
            Some(kind) if FILLING.iter().any(|filling| kind == *filling) => {}
            // behind filling that goes on beyond what is seen here
            _ => return (rest.len() < head.len() && rest.len() < 8).then_some(Format::Mov),
        }
        let size = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        if size < 8 {
            return None;
        }
        rest = rest.get(size..).unwrap_or_default();
    }
}

fn brand(body: &[u8]) -> Option<Format> {
    Some(match body.get(..4)? {
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Format::M4a,
        b"qt  " => Format::Mov,
        _ => Format::Mp4,
    })
}

/// The brands of a file that begins with `ftyp`: its own, and those it is compatible with.
pub(super) fn brands(head: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let is_one = head.get(4..8) == Some(b"ftyp");
    let size = head.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let brands = if is_one { head.get(8..size.clamp(12, 256).min(head.len())).unwrap_or_default() } else { &[] };
    brands.as_chunks::<4>().0.iter()
}
