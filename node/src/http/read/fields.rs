//! Bodies read member by member, with the text of numbers as it was sent: no digit of an amount is lost.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use metastamp_protocol::http::FieldErrors;
use metastamp_protocol::{Amount, Currency, ObjectId};
use serde_json::value::{RawValue, to_raw_value};

use super::form_pairs;
use crate::http::error::{Error, Result};

/// The members of one object, and what is wrong with those that were read. Members that are null count as absent.
pub struct Fields {
    members: BTreeMap<String, Box<RawValue>>,
    errors: FieldErrors,
}

impl Fields {
    /// # Errors
    /// 422 for what is no JSON object.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let members = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(json);
        let mut members = members.map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Error::field("body", "must be a JSON object"),
            _ => Error::field("body", format!("is not valid JSON: {error}")),
        })?;
        members.retain(|_, value| value.get() != "null");
        Ok(Self { members, errors: FieldErrors::new() })
    }

    /// As [`Fields::parse`]; nothing at all is an object without members.
    ///
    /// # Errors
    /// 422 for what is neither.
    pub fn parse_or_nothing(json: &[u8]) -> Result<Self> {
        if json.trim_ascii().is_empty() { Self::parse(b"{}") } else { Self::parse(json) }
    }

    /// A form that browsers send; its values are strings.
    ///
    /// # Errors
    /// 422 for what is no text.
    pub fn parse_form(form: &[u8]) -> Result<Self> {
        std::str::from_utf8(form).map_err(|_| Error::field("body", "is not valid UTF-8"))?;
        let member = |(name, value): (String, String)| Some((name, to_raw_value(&value).ok()?));
        let members = form_pairs(form).into_iter().filter_map(member).collect();
        Ok(Self { members, errors: FieldErrors::new() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The member as JSON text.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.members.get(name).map(|value| value.get())
    }

    /// What came as `other` counts as `name`, unless that is there too.
    pub fn synonym(&mut self, other: &str, name: &str) {
        if !self.has(name)
            && let Some(value) = self.members.remove(other)
        {
            self.members.insert(name.to_owned(), value);
        }
    }

    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_default().push(message.into());
    }

    /// Notes an error instead of a value.
    pub fn noted<T>(&mut self, name: &str, result: std::result::Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.wrong(name, error.to_string())).ok()
    }

    /// Any JSON value of a given type; `expected` ends the sentence "must be".
    pub fn value<T: serde::de::DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let parsed = serde_json::from_str(self.raw(name)?);
        self.noted(name, parsed.map_err(|_| format!("must be {expected}")))
    }

    /// Text as it was sent.
    pub fn string(&mut self, name: &str) -> Option<String> {
        self.value(name, "a string")
    }

    /// Text of so many characters, white space around it not counted, without control characters.
    pub fn text(&mut self, name: &str, chars: RangeInclusive<usize>) -> Option<String> {
        let text = self.string(name)?.trim().to_owned();
        if !chars.contains(&text.chars().count()) {
            self.wrong(name, format!("must have {} to {} characters", chars.start(), chars.end()));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.wrong(name, "must not hold control characters");
            return None;
        }
        Some(text)
    }

    pub fn id(&mut self, name: &str) -> Option<ObjectId> {
        let text = self.string(name)?;
        let id = text.to_lowercase().parse::<ObjectId>();
        self.noted(name, id)
    }

    /// The text of a number, or of a string that may hold one.
    pub fn number(&mut self, name: &str) -> Option<String> {
        let raw = self.raw(name)?.to_owned();
        match raw.as_bytes().first() {
            Some(b'"') => self.value(name, "a number"),
            Some(b'-' | b'0'..=b'9') => Some(raw),
            _ => {
                self.wrong(name, "must be a number");
                None
            }
        }
    }

    /// ISO 4217; dollars when it is not there.
    pub fn currency(&mut self) -> Currency {
        let Some(code) = self.string("currency") else { return Currency::default() };
        Currency::parse(&code).unwrap_or_else(|| {
            let known: Vec<_> = Currency::ALL.into_iter().map(Currency::code).collect();
            self.wrong("currency", format!("must be one of {}", known.join(", ")));
            Currency::default()
        })
    }

    /// An exact amount, with whatever sign.
    pub fn amount(&mut self, name: &str, currency: Currency) -> Option<Amount> {
        let text = self.number(name)?;
        self.noted(name, Amount::parse(&text, currency))
    }

    /// Notes that a member is missing, unless it is there and was wrong.
    pub fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(name, "is required");
        }
        value
    }

    /// Notes an error, unless something else is wrong with the member already.
    pub fn missing(&mut self, name: &str, message: &str) {
        if !self.errors.contains_key(name) {
            self.wrong(name, message);
        }
    }

    /// What was read, if nothing was wrong.
    ///
    /// # Errors
    /// 422 with all that was.
    pub fn end<T>(self, value: Option<T>) -> Result<T> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Error::fields(self.errors)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(json: &str) -> (Option<i64>, FieldErrors) {
        let mut fields = Fields::parse(json.as_bytes()).unwrap();
        let currency = fields.currency();
        let amount = fields.amount("amount", currency);
        (amount.map(Amount::minor), fields.errors)
    }

    #[test]
    fn numbers_and_their_texts_are_read_to_the_last_digit() {
        for (json, minor) in [
            (r#"{"amount": 0.1}"#, 10),
            (r#"{"amount": "9999999999999.99"}"#, 999_999_999_999_999),
            (r#"{"amount": 1e3, "currency": "JPY"}"#, 1_000),
            (r#"{"amount": -12.30}"#, -1_230),
        ] {
            assert_eq!(amount(json), (Some(minor), FieldErrors::new()), "{json}");
        }
    }

    #[test]
    fn what_is_no_amount_is_named() {
        for json in [
            r#"{"amount": 1e400}"#,
            r#"{"amount": "NaN"}"#,
            r#"{"amount": 0.001}"#,
            r#"{"amount": 123456789012345678901234567890}"#,
            r#"{"amount": true}"#,
            r#"{"amount": [1]}"#,
            r#"{"amount": 1.5, "currency": "JPY"}"#,
        ] {
            let (read, errors) = amount(json);
            assert_eq!((read, errors.keys().next().map(String::as_str)), (None, Some("amount")), "{json}");
        }
        let (_, errors) = amount(r#"{"amount": 1, "currency": "XAU"}"#);
        assert!(errors.contains_key("currency"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["", "[]", "1", "{", r#"{"amount": NaN}"#, "null"] {
            assert_eq!(Fields::parse(json.as_bytes()).err().map(|error| error.status_code()), Some(422), "{json}");
        }
    }

    #[test]
    fn forms_have_strings_and_no_body_has_nothing() {
        let mut fields = Fields::parse_form(b"email=a%40b.test&email=c%40d.test&amount=1&empty=").unwrap();
        assert_eq!(fields.string("email").as_deref(), Some("c@d.test"));
        assert_eq!((fields.number("amount").as_deref(), fields.string("empty").as_deref()), (Some("1"), Some("")));
        assert_eq!(Fields::parse_form(b"a=\xff").err().map(|error| error.status_code()), Some(422));
        assert!(!Fields::parse_or_nothing(b" \r\n").unwrap().has("a"));
        assert!(Fields::parse_or_nothing(br#"{"a": 1}"#).unwrap().has("a"));
        assert_eq!(Fields::parse_or_nothing(b"[]").err().map(|error| error.status_code()), Some(422));
    }

    #[test]
    fn missing_and_wrong_are_said_once() {
        let mut fields = Fields::parse(br#"{"name": 1, "note": null}"#).unwrap();
        let name = fields.text("name", 1..=10);
        assert_eq!(fields.required("name", name), None);
        let note = fields.text("note", 1..=10);
        assert_eq!(fields.required("note", note), None);
        let said: Vec<_> = fields.errors.values().flatten().map(String::as_str).collect();
        assert_eq!(said, ["must be a string", "is required"]);
    }
}
