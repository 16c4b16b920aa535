//! Tags in the chunks of WAVE and AIFF files: `LIST` of `INFO`, text chunks, and ID3v2 tags.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::{MetadataOptions, MetadataReader};
use symphonia::default::meta::Id3v2Reader;

use super::{add, clean, merge, of_revisions};
use crate::audio::decode::{Chunk, Form, Outline};
use crate::guard;

/// Bytes of a chunk that are read; longer ones are left out, but for covers in ID3v2 tags.
const BYTES_MAX: u64 = 1 << 20;
const ID3_BYTES_MAX: u64 = 32 << 20;

/// The tags of the file with this outline. What ID3v2 says counts more: it knows how it is encoded.
pub(in crate::audio) fn collect(file: &mut File, outline: &Outline) -> io::Result<Vec<(&'static str, String)>> {
    let (mut texts, mut found) = (Vec::new(), Vec::new());
    for chunk in &outline.chunks {
        match (outline.form, &chunk.id) {
            (_, b"id3 " | b"ID3 ") => {
                if let Some(bytes) = body(file, chunk, ID3_BYTES_MAX)? {
                    merge(&mut found, id3(bytes));
                }
            }
            (Form::Wave, b"LIST") => {
                if let Some(bytes) = body(file, chunk, BYTES_MAX)?.filter(|bytes| bytes.starts_with(b"INFO")) {
                    texts.extend(info(&bytes[4..]));
                }
            }
            (Form::Aiff, id) => {
                if let (Some(name), Some(bytes)) = (aiff_name(id), body(file, chunk, BYTES_MAX)?) {
                    texts.push((name, bytes));
                }
            }
            _ => {}
        }
    }
    merge(&mut found, decoded(&texts));
    Ok(found)
}

fn body(file: &mut File, chunk: &Chunk, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    if chunk.size > bytes_max {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(chunk.at))?;
    let mut bytes = Vec::new();
    file.take(chunk.size).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn id3(bytes: Vec<u8>) -> Vec<(&'static str, String)> {
    let read = || {
        let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
        let tags = Id3v2Reader::try_new(stream, MetadataOptions::default()).and_then(|mut reader| reader.read_all());
        Ok(tags.map(|tags| of_revisions(&[tags.revision])).unwrap_or_default())
    };
    guard::no_panic("sound", read).unwrap_or_default()
}

/// Names and bytes of a list of texts.
fn info(mut bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(([a, b, c, d, size @ ..], rest)) = bytes.split_first_chunk::<8>() {
        let size = (u32::from_le_bytes(*size) as usize).min(rest.len());
        if let Some(name) = info_name(&[*a, *b, *c, *d]) {
            found.push((name, rest[..size].to_vec()));
        }
        bytes = rest.get(size + size % 2..).unwrap_or_default();
    }
    found
}

fn info_name(id: &[u8; 4]) -> Option<&'static str> {
    Some(match id {
        b"INAM" | b"TITL" => "title",
        b"IART" => "artist",
        b"IPRD" | b"IALB" => "album",
        b"IMUS" | b"ICOM" => "composer",
        b"IGNR" | b"GENR" => "genre",
        b"ICMT" | b"CMNT" | b"COMM" => "comment",
        b"ICOP" => "copyright",
        b"ILNG" | b"LANG" => "language",
        b"ISFT" | b"IENC" => "encoder",
        b"ICRD" | b"YEAR" => "date",
        b"ITRK" | b"IPRT" | b"TRCK" => "track_number",
        b"IPUB" => "label",
        b"ISRC" => "isrc",
        _ => return None,
    })
}

fn aiff_name(id: &[u8; 4]) -> Option<&'static str> {
    Some(match id {
        b"NAME" => "title",
        b"AUTH" => "artist",
        b"(c) " => "copyright",
        b"ANNO" => "comment",
        _ => return None,
    })
}

/// Nothing tells how these texts are encoded, but one program wrote them all: UTF-8 when they are valid as such, else
/// what they look like together.
fn decoded(texts: &[(&'static str, Vec<u8>)]) -> Vec<(&'static str, String)> {
    let text = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let all: Vec<u8> = texts.iter().flat_map(|(_, bytes)| text(bytes).into_iter().chain([b'\n'])).collect();
    let mut encoding = encoding_rs::UTF_8;
    if std::str::from_utf8(&all).is_err() {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(&all, true);
        encoding = detector.guess(None, Utf8Detection::Deny);
    }
    let mut found = Vec::new();
    for (name, bytes) in texts {
        add(&mut found, name, clean(&encoding.decode_without_bom_handling(&text(bytes)).0));
    }
    found
}
