//! Tokens of PDF objects and content streams (ISO 32000-1, 7.2 and 7.3).
//!
//! Deliberately generous: wherever lopdf's parser accepts something, this lexer sees at least as
//! many tokens, so that counting tokens here bounds what lopdf can build. It never allocates and
//! never nests.

/// One token, borrowing its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// Name without the slash, `#` escapes as written.
    Name(&'a [u8]),
    /// Literal string without its outer brackets, escapes as written.
    Literal(&'a [u8]),
    /// Digits of a hexadecimal string.
    Hex(&'a [u8]),
    ArrayStart,
    ArrayEnd,
    DictionaryStart,
    DictionaryEnd,
    /// Number, keyword or operator.
    Word(&'a [u8]),
    /// A bracket that closes nothing, or an unclosed string.
    Stray,
}

/// Reads tokens from `bytes`, starting at `at`.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

pub(super) fn is_white_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_white_space(byte) && !b"()<>[]{}/%".contains(&byte)
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Offset behind the last token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves to `at`.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    pub(super) fn skip_white_space(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b'%' {
                self.skip_while(|byte| !matches!(byte, b'\r' | b'\n'));
            } else if is_white_space(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|&byte| wanted(byte)) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    /// A literal string, `at` being behind its opening bracket.
    fn literal(&mut self) -> Token<'a> {
        let start = self.at;
        let mut depth = 1_u32;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Token::Literal(&self.bytes[start..self.at - 1]);
            }
        }
        self.at = self.bytes.len();
        Token::Stray
    }

    fn hex(&mut self) -> Token<'a> {
        let digits = self.skip_while(|byte| byte != b'>');
        if self.at < self.bytes.len() {
            self.at += 1;
            Token::Hex(digits)
        } else {
            Token::Stray
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_white_space();
        let byte = *self.bytes.get(self.at)?;
        if is_regular(byte) {
            return Some(Token::Word(self.skip_while(is_regular)));
        }
        self.at += 1;
        let doubled = self.bytes.get(self.at) == Some(&byte);
        Some(match byte {
            b'/' => Token::Name(self.skip_while(is_regular)),
            b'(' => self.literal(),
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b'<' | b'>' if doubled => {
                self.at += 1;
                if byte == b'<' { Token::DictionaryStart } else { Token::DictionaryEnd }
            }
            b'<' => self.hex(),
            _ => Token::Stray,
        })
    }
}

/// Name with its `#` escapes decoded.
pub(super) fn decode_name(raw: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (b'#', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                name.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => {
                name.push(byte);
                rest = tail;
            }
        }
    }
    name
}

/// Bytes of a literal string, escapes decoded and line ends made line feeds.
pub(super) fn decode_literal(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'\\' => at += decode_escape(&raw[at..], &mut out),
            b'\r' => {
                at += usize::from(raw.get(at) == Some(&b'\n'));
                out.push(b'\n');
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Decodes what follows a backslash; returns how many bytes it took.
fn decode_escape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let octal = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    if octal > 0 {
        let code = rest[..octal].iter().fold(0_u32, |code, &byte| code * 8 + u32::from(byte - b'0'));
        out.push(code as u8);
        return octal;
    }
    match rest {
        [] => return 0,
        [b'\r', b'\n', ..] => return 2,
        [b'\r' | b'\n', ..] => {}
        [b'n', ..] => out.push(b'\n'),
        [b'r', ..] => out.push(b'\r'),
        [b't', ..] => out.push(b'\t'),
        [b'b', ..] => out.push(8),
        [b'f', ..] => out.push(12),
        [byte, ..] => out.push(*byte),
    }
    1
}

/// Bytes of a hexadecimal string; what is no digit is skipped, a missing last digit is 0.
pub(super) fn decode_hex(raw: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = raw.iter().filter(|byte| byte.is_ascii_hexdigit()).map(|&byte| digit(byte)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
}

fn digit(byte: u8) -> u8 {
    (byte as char).to_digit(16).unwrap_or(0) as u8
}
