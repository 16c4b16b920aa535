//! Text of the pages of a PDF document (ISO 32000-1, 9.4).
//!
//! An interpreter of the few operators that show text. The operators are read here, because lopdf
//! keeps all operands of an operator in memory and a megabyte of digits would become a hundred.

use std::collections::{BTreeMap, HashMap};

use lopdf::{DecompressError, Dictionary, Document, Error, ObjectId};
use metastamp_protocol::fingerprint::TextFeatures;

use super::font::{self, FontText};
use super::lexer::{Lexer, Token, decode_hex, decode_literal, decode_name, is_white_space};
use super::load::Budget;
use crate::progress::step;
use crate::text::{FeatureStream, Tally, TextCode, TextTotals};
use crate::{FingerprintError, Limits, Progress};

/// Fonts kept in the cache, and bytes of their character maps; above, it starts anew.
const FONTS_MAX: usize = 512;
const FONT_BYTES_MAX: usize = 32 << 20;
/// What reading a font costs, in operations: a constant, and one for so many bytes.
const FONT_OPERATIONS: u64 = 100;
const FONT_BYTES_PER_OPERATION: usize = 64;
/// Bytes of a string that are decoded at once; each may become about a hundred bytes of text.
const PIECE_BYTES: usize = 4 << 10;
/// Operands kept of one operator outside arrays; the operators of interest take at most six.
const OPERANDS_MAX: usize = 8;
/// Bytes of text collected before they are counted.
const FLUSH_BYTES: usize = 64 << 10;
/// Numbers below this in an array of strings move the pen so far that it reads as a space, in
/// thousandths of the font size.
const SPACE_KERNING: f32 = -200.0;

/// Ids of the pages in order.
pub(super) fn pages(document: &Document, limits: &Limits) -> Result<Vec<ObjectId>, FingerprintError> {
    let count = document.page_iter().count() as u64;
    if count > u64::from(limits.pdf_pages_max) {
        return Err(FingerprintError::limit(
            "pdf_pages_max",
            format!("pdf has {count} pages, more than the limit of {}", limits.pdf_pages_max),
        ));
    }
    Ok(document.page_iter().collect())
}

/// What [`text`] made of the pages.
pub(super) struct PageText {
    pub(super) totals: TextTotals,
    pub(super) features: TextFeatures,
    /// ISCC Text-Code.
    pub(super) code: Option<String>,
}

/// Hashes and features of the text of all pages, each page ended by a line feed. Reports progress from
/// 30 to 95 per cent.
pub(super) fn text(
    document: &Document,
    pages: &[ObjectId],
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<PageText, FingerprintError> {
    let mut extractor = Extractor {
        document,
        limits,
        budget: Budget::new(limits),
        operations: limits.pdf_operations_max,
        fonts: HashMap::new(),
        font_bytes: 0,
        text: String::new(),
        tally: Tally::default(),
        features: FeatureStream::default(),
        code: TextCode::new(),
    };
    for (index, page) in pages.iter().enumerate() {
        step(progress, (30 + 65 * index / pages.len()) as u8)?;
        extractor.page(*page)?;
    }
    // A blank page leaves no text behind, and the last line feed is trimmed anyway.
    extractor.text.push('\n');
    extractor.flush()?;
    let code = extractor.code.finish();
    Ok(PageText { totals: extractor.tally.finish(), features: extractor.features.finish(), code })
}

struct Extractor<'a> {
    document: &'a Document,
    limits: &'a Limits,
    budget: Budget<'a>,
    operations: u64,
    /// By address of the font dictionary, which pages share.
    fonts: HashMap<*const Dictionary, FontText<'a>>,
    /// Bytes of the character maps of `fonts`.
    font_bytes: usize,
    text: String,
    tally: Tally,
    features: FeatureStream,
    code: TextCode,
}

/// What stands before the next operator.
#[derive(Default)]
struct Operands<'c> {
    tokens: Vec<Token<'c>>,
    /// Elements of the last array, while and after it is open.
    array_start: Option<usize>,
    array: Option<(usize, usize)>,
}

impl<'a> Extractor<'a> {
    fn page(&mut self, page: ObjectId) -> Result<(), FingerprintError> {
        let fonts = self.document.get_page_fonts(page).unwrap_or_default();
        let content = match self.document.get_page_content_with_limit(page, self.budget.decoded_bytes_left()) {
            Ok(content) => content,
            Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                return Err(self.budget.decoded_exceeded());
            }
            Err(_) => return Ok(()),
        };
        self.budget.take_decoded_bytes(content.len())?;
        self.run(&content, &fonts)?;
        self.new_line();
        Ok(())
    }

    fn run(&mut self, content: &[u8], fonts: &BTreeMap<Vec<u8>, &'a Dictionary>) -> Result<(), FingerprintError> {
        let mut lexer = Lexer::new(content, 0);
        let mut operands = Operands::default();
        let mut font: Option<&'a Dictionary> = None;
        let mut line_y = None;
        while let Some(token) = lexer.next() {
            let Token::Word(word) = token else {
                operands.push(token, lexer.at());
                continue;
            };
            if is_operand(word) {
                operands.push(token, lexer.at());
                continue;
            }
            self.take_operations(1)?;
            match word {
                b"Tf" => font = operands.name().and_then(|name| fonts.get(&name).copied()),
                b"Tj" | b"'" | b"\"" => {
                    if word != b"Tj" {
                        self.new_line();
                    }
                    if let Some(string) = operands.last_string() {
                        self.show(font, &string)?;
                    }
                }
                b"TJ" => self.show_array(font, content, &operands)?,
                b"T*" | b"ET" => self.new_line(),
                b"Td" | b"TD" if operands.last_number().is_some_and(|y| y != 0.0) => self.new_line(),
                b"Tm" => {
                    let y = operands.last_number();
                    if y != line_y {
                        self.new_line();
                    }
                    line_y = y;
                }
                b"ID" => skip_inline_image(&mut lexer, content),
                _ => {}
            }
            operands = Operands::default();
        }
        Ok(())
    }

    /// Strings of an array in order; a wide gap between them reads as a space.
    fn show_array(
        &mut self,
        font: Option<&'a Dictionary>,
        content: &[u8],
        operands: &Operands,
    ) -> Result<(), FingerprintError> {
        let Some((start, end)) = operands.array else { return Ok(()) };
        for token in Lexer::new(&content[..end], start) {
            match token {
                Token::Word(word) if number(word).is_some_and(|gap| gap <= SPACE_KERNING) => self.space(),
                token => {
                    if let Some(string) = string(token) {
                        self.take_operations(1)?;
                        self.show(font, &string)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, font: Option<&'a Dictionary>, string: &[u8]) -> Result<(), FingerprintError> {
        let Some(font) = font else { return Ok(()) };
        let key = std::ptr::from_ref(font);
        if !self.fonts.contains_key(&key) {
            self.read_font(key, font)?;
        }
        // The font's codes are 1, 2 or 4 bytes long, so pieces do not cut any.
        for piece in string.chunks(PIECE_BYTES) {
            if let Some(font) = self.fonts.get(&key) {
                font.decode(piece, &mut self.text);
            }
            if self.text.len() >= FLUSH_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn read_font(&mut self, key: *const Dictionary, font: &'a Dictionary) -> Result<(), FingerprintError> {
        let (text, bytes) = font::read(font, self.document);
        self.take_operations(FONT_OPERATIONS + (bytes / FONT_BYTES_PER_OPERATION) as u64)?;
        self.font_bytes += bytes;
        if self.fonts.len() >= FONTS_MAX || self.font_bytes > FONT_BYTES_MAX {
            self.fonts.clear();
            self.font_bytes = bytes;
        }
        self.fonts.insert(key, text);
        Ok(())
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn space(&mut self) {
        if !self.text.ends_with(char::is_whitespace) {
            self.text.push(' ');
        }
    }

    /// Counts what was collected, except for its last character: whether a space or a line feed
    /// follows depends on it.
    fn flush(&mut self) -> Result<(), FingerprintError> {
        let kept = self.text.pop();
        self.tally.feed(&self.text);
        self.features.feed(&self.text);
        self.code.feed(&self.text);
        self.text.clear();
        self.text.extend(kept);
        if self.tally.chars_so_far() > self.limits.pdf_text_chars_max {
            return Err(FingerprintError::limit(
                "pdf_text_chars_max",
                format!("pdf has more than {} characters of text, the limit", self.limits.pdf_text_chars_max),
            ));
        }
        Ok(())
    }

    fn take_operations(&mut self, count: u64) -> Result<(), FingerprintError> {
        self.operations = self.operations.checked_sub(count).ok_or_else(|| {
            FingerprintError::limit(
                "pdf_operations_max",
                format!("pdf pages have more than {} operators, the limit", self.limits.pdf_operations_max),
            )
        })?;
        Ok(())
    }
}

impl<'c> Operands<'c> {
    /// Adds `token`, which ends at `end`.
    fn push(&mut self, token: Token<'c>, end: usize) {
        match token {
            Token::ArrayStart => self.array_start = Some(end),
            Token::ArrayEnd => self.array = self.array_start.take().map(|start| (start, end)),
            _ if self.array_start.is_some() => {}
            _ => {
                if self.tokens.len() == OPERANDS_MAX {
                    self.tokens.remove(0);
                }
                self.tokens.push(token);
            }
        }
    }

    fn name(&self) -> Option<Vec<u8>> {
        self.tokens.iter().rev().find_map(|token| match token {
            Token::Name(raw) => Some(decode_name(raw)),
            _ => None,
        })
    }

    fn last_string(&self) -> Option<Vec<u8>> {
        self.tokens.last().and_then(|token| string(*token))
    }

    fn last_number(&self) -> Option<f32> {
        match self.tokens.last() {
            Some(Token::Word(word)) => number(word),
            _ => None,
        }
    }
}

fn string(token: Token) -> Option<Vec<u8>> {
    match token {
        Token::Literal(raw) => Some(decode_literal(raw)),
        Token::Hex(raw) => Some(decode_hex(raw)),
        _ => None,
    }
}

fn number(word: &[u8]) -> Option<f32> {
    std::str::from_utf8(word).ok()?.parse().ok().filter(|number: &f32| number.is_finite())
}

/// Numbers and the three literals; everything else is an operator.
fn is_operand(word: &[u8]) -> bool {
    matches!(word.first(), Some(b'0'..=b'9' | b'+' | b'-' | b'.')) || matches!(word, b"true" | b"false" | b"null")
}

/// Moves behind the `EI` that ends the data of an inline image: white space, `EI`, white space.
fn skip_inline_image(lexer: &mut Lexer, content: &[u8]) {
    let rest = &content[lexer.at()..];
    let ends = |window: &[u8]| matches!(window, [before, b'E', b'I', after] if is_white_space(*before) && is_white_space(*after));
    let length = rest.windows(4).position(ends).map_or(rest.len(), |at| at + 3);
    lexer.seek(lexer.at() + length);
}
