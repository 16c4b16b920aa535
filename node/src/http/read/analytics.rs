//! The members that only AI Touch Value knows: scores, terms, growth, metrics of creators, free members.

use metastamp_protocol::analytics::{CreatorMetrics, Growth, Projection, Score, Terms};
use metastamp_protocol::{Currency, Object};
use serde_json::Value;

use super::Fields;

/// Free members that are kept: so many bytes, one in another so often. Stores have limits too.
const OBJECT_BYTES_MAX: usize = 16 << 10;
const OBJECT_DEPTH_MAX: usize = 8;
/// Largest count of people, and of hours.
const PEOPLE_MAX: f64 = 1e15;
const HOURS_MAX: f64 = 1e9;
const PLATFORM_CHARS_MAX: usize = 50;

impl Fields {
    /// The text of a number, which never goes through a float.
    fn decimal(&mut self, name: &str) -> Option<String> {
        let text = number_text(self.raw(name)?);
        if text.is_none() {
            self.wrong(name, "must be a decimal number");
        }
        text
    }

    /// A score; `None` when it was left out or is wrong.
    pub fn score(&mut self, name: &str) -> Option<Score> {
        let text = self.decimal(name)?;
        self.noted(name, text.parse::<Score>())
    }

    /// Earnings are judged even when there are no scores to go with them.
    pub fn terms(&mut self, contribution: Option<Score>, exposure: Option<Score>) -> Option<Terms> {
        let name = "model_earnings";
        let earnings = self.decimal(name);
        let text = self.required(name, earnings)?;
        let nothing = || Score::rounded(0.0);
        let (contribution, exposure) = (contribution.unwrap_or_else(nothing), exposure.unwrap_or_else(nothing));
        self.noted(name, Terms::of(&text, contribution, exposure, Currency::Usd))
    }

    pub fn periods(&mut self, name: &str) -> u32 {
        let Some(raw) = self.raw(name) else { return Projection::PERIODS };
        let number = number_text(raw).and_then(|text| text.trim().parse().ok());
        match number.filter(|number| (1..=Projection::PERIODS_MAX).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(name, format!("must be a whole number from 1 to {}", Projection::PERIODS_MAX));
                Projection::PERIODS
            }
        }
    }

    pub fn growth(&mut self, name: &str) -> Option<Growth> {
        let text = self.decimal(name)?;
        self.noted(name, text.parse::<Growth>())
    }

    /// An object with free members that any store can keep.
    pub fn object(&mut self, name: &str) -> Option<Object> {
        let raw = self.raw(name)?;
        if raw.len() > OBJECT_BYTES_MAX {
            self.wrong(name, format!("must be at most {OBJECT_BYTES_MAX} bytes of JSON"));
            return None;
        }
        match serde_json::from_str(raw) {
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
    pub fn metrics(&mut self, name: &str) -> Option<CreatorMetrics> {
        let (metrics, wrong) = read_metrics(self.raw(name)?)?;
        for (member, message) in wrong {
            self.wrong(&format!("{name}.{member}"), message);
        }
        metrics
    }
}

/// The metrics of a creator, if an object has all four and all make sense; without complaints where nobody asks for them.
pub fn metrics_of(object: &str) -> Option<CreatorMetrics> {
    read_metrics(object)?.0
}

type Complaints = Vec<(&'static str, String)>;

/// `None` when one of the four is not there; else what they are, or what is wrong with them.
fn read_metrics(object: &str) -> Option<(Option<CreatorMetrics>, Complaints)> {
    let object: Object = serde_json::from_str(object).ok()?;
    let views = if object.contains_key("total_views") { "total_views" } else { "views" };
    let platform = object.get("platform")?;
    let mut wrong = Complaints::new();
    let [followers, hours, views] = [
        ("followers", object.get("followers")?, PEOPLE_MAX),
        ("content_hours", object.get("content_hours")?, HOURS_MAX),
        (views, object.get(views)?, PEOPLE_MAX),
    ]
    .map(|(member, value, max)| {
        let number = number(value).filter(|number| (0.0..=max).contains(number));
        if number.is_none() {
            wrong.push((member, format!("must be a number from 0 to {max}")));
        }
        number
    });
    let platform = platform.as_str().map(str::trim);
    let platform = platform.filter(|text| !text.is_empty() && text.chars().count() <= PLATFORM_CHARS_MAX);
    if platform.is_none() {
        wrong.push(("platform", "must be a text of 1 to 50 characters".to_owned()));
    }
    let all = |followers: f64, content_hours, views: f64, platform: &str| CreatorMetrics {
        followers: followers as u64,
        content_hours,
        total_views: views as u64,
        platform: platform.to_owned(),
    };
    let metrics = match (followers, hours, views, platform) {
        (Some(followers), Some(hours), Some(views), Some(platform)) => Some(all(followers, hours, views, platform)),
        _ => None,
    };
    Some((metrics, wrong))
}

/// The text of a JSON number, or what a JSON string says; `None` for anything else.
fn number_text(raw: &str) -> Option<String> {
    match raw.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Some(raw.to_owned()),
        [b'"', ..] => serde_json::from_str(raw).ok(),
        _ => None,
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
