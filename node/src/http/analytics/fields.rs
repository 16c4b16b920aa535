//! Reads the members of a request one by one, and remembers all that is wrong with them.

use metastamp_protocol::analytics::{CreatorMetrics, Growth, Projection, Score, Terms};
use metastamp_protocol::http::FieldErrors;
use metastamp_protocol::{Currency, Object};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::error::{ApiError, Result};
use super::super::request::number_text;

/// Free members that are kept: so many bytes, one in another so often. Stores have limits too.
const OBJECT_BYTES_MAX: usize = 16 << 10;
const OBJECT_DEPTH_MAX: usize = 8;
/// Largest count of people, and of hours.
const PEOPLE_MAX: f64 = 1e15;
const HOURS_MAX: f64 = 1e9;
const PLATFORM_CHARS_MAX: usize = 50;

#[derive(Default)]
pub struct Fields {
    errors: FieldErrors,
}

impl Fields {
    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.insert(name.to_owned(), vec![message.into()]);
    }

    /// Unless something else is wrong with it already.
    pub fn missing(&mut self, name: &str, message: &str) {
        self.errors.entry(name.to_owned()).or_insert_with(|| vec![message.to_owned()]);
    }

    /// The value, or 422 with all that was wrong.
    pub fn done<T>(self, value: Option<T>) -> Result<T> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ApiError::fields(self.errors)),
        }
    }

    fn text(&mut self, name: &str, raw: &RawValue) -> Option<String> {
        let text = number_text(raw);
        if text.is_none() {
            self.wrong(name, "must be a decimal number");
        }
        text
    }

    /// A score; `None` when it was left out or is wrong.
    pub fn score(&mut self, name: &str, raw: Option<&RawValue>) -> Option<Score> {
        let text = self.text(name, raw?)?;
        text.parse()
            .map_err(|error: metastamp_protocol::analytics::ScoreError| self.wrong(name, error.to_string()))
            .ok()
    }

    /// Earnings are judged even when there are no scores to go with them.
    pub fn terms(
        &mut self,
        earnings: Option<&RawValue>,
        contribution: Option<Score>,
        exposure: Option<Score>,
    ) -> Option<Terms> {
        let name = "model_earnings";
        let Some(raw) = earnings else {
            self.missing(name, "is required");
            return None;
        };
        let text = self.text(name, raw)?;
        let nothing = || Score::rounded(0.0);
        let (contribution, exposure) = (contribution.unwrap_or_else(nothing), exposure.unwrap_or_else(nothing));
        let terms = Terms::of(&text, contribution, exposure, Currency::Usd);
        terms.map_err(|error| self.wrong(name, error.to_string())).ok()
    }

    pub fn periods(&mut self, name: &str, raw: Option<&RawValue>) -> u32 {
        let Some(raw) = raw else { return Projection::PERIODS };
        let number = number_text(raw).and_then(|text| text.trim().parse().ok());
        match number.filter(|number| (1..=Projection::PERIODS_MAX).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(name, format!("must be a whole number from 1 to {}", Projection::PERIODS_MAX));
                Projection::PERIODS
            }
        }
    }

    pub fn growth(&mut self, name: &str, raw: Option<&RawValue>) -> Option<Growth> {
        let text = self.text(name, raw?)?;
        text.parse()
            .map_err(|error: metastamp_protocol::analytics::GrowthError| self.wrong(name, error.to_string()))
            .ok()
    }

    /// An object with free members that any store can keep.
    pub fn object(&mut self, name: &str, raw: Option<&RawValue>) -> Option<Object> {
        let raw = raw?;
        if raw.get().len() > OBJECT_BYTES_MAX {
            self.wrong(name, format!("must be at most {OBJECT_BYTES_MAX} bytes of JSON"));
            return None;
        }
        match serde_json::from_str(raw.get()) {
            Ok(value @ Value::Object(_)) if !is_keepable(&value, OBJECT_DEPTH_MAX) => {
                let what = "must have at most 8 levels, and no empty names or names with a NUL or a $ in front";
                self.wrong(name, what);
                None
            }
            Ok(Value::Object(object)) => Some(object),
            Ok(_) => {
                self.wrong(name, "must be a JSON object");
                None
            }
            Err(error) => {
                self.wrong(name, format!("is not valid JSON: {error}"));
                None
            }
        }
    }

    /// A creator's metrics; `None` when one of the four is not there. One that makes no sense counts as wrong.
    pub fn metrics(&mut self, name: &str, raw: Option<&RawValue>) -> Option<CreatorMetrics> {
        let object: Object = serde_json::from_str(raw?.get()).ok()?;
        let views = if object.contains_key("total_views") { "total_views" } else { "views" };
        let platform = object.get("platform")?;
        let [followers, hours, views] = [
            ("followers", object.get("followers")?, PEOPLE_MAX),
            ("content_hours", object.get("content_hours")?, HOURS_MAX),
            (views, object.get(views)?, PEOPLE_MAX),
        ]
        .map(|(member, value, max)| {
            let number = number(value).filter(|number| (0.0..=max).contains(number));
            if number.is_none() {
                self.wrong(&format!("{name}.{member}"), format!("must be a number from 0 to {max}"));
            }
            number
        });
        let platform = platform.as_str().map(str::trim);
        let platform = platform.filter(|text| !text.is_empty() && text.chars().count() <= PLATFORM_CHARS_MAX);
        if platform.is_none() {
            self.wrong(&format!("{name}.platform"), "must be a text of 1 to 50 characters");
        }
        Some(CreatorMetrics {
            followers: followers? as u64,
            content_hours: hours?,
            total_views: views? as u64,
            platform: platform?.to_owned(),
        })
    }
}

/// A JSON number, or text that is one.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn is_keepable(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return !value.is_object() && !value.is_array() };
    let plain = |name: &str| !name.is_empty() && !name.starts_with('$') && !name.contains('\0');
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| plain(name) && is_keepable(value, below)),
        Value::Array(items) => items.iter().all(|item| is_keepable(item, below)),
        _ => true,
    }
}
