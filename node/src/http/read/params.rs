//! Query parameters, under all their names. What is wrong is collected; unknown names are ignored.

use metastamp_protocol::http::FieldErrors;
use metastamp_protocol::{Currency, Timestamp};

use crate::http::error::{Error, Result};
use crate::http::request::Request;

const LIMIT_MAX: u64 = 100;
/// No list is longer than this.
const SKIP_MAX: u64 = 1_000_000_000;

pub struct Params {
    pairs: Vec<(String, String)>,
    errors: FieldErrors,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub skip: u64,
    pub limit: u32,
}

/// Instants on both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Params {
    pub fn of(request: &Request) -> Self {
        Self::from(request.query_pairs())
    }

    /// The first of the names that is there, with its value.
    pub fn text(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| {
            let (_, value) = self.pairs.iter().find(|(given, _)| given == name)?;
            Some((*name, value.clone()))
        })
    }

    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_default().push(message.into());
    }

    /// As [`Params::wrong`], unless something is wrong already.
    pub fn wrong_once(&mut self, name: &str, message: &str) {
        if self.errors.is_empty() {
            self.wrong(name, message);
        }
    }

    pub fn number(&mut self, names: &[&'static str], min: u64, max: u64) -> Option<u64> {
        let (name, text) = self.text(names)?;
        let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.wrong(name, format!("must be a whole number from {min} to {max}"));
        }
        number
    }

    /// One of a set of words; `all` is as good as none.
    pub fn word<T>(&mut self, names: &[&'static str], accepted: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (name, text) = self.text(names).filter(|(_, text)| text != "all")?;
        let word = parse(&text);
        if word.is_none() {
            self.wrong(name, format!("must be one of {accepted}"));
        }
        word
    }

    pub fn flag(&mut self, name: &'static str) -> bool {
        let parse = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.word(&[name], "true, false", parse).unwrap_or(false)
    }

    /// ISO 4217, in either case.
    pub fn currency(&mut self) -> Option<Currency> {
        let known = Currency::ALL.map(Currency::code).join(", ");
        self.word(&["currency"], &known, |text| Currency::parse(&text.to_ascii_uppercase()))
    }

    /// Page and size win over skip. 20 rows when a page is asked for, else 50.
    pub fn page(&mut self, sizes: &[&'static str]) -> Page {
        let page = self.number(&["page"], 1, SKIP_MAX);
        let skip = self.number(&["skip"], 0, SKIP_MAX);
        let default = if page.is_some() { 20 } else { 50 };
        let limit = self.number(sizes, 1, LIMIT_MAX).map_or(default, |limit| limit as u32);
        let skip = page.map_or(skip.unwrap_or(0), |page| (page - 1).saturating_mul(limit.into()));
        Page { skip, limit }
    }

    /// Instants in RFC 3339, or calendar days in UTC, of which the last counts whole.
    pub fn period(&mut self, from: &[&'static str], to: &[&'static str]) -> Period {
        let period = Period { from: self.instant(from, |day| day), to: self.instant(to, Timestamp::day_end) };
        if let (Some(begin), Some(end)) = (period.from, period.to)
            && end < begin
            && let Some((name, _)) = self.text(to)
        {
            self.wrong(name, "must not be before the beginning");
        }
        period
    }

    fn instant(&mut self, names: &[&'static str], of_day: impl Fn(Timestamp) -> Timestamp) -> Option<Timestamp> {
        let (name, text) = self.text(names)?;
        // the plus of an offset comes as a blank from those who do not escape it
        let instant = || Timestamp::parse(&text.replace(' ', "+"));
        let read = Timestamp::of_day(&text).map(of_day).or_else(instant);
        if read.is_none() {
            self.wrong(name, "must be a date (2025-11-26) or an instant (2025-11-26T14:50:00Z)");
        }
        read
    }

    /// # Errors
    /// 422 with everything that was wrong.
    pub fn end(self) -> Result<()> {
        if self.errors.is_empty() { Ok(()) } else { Err(Error::fields(self.errors)) }
    }
}

impl From<Vec<(String, String)>> for Params {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self { pairs, errors: FieldErrors::new() }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Parameters out of text; nothing is decoded.
    pub fn params(text: &str) -> Params {
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Params::from(text.split('&').filter_map(pair).collect::<Vec<_>>())
    }

    fn wrong(params: Params) -> Vec<String> {
        params.errors.into_keys().collect()
    }

    #[test]
    fn a_page_has_several_names() {
        let page = |text: &str| params(text).page(&["pageSize", "page_size", "limit"]);
        assert_eq!(page(""), Page { skip: 0, limit: 50 });
        assert_eq!(page("page=3"), Page { skip: 40, limit: 20 });
        assert_eq!(page("page=2&pageSize=7&skip=3"), Page { skip: 7, limit: 7 });
        assert_eq!(page("skip=3&page_size=9"), Page { skip: 3, limit: 9 });
        assert_eq!(page("limit=100"), Page { skip: 0, limit: 100 });
        for text in
            ["page=0", "page=x", "skip=-1", "pageSize=0", "page_size=101", "limit=1e2", "skip=18446744073709551616"]
        {
            let mut params = params(text);
            params.page(&["pageSize", "page_size", "limit"]);
            assert_eq!(wrong(params), [text.split('=').next().unwrap()], "{text}");
        }
    }

    #[test]
    fn the_last_day_counts_whole() {
        let period = |text: &str| {
            let Period { from, to } = params(text).period(&["startDate", "start_date"], &["endDate", "end_date"]);
            (from.map(|at| at.to_string()), to.map(|at| at.to_string()))
        };
        let texts = |from: &str, to: &str| (Some(from.to_owned()), Some(to.to_owned()));
        let day = texts("2025-11-26T00:00:00.000Z", "2025-11-26T23:59:59.999Z");
        assert_eq!(period("startDate=2025-11-26&endDate=2025-11-26"), day);
        assert_eq!(period("start_date=2025-11-26&end_date=2025-11-26"), day);
        let exact = texts("2025-11-26T10:00:00.000Z", "2025-11-26T11:00:00.500Z");
        assert_eq!(period("startDate=2025-11-26T10:00:00Z&endDate=2025-11-26T12:00:00.500 01:00"), exact);
        assert_eq!(period(""), (None, None));
        for (text, name) in [
            ("startDate=26.11.2025", "startDate"),
            ("end_date=2025-02-30", "end_date"),
            ("endDate=2025-11-26T10:00:00", "endDate"),
            ("startDate=2025-11-27&endDate=2025-11-26", "endDate"),
        ] {
            let mut params = params(text);
            params.period(&["startDate", "start_date"], &["endDate", "end_date"]);
            assert_eq!(wrong(params), [name], "{text}");
        }
    }

    #[test]
    fn words_and_flags() {
        assert_eq!(params("currency=eur").currency(), Some(Currency::Eur));
        assert_eq!(params("currency=all").currency(), None);
        assert!(params("all=true").flag("all") && !params("all=0").flag("all"));
        let mut params = params("currency=XAU&all=maybe");
        assert_eq!((params.currency(), params.flag("all")), (None, false));
        assert_eq!(wrong(params), ["all", "currency"]);
    }
}
