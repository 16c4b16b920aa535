//! Text of the pages of a PDF document (ISO 32000-1, 9.4).
//!
//! An interpreter of the few operators that show text. The operators are read here, because lopdf
//! keeps all operands of an operator in memory and a megabyte of digits would become a hundred.

use std::collections::HashMap;

use lopdf::{DecompressError, Dictionary, Document, Error, ObjectId, Stream};
use metastamp_protocol::fingerprint::TextFeatures;

use super::font::{self, Font};
use super::lexer::{Lexer, Token, decode_hex, decode_literal, decode_name, is_white_space};
use super::load::Budget;
use super::pen::Pen;
use super::resources::Resources;
use crate::progress::step;
use crate::text::{FeatureStream, Tally, TextCode, TextTotals};
use crate::{FingerprintError, Limits, Progress};

/// Fonts kept in the cache, and bytes of their character maps; above, it starts anew.
const FONTS_MAX: usize = 512;
const FONT_BYTES_MAX: usize = 32 << 20;
/// What reading a font costs, in operations: a constant, and one for so many bytes.
const FONT_OPERATIONS: u64 = 100;
const FONT_BYTES_PER_OPERATION: usize = 64;
/// Forms within forms; deeper ones are left out.
const FORMS_MAX: usize = 12;
/// What showing a form costs, in operations.
const FORM_OPERATIONS: u64 = 100;
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
    /// Codes of which no font tells what they stand for.
    pub(super) unreadable: u64,
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
        forms: Vec::new(),
        unreadable: 0,
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
    let unreadable = extractor.unreadable;
    Ok(PageText { totals: extractor.tally.finish(), features: extractor.features.finish(), code, unreadable })
}

struct Extractor<'a> {
    document: &'a Document,
    limits: &'a Limits,
    budget: Budget<'a>,
    operations: u64,
    /// By address of the font dictionary, which pages share.
    fonts: HashMap<*const Dictionary, Font>,
    /// Bytes of the character maps of `fonts`.
    font_bytes: usize,
    /// Forms that are being shown, one within the other.
    forms: Vec<*const Stream>,
    unreadable: u64,
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
        let resources = Resources::of_page(self.document, page);
        let content = match self.document.get_page_content_with_limit(page, self.budget.decoded_bytes_left()) {
            Ok(content) => content,
            Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                return Err(self.budget.decoded_exceeded());
            }
            Err(_) => return Ok(()),
        };
        self.budget.take_decoded_bytes(content.len())?;
        self.run(&content, &resources)?;
        self.new_line();
        Ok(())
    }

    /// Text of a form, on lines of its own. One that shows itself is left out the second time.
    fn form(&mut self, form: &'a Stream, resources: &Resources<'a>) -> Result<(), FingerprintError> {
        let key = std::ptr::from_ref(form);
        if self.forms.len() >= FORMS_MAX || self.forms.contains(&key) {
            return Ok(());
        }
        self.take_operations(FORM_OPERATIONS)?;
        let content = match form.get_plain_content_with_limit(self.budget.decoded_bytes_left()) {
            Ok(content) => content,
            Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                return Err(self.budget.decoded_exceeded());
            }
            Err(_) => return Ok(()),
        };
        self.budget.take_decoded_bytes(content.len())?;
        self.forms.push(key);
        self.new_line();
        let result = self.run(&content, &resources.of_form(form));
        self.new_line();
        self.forms.pop();
        result
    }

    fn run(&mut self, content: &[u8], resources: &Resources<'a>) -> Result<(), FingerprintError> {
        let mut lexer = Lexer::new(content, 0);
        let mut operands = Operands::default();
        let mut font: Option<&'a Dictionary> = None;
        let mut line_y = None;
        let mut pen = Pen::default();
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
                b"Tf" => {
                    font = operands.name().and_then(|name| resources.font(&name));
                    pen.size = operands.last_number().unwrap_or(pen.size);
                }
                b"Tj" | b"'" | b"\"" => {
                    if word != b"Tj" {
                        self.new_line();
                        pen.next_line();
                    }
                    if let Some(string) = operands.last_string() {
                        self.show(font, &mut pen, &string)?;
                    }
                }
                b"TJ" => self.show_array(font, &mut pen, content, &operands)?,
                b"T*" | b"ET" => {
                    self.new_line();
                    pen.next_line();
                }
                b"BT" => pen.begin(),
                b"Tc" => pen.char_space = operands.last_number().unwrap_or(0.0),
                b"TL" => pen.leading = operands.last_number().unwrap_or(0.0),
                b"Tz" => pen.scale = operands.last_number().unwrap_or(100.0) / 100.0,
                b"Td" | b"TD" => {
                    if let Some([x, y]) = operands.numbers() {
                        if y != 0.0 {
                            self.new_line();
                        }
                        if word == b"TD" {
                            pen.leading = -y;
                        }
                        pen.move_line(x, y);
                    }
                }
                b"Tm" => {
                    let y = operands.last_number();
                    if y != line_y {
                        self.new_line();
                    }
                    line_y = y;
                    if let Some(matrix) = operands.numbers() {
                        pen.set(matrix);
                    }
                }
                b"Do" => {
                    if let Some(form) = operands.name().and_then(|name| resources.form(&name)) {
                        self.form(form, resources)?;
                    }
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
        pen: &mut Pen,
        content: &[u8],
        operands: &Operands,
    ) -> Result<(), FingerprintError> {
        let Some((start, end)) = operands.array else { return Ok(()) };
        for token in Lexer::new(&content[..end], start) {
            match token {
                Token::Word(word) => {
                    let gap = number(word).unwrap_or(0.0);
                    pen.kern(gap);
                    if gap <= SPACE_KERNING {
                        self.space();
                    }
                }
                token => {
                    if let Some(string) = string(token) {
                        self.take_operations(1)?;
                        self.show(font, pen, &string)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, font: Option<&'a Dictionary>, pen: &mut Pen, string: &[u8]) -> Result<(), FingerprintError> {
        let Some(font) = font else { return Ok(()) };
        let key = std::ptr::from_ref(font);
        if !self.fonts.contains_key(&key) {
            self.read_font(key, font)?;
        }
        if pen.is_apart() && !self.text.is_empty() {
            self.space();
        }
        let Some(known) = self.fonts.get(&key) else { return Ok(()) };
        let (width, codes) = known.widths.of_string(string);
        pen.show(width, codes);
        // The font's codes are 1, 2 or 4 bytes long, so pieces do not cut any.
        for piece in string.chunks(known.text.piece_bytes()) {
            if let Some(font) = self.fonts.get(&key) {
                self.unreadable += font.text.decode(piece, &mut self.text);
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

    /// The last `N` operands, when all of them are numbers.
    fn numbers<const N: usize>(&self) -> Option<[f32; N]> {
        let last = self.tokens.last_chunk::<N>()?;
        let mut numbers = [0.0; N];
        for (out, token) in numbers.iter_mut().zip(last) {
            let Token::Word(word) = token else { return None };
            *out = number(word)?;
        }
        Some(numbers)
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
