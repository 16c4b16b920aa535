//! Unpacks object streams (ISO 32000-1, 7.5.7) within a budget.

use std::collections::BTreeMap;

use lopdf::xref::XrefEntry;
use lopdf::{DecompressError, Document, Error, Object, ObjectId, ObjectStream, Stream};

use super::lexer::{Lexer, Token};
use super::load::{BLANKED_FIRST, Budget};
use super::structure::{cost, ends_parsing};
use crate::FingerprintError;

/// Type that [`super::load`] gives object streams, so that lopdf leaves them alone.
pub(super) const RENAMED_TYPE: &[u8] = b"BlankedObjStm";

/// Replaces the object streams of `document` by the objects in them, as far as the
/// cross-reference data agrees. Broken ones are dropped.
pub(super) fn unpack_all(document: &mut Document, budget: &mut Budget) -> Result<(), FingerprintError> {
    let is_packed = |object: &Object| object.as_stream().is_ok_and(|stream| stream.dict.has_type(RENAMED_TYPE));
    let ids: Vec<ObjectId> =
        document.objects.iter().filter(|(_, object)| is_packed(object)).map(|(id, _)| *id).collect();
    for id in ids {
        let Some(Object::Stream(packed)) = document.objects.remove(&id) else { continue };
        for (member, object) in unpack(&packed, budget)? {
            if belongs(document, member, id) {
                document.objects.entry(member).or_insert(object);
            }
        }
    }
    Ok(())
}

/// Whether the cross-reference data lets object `member` live in the stream `container`.
fn belongs(document: &Document, member: ObjectId, container: ObjectId) -> bool {
    match document.reference_table.entries.get(&member.0) {
        Some(XrefEntry::Compressed { container: named, .. }) => *named == container.0,
        Some(XrefEntry::Free | XrefEntry::UnusableFree) => false,
        Some(XrefEntry::Normal { .. }) | None => true,
    }
}

fn unpack(packed: &Stream, budget: &mut Budget) -> Result<BTreeMap<ObjectId, Object>, FingerprintError> {
    let content = match packed.get_plain_content_with_limit(budget.decoded_bytes_left()) {
        Ok(content) => content,
        Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => return Err(budget.decoded_exceeded()),
        Err(_) => return Ok(BTreeMap::new()),
    };
    budget.take_decoded_bytes(content.len())?;
    let first = packed.dict.get(BLANKED_FIRST).and_then(Object::as_i64).ok();
    let Some(first) = first.and_then(|first| usize::try_from(first).ok()).filter(|&first| first <= content.len())
    else {
        return Ok(BTreeMap::new());
    };
    let Some(checked) = check_index(&content, first, budget)? else { return Ok(BTreeMap::new()) };
    Ok(ObjectStream::new_with_limit(&checked, Some(usize::MAX)).map(|stream| stream.objects).unwrap_or_default())
}

/// Rebuilds the stream with only those members that end before the next one starts. An index may
/// otherwise point a thousand times at the same or at nested objects.
fn check_index(content: &[u8], first: usize, budget: &mut Budget) -> Result<Option<Stream>, FingerprintError> {
    let Ok(index) = std::str::from_utf8(&content[..first]) else { return Ok(None) };
    let words = index.lines().flat_map(|line| line.split('%').next().unwrap_or_default().split_ascii_whitespace());
    let numbers: Vec<u32> = words.map_while(|word| word.parse().ok()).collect();
    budget.take_tokens(numbers.len() as u64)?;
    let mut members: Vec<(usize, u32)> = numbers
        .as_chunks::<2>()
        .0
        .iter()
        .filter_map(|[id, offset]| Some((first.checked_add(usize::try_from(*offset).ok()?)?, *id)))
        .filter(|(start, _)| *start < content.len())
        .collect();
    members.sort_unstable();
    let mut end = 0;
    let mut kept = Vec::with_capacity(members.len());
    for (start, id) in members {
        if start < end {
            continue;
        }
        if let Some(object_end) = object_end(content, start, budget)? {
            end = object_end;
            kept.push((id, start - first));
        }
    }
    Ok(Some(rebuild(content, first, &kept)))
}

/// End of the object at `start`, or `None` when it is broken.
fn object_end(content: &[u8], start: usize, budget: &mut Budget) -> Result<Option<usize>, FingerprintError> {
    let mut lexer = Lexer::new(content, start);
    let mut depth = 0_usize;
    let mut before = start;
    while let Some(token) = lexer.next() {
        budget.take_tokens(cost(token) + (lexer.at() - before) as u64 / 64)?;
        before = lexer.at();
        match token {
            Token::ArrayStart | Token::DictionaryStart => depth += 1,
            Token::ArrayEnd | Token::DictionaryEnd => depth = depth.saturating_sub(1),
            token if ends_parsing(token) => return Ok(None),
            _ => {}
        }
        if depth == 0 {
            return Ok(Some(lexer.at()));
        }
    }
    Ok(None)
}

fn rebuild(content: &[u8], first: usize, kept: &[(u32, usize)]) -> Stream {
    let mut rebuilt: Vec<u8> = Vec::with_capacity(content.len());
    for (id, offset) in kept {
        rebuilt.extend_from_slice(format!("{id} {offset} ").as_bytes());
    }
    let mut stream = Stream::new(lopdf::Dictionary::new(), Vec::new());
    stream.dict.set("N", kept.len() as i64);
    stream.dict.set("First", rebuilt.len() as i64);
    rebuilt.extend_from_slice(&content[first..]);
    stream.set_content(rebuilt);
    stream
}
