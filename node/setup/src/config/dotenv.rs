//! Reads `.env` in the dialect of Docker Compose, so that one file serves Compose and a node that is started by hand.
//!
//! | written | read |
//! | --- | --- |
//! | `KEY=a b`, `KEY = a b`, `KEY: a b`, `export KEY=a b` | `a b` |
//! | `KEY=a # note`, `KEY=a#b` | `a`, `a#b`: a note begins with a blank and `#` |
//! | `KEY='a $b \n'` | as it stands, over several lines too; `\'` is a quote |
//! | `KEY="a\tb"` | `\n \r \t \a \b \f \v \\ \" \$ \0ooo` mean what they do in a shell; several lines too |
//! | `$A ${A} ${A:-b} ${A-b} ${A:+b} ${A+b} ${A:?why} ${A?why} $$` | put in, unless in single quotes; see [`interpolation`] |
//! | `KEY` | passed through from the environment |
//!
//! Messages name lines and variables, never values: a line that is read wrongly may well be a part of a secret.

mod interpolation;

use std::collections::HashMap;

pub use interpolation::Interpolated;
use interpolation::Template;

/// What a file says.
#[derive(Debug, Default)]
pub struct Dotenv {
    pub values: HashMap<String, String>,
    /// Where `$` stood for something else, in the order of the lines.
    pub interpolated: Vec<Interpolated>,
    pub problems: Vec<LineProblem>,
}

/// A line that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineProblem {
    pub line: usize,
    pub what: String,
}

/// Reads the text of a file. `environment` is asked for names in `$NAME` first, then the lines above.
pub fn parse(bytes: &[u8], environment: impl Fn(&str) -> Option<String>) -> Dotenv {
    let mut dotenv = Dotenv::default();
    let text = match utf8(bytes) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(problem) => {
            dotenv.problems.push(problem);
            return dotenv;
        }
    };
    let mut lines = Lines { rest: &text, line: 1 };
    loop {
        match lines.statement() {
            Ok(None) => return dotenv,
            Ok(Some(statement)) => dotenv.take(statement, &environment),
            Err(problem) => {
                dotenv.problems.push(problem);
                lines.skip_line();
            }
        }
    }
}

impl Dotenv {
    fn take(&mut self, statement: Statement<'_>, environment: &impl Fn(&str) -> Option<String>) {
        let Statement { name, value, line } = statement;
        let lookup = |name: &str| environment(name).or_else(|| self.values.get(name).cloned());
        let value = match value {
            Raw::Inherited => return,
            Raw::Literal(value) => Ok((value, None)),
            Raw::Template(text) => interpolation::fill(&text, &lookup)
                .map(|Template { value, from, unset }| {
                    let told = !from.is_empty() || unset > 0;
                    (value, told.then(|| Interpolated { name: name.to_owned(), line, from, unset }))
                })
                .map_err(|what| LineProblem { line, what: format!("the value of {name} {what}") }),
        };
        match value {
            Ok((value, interpolated)) => {
                self.values.insert(name.to_owned(), value);
                self.interpolated.extend(interpolated);
            }
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, LineProblem> {
    let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let problem = |line, what: &str| LineProblem { line, what: what.to_owned() };
    if wide {
        return Err(problem(1, "the file is UTF-16, as PowerShell's > writes it: save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        problem(line, "the text is not UTF-8: save the file as UTF-8")
    })
}

struct Statement<'a> {
    name: &'a str,
    value: Raw,
    /// Where it begins.
    line: usize,
}

/// A value before anything is put in.
enum Raw {
    Inherited,
    Literal(String),
    Template(String),
}

/// What is still to be read.
struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next statement; `None` at the end.
    fn statement(&mut self) -> Result<Option<Statement<'a>>, LineProblem> {
        self.skip_blank();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let (name, given) = self.name()?;
        let value = match self.rest.chars().next() {
            _ if !given => Raw::Inherited,
            Some(quote @ ('"' | '\'')) => self.quoted(quote, name)?,
            _ => self.unquoted(),
        };
        Ok(Some(Statement { name, value, line }))
    }

    /// Passes over blank lines and comments.
    fn skip_blank(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            self.advance(self.rest.len() - trimmed.len());
            if !self.rest.starts_with('#') {
                return;
            }
            self.skip_line();
        }
    }

    /// The name before `=` or `:`, and whether there is one of these.
    fn name(&mut self) -> Result<(&'a str, bool), LineProblem> {
        self.skip_export();
        let line = self.rest.split('\n').next().unwrap_or_default();
        let end = line.find(['=', ':']);
        let name = line[..end.unwrap_or(line.len())].trim();
        if name.is_empty() {
            return Err(self.problem("there is no name before the value".to_owned()));
        }
        if let Some(odd) = name.chars().find(|&c| !c.is_alphanumeric() && !"_.-[]".contains(c)) {
            let odd = if odd.is_whitespace() { "a blank".to_owned() } else { format!("{odd:?}") };
            return Err(self.problem(format!("{odd} can't be part of a name; lines are like NAME=value")));
        }
        self.advance(end.map_or(line.len(), |end| end + 1));
        let blanks = self.rest.len() - self.rest.trim_start_matches(is_blank).len();
        // one blank stays for the `#` of a note after no value at all
        let note =
            end.is_some() && blanks > 0 && self.rest[..blanks].ends_with(' ') && self.rest[blanks..].starts_with('#');
        self.advance(if note { blanks - 1 } else { blanks });
        Ok((name, end.is_some()))
    }

    fn skip_export(&mut self) {
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with(is_blank)
        {
            self.rest = after.trim_start_matches(is_blank);
        }
    }

    fn unquoted(&mut self) -> Raw {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let value = line.split(" #").next().unwrap_or_default().trim_end();
        self.advance(line.len());
        Raw::Template(value.to_owned())
    }

    /// Up to the same quote; a backslash keeps a quote from ending it.
    fn quoted(&mut self, quote: char, name: &str) -> Result<Raw, LineProblem> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        });
        let Some(end) = end else {
            let problem = self.problem(format!("the quote before the value of {name} is not closed"));
            // what follows is a part of the value: nothing can be said of it
            self.rest = "";
            return Err(problem);
        };
        let inner = &self.rest[1..end];
        self.advance(end + 1);
        self.nothing_more()?;
        Ok(if quote == '\'' {
            Raw::Literal(inner.replace("\\'", "'"))
        } else {
            Raw::Template(interpolation::unescape(inner))
        })
    }

    /// After a quoted value only a note may stand.
    fn nothing_more(&mut self) -> Result<(), LineProblem> {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let after = line.trim_start();
        if after.is_empty() || after.starts_with('#') {
            self.advance(line.len());
            return Ok(());
        }
        Err(self
            .problem("there is text after the closing quote; a quote within a value is written \\\" or \\'".to_owned()))
    }

    fn skip_line(&mut self) {
        let line = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        self.advance(line);
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn problem(&self, what: String) -> LineProblem {
        LineProblem { line: self.line, what }
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

#[cfg(test)]
mod tests;
