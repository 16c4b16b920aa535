//! Hash of the text of a PDF document, and its information dictionary.
//!
//! The parser (lopdf) is kept on a short leash, because a PDF of a few kilobytes can ask for
//! terabytes: `structure` counts the tokens of all objects before anything is parsed, `load`
//! charges each object to a budget while it is loaded and unpacks object streams under it, `font`
//! reads character maps without expanding them, and `extract` runs the pages' operators under
//! limits. All of it happens on a thread with a deep stack, and a panic becomes an error.
//!
//! Memory is bounded, time less so: a file of megabytes whose cross-reference table points many
//! times at one broken object makes lopdf read it as often. Callers that must have a deadline run
//! the job where it can be abandoned.

mod date;
mod encoding;
mod extract;
mod font;
mod glyphs;
mod info;
mod lexer;
mod load;
mod object_stream;
mod pen;
mod resources;
mod structure;
mod widths;

use std::io;

use metastamp_protocol::fingerprint::{Algorithms, TextFeatures, algorithm};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::guard::no_panic;
use crate::progress::step;
use crate::{FingerprintError, Limits, Metadata, Progress};
use extract::PageText;

/// Stack of the parsing thread, in bytes. lopdf nests at most 100 levels, its parsers within each
/// level are deep in debug builds.
const STACK_BYTES: usize = 64 << 20;

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PdfFingerprint {
    /// SHA-256 of the trimmed text of all pages in UTF-8, or of the file's bytes when no text can
    /// be extracted; 64 lower-case hex digits. [`PdfFingerprint::algorithms`] tells which.
    pub text_hash: String,
    /// Unicode scalar values of the trimmed text; 0 when no text can be extracted.
    pub text_length: u64,
    /// Runs of characters that are not white space.
    pub word_count: u64,
    /// Lines of the trimmed text.
    pub line_count: u64,
    /// Of the text; `None` when no text can be extracted.
    pub features: Option<TextFeatures>,
    /// ISCC Text-Code of the text, 64 bits; `None` when no text can be extracted.
    pub iscc_content: Option<String>,
    /// `page_count`, `is_encrypted`, `file_size` in bytes, `wordCount`, `language` when it can be told, and of the information dictionary
    /// `author`, `title`, `subject`, `creator`, `producer`, `creation_date` and
    /// `modification_date`, each null when absent; `unreadable_glyphs` where fonts do not tell what some glyphs stand
    /// for. Dates are RFC 3339 in UTC, or as found when
    /// they cannot be read.
    pub metadata: Metadata,
    /// Which algorithm made the hash.
    pub algorithms: Algorithms,
}

/// What the parsing thread brings back.
struct Parsed {
    /// `None` when there is no text.
    text: Option<PageText>,
    /// Codes in fonts that do not tell what they stand for.
    unreadable: u64,
    page_count: u32,
    is_encrypted: bool,
    info: Metadata,
}

/// Fingerprint of the PDF document in `bytes`.
///
/// # Errors
/// [`FingerprintError::Unsupported`] when it is no PDF, [`FingerprintError::LimitExceeded`] for
/// too many pages, characters, objects or decompressed bytes, [`FingerprintError::Malformed`] when
/// it cannot be parsed. A page whose text cannot be read counts as a page without text, and a
/// document that cannot be decrypted with the empty password as one without any.
pub fn fingerprint(
    bytes: &[u8],
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<PdfFingerprint, FingerprintError> {
    step(progress, 0)?;
    let input_bytes = bytes.len() as u64;
    if input_bytes > limits.pdf_input_bytes_max {
        return Err(FingerprintError::limit(
            "pdf_input_bytes_max",
            format!("pdf has {input_bytes} bytes, more than the limit of {}", limits.pdf_input_bytes_max),
        ));
    }
    // Readers accept leading garbage, up to a point.
    if !bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-") {
        return Err(FingerprintError::unsupported("not a pdf document"));
    }
    let parsed = on_deep_stack(|| no_panic("pdf", || parse(bytes, limits, progress)))?;
    step(progress, 100)?;
    Ok(assemble(bytes, parsed))
}

/// Runs `work` on a thread of its own with a deep stack and waits for it.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> Result<T, FingerprintError> + Send) -> Result<T, FingerprintError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("pdf".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(FingerprintError::Io)?;
        thread.join().unwrap_or_else(|_| Err(FingerprintError::Io(io::Error::other("pdf parser stopped"))))
    })
}

fn parse(bytes: &[u8], limits: &Limits, progress: &mut dyn Progress) -> Result<Parsed, FingerprintError> {
    let structure = structure::check(bytes, limits)?;
    step(progress, 10)?;
    let loaded = load::load(bytes, &structure, limits)?;
    step(progress, 30)?;
    let Some(document) = loaded.document else {
        return Ok(Parsed { text: None, unreadable: 0, page_count: 0, is_encrypted: true, info: info::empty() });
    };
    let pages = extract::pages(&document, limits)?;
    let text = extract::text(&document, &pages, limits, progress)?;
    Ok(Parsed {
        unreadable: text.unreadable,
        text: (text.totals.chars > 0).then_some(text),
        page_count: pages.len() as u32,
        is_encrypted: loaded.is_encrypted,
        info: info::read(&document),
    })
}

fn assemble(bytes: &[u8], parsed: Parsed) -> PdfFingerprint {
    let mut metadata = parsed.info;
    metadata.insert("page_count".into(), json!(parsed.page_count));
    metadata.insert("is_encrypted".into(), json!(parsed.is_encrypted));
    metadata.insert("file_size".into(), json!(bytes.len()));
    // A document whose text can't be read is no scan.
    if parsed.unreadable > 0 {
        metadata.insert("unreadable_glyphs".into(), json!(parsed.unreadable));
    }
    let Some(PageText { totals, features, code, .. }) = parsed.text else {
        return PdfFingerprint {
            text_hash: hex::encode(Sha256::digest(bytes)),
            text_length: 0,
            word_count: 0,
            line_count: 0,
            features: None,
            iscc_content: None,
            metadata,
            algorithms: Algorithms::from([("text_hash", algorithm::PDF_BYTES_HASH)]),
        };
    };
    metadata.insert("wordCount".into(), json!(totals.words));
    if let Some(language) = &features.language {
        metadata.insert("language".into(), json!(language.code));
    }
    let mut algorithms = Algorithms::from([
        ("text_hash", algorithm::PDF_TEXT_HASH),
        ("normalized_hash", algorithm::TEXT_NORMALIZED_HASH),
        ("shingles", algorithm::TEXT_SHINGLES),
    ]);
    algorithms.extend(code.as_ref().map(|_| ("iscc_content", algorithm::ISCC_TEXT)));
    PdfFingerprint {
        text_hash: totals.sha256_hex,
        text_length: totals.chars,
        word_count: totals.words,
        line_count: totals.lines,
        features: Some(features),
        iscc_content: code,
        metadata,
        algorithms,
    }
}
