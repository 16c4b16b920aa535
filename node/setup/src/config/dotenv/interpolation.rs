//! What `\` and `$` mean in the values of `.env`.

/// Longest value that may come of a template: names that hold each other grow without end otherwise.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// `${A:-${B:-...}}`, this deep.
const DEPTH_MAX: usize = 32;

/// Tells of a value into which something was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpolated {
    pub name: String,
    pub line: usize,
    /// The variables that it was made with.
    pub from: Vec<String>,
    /// How many names were set nowhere, and count as empty. They are not named: `$word` in a password is no variable but a
    /// part of it.
    pub unset: usize,
}

/// A template that was filled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub value: String,
    pub from: Vec<String>,
    pub unset: usize,
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts values in the place of `$NAME` and its longer forms.
///
/// # Errors
/// Says what is wrong, to be put behind the name of the variable.
pub(super) fn fill(text: &str, lookup: Lookup<'_>) -> Result<Template, String> {
    let mut template = Template::default();
    template.add(text, lookup, 0)?;
    Ok(template)
}

impl Template {
    fn add(&mut self, mut text: &str, lookup: Lookup<'_>, depth: usize) -> Result<(), String> {
        while let Some((before, after)) = text.split_once('$') {
            self.push(before)?;
            text = if let Some(rest) = after.strip_prefix('$') {
                self.push("$")?;
                rest
            } else if let Some(rest) = after.strip_prefix('{') {
                let end = closing_brace(rest).ok_or("has a ${ without its }")?;
                self.braced(&rest[..end], lookup, depth)?;
                &rest[end + 1..]
            } else {
                let (name, rest) = after.split_at(name_length(after));
                if name.is_empty() {
                    return Err(NO_NAME.to_owned());
                }
                self.put(name, lookup(name))?;
                rest
            };
        }
        self.push(text)
    }

    /// What stands between the braces.
    fn braced(&mut self, inner: &str, lookup: Lookup<'_>, depth: usize) -> Result<(), String> {
        if depth >= DEPTH_MAX {
            return Err(format!("has more than {DEPTH_MAX} ${{}} within each other"));
        }
        let (name, rest) = inner.split_at(name_length(inner));
        if name.is_empty() {
            return Err(NO_NAME.to_owned());
        }
        let set = lookup(name);
        let (set_enough, rest) = match rest.strip_prefix(':') {
            Some(rest) => (set.as_ref().is_some_and(|value| !value.is_empty()), rest),
            None => (set.is_some(), rest),
        };
        match (rest.chars().next(), set_enough) {
            (None, _) if inner.len() == name.len() => self.put(name, set),
            (Some('-'), false) | (Some('+'), true) => self.stand_in(name, &rest[1..], lookup, depth),
            (Some('-' | '?'), true) => self.put(name, set),
            (Some('+'), false) => {
                self.note(name);
                Ok(())
            }
            (Some('?'), false) => {
                let mut why = Self::default();
                why.add(&rest[1..], lookup, depth + 1)?;
                Err(format!("needs {name}, which is not set: {}", why.value))
            }
            _ => Err(format!("has a ${{{name} that goes on with something else than }} :- - :+ + :? ?")),
        }
    }

    /// The text after `-` or `+`.
    fn stand_in(&mut self, name: &str, text: &str, lookup: Lookup<'_>, depth: usize) -> Result<(), String> {
        self.note(name);
        self.add(text, lookup, depth + 1)
    }

    fn put(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        match value {
            Some(value) => {
                self.note(name);
                self.push(&value)
            }
            None => {
                self.unset += 1;
                Ok(())
            }
        }
    }

    fn note(&mut self, name: &str) {
        if !self.from.iter().any(|known| known == name) {
            self.from.push(name.to_owned());
        }
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        self.value.push_str(text);
        if self.value.len() > VALUE_BYTES_MAX {
            return Err(format!("is longer than {VALUE_BYTES_MAX} bytes with what stands for its variables"));
        }
        Ok(())
    }
}

const NO_NAME: &str = "has a $ that no name follows; $$ or single quotes around the value give a $ itself";

fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let begins = bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
    if begins { bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count() } else { 0 }
}

/// Where the brace that was opened before `text` closes; `${` within it opens another.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut open, mut previous) = (1_usize, 0);
    text.bytes().position(|byte| {
        match (previous, byte) {
            (_, b'}') => open -= 1,
            (b'$', b'{') => open += 1,
            _ => {}
        }
        previous = byte;
        open == 0
    })
}

/// What a text in double quotes means; `\$` becomes `$$`, since variables are put in afterwards.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (meant, length) = escape(after);
        out.push_str(&meant);
        rest = &after[length..];
    }
    out + rest
}

/// What a backslash before `text` means, and how much of `text` is a part of it.
fn escape(text: &str) -> (String, usize) {
    let meant = match text.as_bytes().first() {
        Some(b'n') => "\n",
        Some(b'r') => "\r",
        Some(b't') => "\t",
        Some(b'a') => "\u{7}",
        Some(b'b') => "\u{8}",
        Some(b'f') => "\u{c}",
        Some(b'v') => "\u{b}",
        Some(b'\\') => "\\",
        Some(b'"') => "\"",
        Some(b'$') => "$$",
        Some(b'0') => {
            let octal = text.get(1..4).filter(|digits| digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)));
            return match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
                Some(code) => (char::from(code).to_string(), 4),
                None => ("\\".to_owned(), 0),
            };
        }
        _ => return ("\\".to_owned(), 0),
    };
    (meant.to_owned(), 1)
}
