//! Loads a PDF document through lopdf without letting it take more than the limits allow.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use lopdf::{DecompressError, Document, Error, LoadOptions, Object, ObjectId};

use super::object_stream::{RENAMED_TYPE, unpack_all};
use super::structure::{Structure, too_many_tokens};
use crate::{FingerprintError, Limits};

/// What the key `First` reads after blanking.
pub(super) const BLANKED_FIRST: &[u8] = b"XXXXX";
/// Key of the length of a stream that could not be read yet.
const LATER_LENGTH: &[u8] = b"LaterLength";
/// What the key `Encrypt` reads after blanking.
const BLANKED_ENCRYPT: &[u8] = b"YYYYYYY";
/// Bytes that all cross-reference streams may take together once decompressed; lopdf takes about
/// 15 bytes per byte of them.
const XREF_BYTES_MAX: u64 = 64 << 20;

/// What [`load`] returns.
pub(super) struct Loaded {
    /// `None` when it is encrypted with a password that is not empty.
    pub(super) document: Option<Document>,
    pub(super) is_encrypted: bool,
}

/// What is left to spend on one document.
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    decoded_bytes: u64,
    tokens: u64,
}

impl<'a> Budget<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, decoded_bytes: limits.pdf_decoded_bytes_max, tokens: limits.pdf_tokens_max }
    }

    pub(super) fn decoded_bytes_left(&self) -> usize {
        usize::try_from(self.decoded_bytes).unwrap_or(usize::MAX)
    }

    pub(super) fn decoded_exceeded(&self) -> FingerprintError {
        let mib = self.limits.pdf_decoded_bytes_max >> 20;
        FingerprintError::limit(
            "pdf_decoded_bytes_max",
            format!("pdf decompresses to more than the limit of {mib} MiB"),
        )
    }

    pub(super) fn take_decoded_bytes(&mut self, bytes: usize) -> Result<(), FingerprintError> {
        self.decoded_bytes = self.decoded_bytes.checked_sub(bytes as u64).ok_or_else(|| self.decoded_exceeded())?;
        Ok(())
    }

    pub(super) fn take_tokens(&mut self, tokens: u64) -> Result<(), FingerprintError> {
        self.tokens = self.tokens.checked_sub(tokens).ok_or_else(|| too_many_tokens(self.limits))?;
        Ok(())
    }
}

/// Loads `bytes`. A document whose page tree can't be reached through its cross-reference data is
/// loaded a second time with that data rebuilt from the objects.
pub(super) fn load(bytes: &[u8], structure: &Structure, limits: &Limits) -> Result<Loaded, FingerprintError> {
    let blanked = blank(bytes, structure);
    let first = attempt(&blanked, structure, limits, false);
    let readable = match &first {
        Ok(loaded) => loaded.document.as_ref().is_none_or(|document| document.page_iter().next().is_some()),
        Err(FingerprintError::Malformed(_)) => false,
        Err(_) => true,
    };
    if readable {
        return first;
    }
    match attempt(&blanked, structure, limits, true) {
        Ok(rebuilt) => Ok(rebuilt),
        Err(_) => first,
    }
}

/// Copy of `bytes` with the keys that `structure` noted made unknown ones. Keys that are written
/// with escapes are blanked too, but then not found again: nobody but attackers writes them so.
fn blank(bytes: &[u8], structure: &Structure) -> Vec<u8> {
    let mut blanked = bytes.to_vec();
    for range in &structure.first_names {
        blanked[range.clone()].fill(b'X');
    }
    for range in &structure.encrypt_names {
        blanked[range.clone()].fill(b'Y');
    }
    blanked
}

fn attempt(blanked: &[u8], structure: &Structure, limits: &Limits, rebuild: bool) -> Result<Loaded, FingerprintError> {
    let mut document = load_objects(blanked, structure, limits, rebuild)?;
    let encrypt = document.trailer.remove(BLANKED_ENCRYPT);
    let is_encrypted = encrypt.is_some();
    if let Some(encrypt) = encrypt {
        document.trailer.set("Encrypt", encrypt);
        // Fails for single objects too; what counts is whether the password was right.
        let _ = document.decrypt("");
        if document.trailer.has(b"Encrypt") {
            return Ok(Loaded { document: None, is_encrypted });
        }
    }
    unpack_all(&mut document, &mut Budget::new(limits))?;
    find_lengths(&mut document, blanked);
    Ok(Loaded { document: Some(document), is_encrypted })
}

thread_local! {
    /// Objects and bytes that [`charge`] may still let pass; a filter of lopdf has no other state.
    static LEFT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Payload of the unwinding that stops lopdf in the middle of a load.
struct OverBudget;

fn load_objects(
    blanked: &[u8],
    structure: &Structure,
    limits: &Limits,
    rebuild: bool,
) -> Result<Document, FingerprintError> {
    // The streams of a file lie side by side, so together they are no longer than the file; only
    // an attacker's overlap. Twice leaves room for objects that are listed twice.
    LEFT.set((limits.pdf_tokens_max, blanked.len() as u64 * 2));
    let options = LoadOptions {
        filter: Some(charge),
        max_decompressed_size: Some(xref_bytes_max(structure)),
        force_reconstruct: rebuild,
        ..LoadOptions::default()
    };
    let result = catch_unwind(AssertUnwindSafe(|| Document::load_mem_with_options(blanked, options)));
    match result {
        Ok(Ok(document)) => Ok(document),
        Ok(Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. }))) => Err(FingerprintError::limit(
            "pdf_decoded_bytes_max",
            "pdf has a cross-reference table that decompresses to more than the limit",
        )),
        Ok(Err(_)) => Err(FingerprintError::malformed("pdf is damaged or truncated")),
        Err(payload) if payload.is::<OverBudget>() => Err(too_many_tokens(limits)),
        Err(_) => Err(FingerprintError::malformed("pdf could not be decoded")),
    }
}

fn xref_bytes_max(structure: &Structure) -> usize {
    let share = XREF_BYTES_MAX / structure.xref_streams.max(1);
    share.clamp(64 << 10, 16 << 20) as usize
}

/// Called by lopdf for each object it has loaded. Unwinds when the budget is spent, because a
/// filter can't return an error; that doesn't run the panic hook.
fn charge(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    let (mut tokens, mut stream_bytes) = LEFT.get();
    let taken = tokens
        .checked_sub(count(object))
        .zip(stream_bytes.checked_sub(object.as_stream().map_or(0, |stream| stream.content.len() as u64)));
    match taken {
        Some(left) => (tokens, stream_bytes) = left,
        None => resume_unwind(Box::new(OverBudget)),
    }
    LEFT.set((tokens, stream_bytes));
    if let Object::Stream(stream) = object {
        if stream.dict.has_type(b"ObjStm") {
            stream.dict.set("Type", Object::Name(RENAMED_TYPE.to_vec()));
        }
        // lopdf would look for the length again later, and cut out any part of the file.
        if stream.content.is_empty()
            && let Some(length) = stream.dict.remove(b"Length")
        {
            stream.dict.set(LATER_LENGTH, length);
        }
    }
    // lopdf only asks whether the object stays.
    Some((id, Object::Null))
}

/// Objects in `object`, itself included. It nests at most 100 levels.
fn count(object: &Object) -> u64 {
    match object {
        Object::Array(array) => 1 + array.iter().map(count).sum::<u64>(),
        Object::Dictionary(dictionary) => 1 + dictionary.iter().map(|(_, value)| 1 + count(value)).sum::<u64>(),
        Object::Stream(stream) => 2 + stream.dict.iter().map(|(_, value)| 1 + count(value)).sum::<u64>(),
        _ => 1,
    }
}

/// Streams whose `Length` lives in an object stream are still empty: cut them out of the file now.
fn find_lengths(document: &mut Document, blanked: &[u8]) {
    // Offsets count from the header, garbage before it is not part of the document.
    let header = blanked.windows(5).position(|window| window == b"%PDF-").unwrap_or(0);
    let length = |stream: &lopdf::Stream| {
        let id = stream.dict.get(LATER_LENGTH).and_then(Object::as_reference).ok()?;
        let length = document.get_object(id).and_then(Object::as_i64).ok()?;
        let start = header.checked_add(stream.start_position?)?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        (end <= blanked.len()).then_some(start..end)
    };
    let mut left = blanked.len() * 2;
    let mut found = Vec::new();
    for (id, object) in &document.objects {
        if let Object::Stream(stream) = object
            && stream.content.is_empty()
            && let Some(range) = length(stream)
            && range.len() <= left
        {
            left -= range.len();
            found.push((*id, range));
        }
    }
    for (id, range) in found {
        let Some(object) = document.objects.get_mut(&id) else { continue };
        if let Object::Stream(stream) = object {
            stream.set_content(blanked[range].to_vec());
        }
        if let Some(state) = &document.encryption_state {
            // What can't be decrypted has no text.
            let _ = lopdf::encryption::decrypt_object(state, id, object);
        }
    }
}
