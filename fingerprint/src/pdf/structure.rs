//! Looks at all objects of a PDF file before the parser does.
//!
//! lopdf follows the cross-reference data of the file, which may name the same bytes any number of
//! times, and unpacks object streams whose index may do the same: both turn kilobytes into
//! terabytes. So every place where lopdf could start to parse is found here (`obj` and `trailer`
//! keywords), its tokens are counted, and two keys are noted that [`super::load`] blanks in its
//! copy: `First`, without which lopdf unpacks no object stream, and `Encrypt`, without which it
//! loads encrypted documents like any other.

use std::ops::Range;

use super::lexer::{Lexer, Token, decode_name};
use crate::{FingerprintError, Limits};

/// Levels of nesting that are followed; lopdf stops at 100.
const DEPTH_MAX: usize = 128;

/// What [`check`] found.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Where the names `First` stand, without the slash.
    pub(super) first_names: Vec<Range<usize>>,
    /// Where the names `Encrypt` stand, without the slash.
    pub(super) encrypt_names: Vec<Range<usize>>,
    /// Objects that may be cross-reference streams.
    pub(super) xref_streams: u64,
}

/// Finds and counts; `pdf_tokens_max` of `limits` is held against the sum over all objects.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<Structure, FingerprintError> {
    let mut structure = Structure::default();
    let mut tokens = xref_entries(bytes);
    for start in keyword_ends(bytes) {
        tokens = tokens.saturating_add(structure.scan(bytes, start, limits.pdf_tokens_max));
        if tokens > limits.pdf_tokens_max {
            return Err(too_many_tokens(limits));
        }
    }
    Ok(structure)
}

pub(super) fn too_many_tokens(limits: &Limits) -> FingerprintError {
    FingerprintError::limit(
        "pdf_tokens_max",
        format!("pdf has objects of more than {} tokens, the limit", limits.pdf_tokens_max),
    )
}

/// Offsets behind each `obj` (not `endobj`) and `trailer`.
fn keyword_ends(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let positions = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'o' | b't'));
    positions.filter_map(|(at, _)| {
        let rest = &bytes[at..];
        if rest.starts_with(b"obj") && (at == 0 || bytes[at - 1] != b'd') {
            Some(at + 3)
        } else if rest.starts_with(b"trailer") {
            Some(at + 7)
        } else {
            None
        }
    })
}

/// Upper bound of the entries of all cross-reference tables: a digit, a space, `n` or `f`, and
/// white space.
fn xref_entries(bytes: &[u8]) -> u64 {
    let is_entry =
        |window: &&[u8]| matches!(window, [digit, b' ', b'n' | b'f', b' ' | b'\r' | b'\n'] if digit.is_ascii_digit());
    bytes.windows(4).filter(is_entry).count() as u64
}

impl Structure {
    /// Counts the tokens of the object that starts at `start`, up to about `tokens_max`.
    fn scan(&mut self, bytes: &[u8], start: usize, tokens_max: u64) -> u64 {
        let mut lexer = Lexer::new(bytes, start);
        let (mut tokens, mut depth) = (0_u64, 0_usize);
        let (mut has_widths, mut has_size) = (false, false);
        let mut before = start;
        while let Some(token) = lexer.next() {
            // Skipped bytes cost time, not memory: 64 of them count as one token.
            tokens += cost(token) + (lexer.at() - before) as u64 / 64;
            before = lexer.at();
            match token {
                Token::ArrayStart | Token::DictionaryStart => depth += 1,
                Token::ArrayEnd | Token::DictionaryEnd => depth = depth.saturating_sub(1),
                Token::Name(raw) => {
                    let range = before - raw.len()..before;
                    match decode_name(raw).as_slice() {
                        b"First" => self.first_names.push(range),
                        b"Encrypt" => self.encrypt_names.push(range),
                        b"W" => has_widths = true,
                        b"Size" => has_size = true,
                        _ => {}
                    }
                }
                _ => {}
            }
            if depth == 0 || depth > DEPTH_MAX || tokens > tokens_max || ends_parsing(token) {
                break;
            }
        }
        self.xref_streams += u64::from(has_widths && has_size);
        tokens
    }
}

/// Objects lopdf can make of one token. A run such as `1.1.1` or `nullnull` is several.
pub(super) fn cost(token: Token) -> u64 {
    match token {
        Token::Word(word) if !is_plain(word) => word.len() as u64 / 2 + 1,
        _ => 1,
    }
}

fn is_plain(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    let number = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let points = digits.iter().filter(|&&byte| byte == b'.').count();
    (number && points < 2) || matches!(word, b"true" | b"false" | b"null" | b"R")
}

/// No object starts like this, so lopdf gives up here.
pub(super) fn ends_parsing(token: Token) -> bool {
    match token {
        Token::Word([first, ..]) => !matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.' | b't' | b'f' | b'n' | b'R'),
        token => token == Token::Stray,
    }
}
