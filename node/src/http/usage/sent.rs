//! What a report says, read out of its body.

use std::collections::BTreeMap;

use metastamp_protocol::analytics::Score;
use metastamp_protocol::ledger::ClientKey;
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_service::usage::{
    METADATA_MEMBERS_MAX, METADATA_NAME_CHARS_MAX, METADATA_VALUE_CHARS_MAX, MODEL_CHARS, Report, judge_earnings,
};
use serde_json::Value;

use crate::http::error::Result;
use crate::http::read::Fields;

/// `partner_id` is the one that sent it; without it the body must name one. Without a key what is wrong with it is noted
/// already.
///
/// # Errors
/// 422 with everything that is wrong.
pub fn read(mut fields: Fields, partner_id: Option<ObjectId>, key: Option<ClientKey>) -> Result<Report> {
    let currency = fields.currency();
    let partner_id = whose(&mut fields, partner_id);
    let model = fields.text("model", MODEL_CHARS);
    let model = fields.required("model", model);
    let period = period(&mut fields);
    let earnings = fields.amount("model_earnings", currency);
    let earnings = fields.required("model_earnings", earnings);
    if let Some(earnings) = earnings {
        fields.noted("model_earnings", judge_earnings(earnings));
    }
    let asset_id = fields.id("asset_id");
    let asset_id = fields.required("asset_id", asset_id);
    let contribution = score(&mut fields, "training_contribution_score", "contribution");
    let exposure = score(&mut fields, "usage_exposure_score", "exposure");
    let expires_at = instant(&mut fields, "expires_at", |day| day);
    let metadata = metadata(&mut fields);
    let report = || {
        Some(Report {
            key: key?,
            partner_id: partner_id?,
            model: model?,
            period: period?,
            earnings: earnings?,
            currency,
            asset_id: asset_id?,
            contribution: contribution?,
            exposure: exposure?,
            expires_at,
            metadata,
        })
    };
    fields.end(report())
}

fn whose(fields: &mut Fields, sender: Option<ObjectId>) -> Option<ObjectId> {
    let named = fields.id("partner_id");
    match (sender, named) {
        (Some(sender), Some(named)) if sender != named => {
            fields.wrong("partner_id", "must be the partner of the API key");
            None
        }
        (Some(sender), _) => Some(sender),
        (None, named) => fields.required("partner_id", named),
    }
}

/// From 0 to 100, under either name.
fn score(fields: &mut Fields, name: &'static str, short: &'static str) -> Option<Score> {
    let name = if !fields.has(name) && fields.has(short) { short } else { name };
    let text = fields.number(name);
    let text = fields.required(name, text)?;
    fields.noted(name, text.parse::<Score>())
}

/// `period_start` and `period_end`, or a whole month as `period`.
fn period(fields: &mut Fields) -> Option<(Timestamp, Timestamp)> {
    if fields.has("period") && !fields.has("period_start") && !fields.has("period_end") {
        let text = fields.value::<String>("period", "a string")?;
        let month = month(&text);
        if month.is_none() {
            fields.wrong("period", "must be a month (2025-11)");
        }
        return month;
    }
    if fields.has("period") {
        fields.wrong("period", "must not be sent together with period_start or period_end");
    }
    let start = instant(fields, "period_start", |day| day);
    let start = fields.required("period_start", start);
    let end = instant(fields, "period_end", Timestamp::day_end);
    let end = fields.required("period_end", end);
    let period = start.zip(end)?;
    if period.1 < period.0 {
        fields.wrong("period_end", "must not be before period_start");
        return None;
    }
    Some(period)
}

/// The first and the last millisecond of a month in UTC, `YYYY-MM`.
fn month(text: &str) -> Option<(Timestamp, Timestamp)> {
    let start = Timestamp::of_day(&format!("{text}-01"))?;
    let last = (28..=31).rev().find_map(|day| Timestamp::of_day(&format!("{text}-{day}")))?;
    Some((start, last.day_end()))
}

/// An instant in RFC 3339, or a calendar day in UTC.
fn instant(fields: &mut Fields, name: &str, of_day: impl Fn(Timestamp) -> Timestamp) -> Option<Timestamp> {
    let text = fields.value::<String>(name, "a string")?;
    let read = Timestamp::of_day(&text).map(of_day).or_else(|| Timestamp::parse(&text));
    if read.is_none() {
        fields.wrong(name, "must be a date (2025-11-26) or an instant (2025-11-26T14:50:00Z)");
    }
    read
}

/// Flat: texts, and numbers and truths as texts.
fn metadata(fields: &mut Fields) -> BTreeMap<String, String> {
    const NAME: &str = "metadata";
    let Some(sent) = fields.value::<BTreeMap<String, Value>>(NAME, "an object") else { return BTreeMap::new() };
    if sent.len() > METADATA_MEMBERS_MAX {
        fields.wrong(NAME, format!("must have at most {METADATA_MEMBERS_MAX} members"));
        return BTreeMap::new();
    }
    let mut metadata = BTreeMap::new();
    for (name, value) in sent {
        let value = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                fields.wrong(NAME, "must hold only texts and numbers");
                continue;
            }
        };
        // Paths and operators of stores are written with these.
        let is_name = !name.is_empty() && !name.contains(['.', '$']) && !name.chars().any(char::is_control);
        if !is_name || name.chars().count() > METADATA_NAME_CHARS_MAX {
            fields
                .wrong(NAME, format!("must have names of 1 to {METADATA_NAME_CHARS_MAX} characters, without . and $"));
        } else if value.chars().count() > METADATA_VALUE_CHARS_MAX || value.contains('\0') {
            fields.wrong(NAME, format!("must have values of at most {METADATA_VALUE_CHARS_MAX} characters"));
        } else {
            metadata.insert(name, value);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::Currency;
    use metastamp_protocol::partner::{UsageEvent, UsageStatus};
    use serde_json::json;

    use super::*;

    const PARTNER: &str = "507f1f77bcf86cd799439011";

    fn body() -> Value {
        json!({
            "model": "m", "period": "2024-02", "model_earnings": 10000, "asset_id": "507f1f77bcf86cd799439012",
            "training_contribution_score": 75, "usage_exposure_score": 80,
        })
    }

    fn read(json: &str) -> Result<Report> {
        super::read(Fields::parse(json.as_bytes()).unwrap(), PARTNER.parse().ok(), ClientKey::parse("k").ok())
    }

    fn with(name: &str, json: &str) -> Result<Report> {
        let mut body = body();
        body.as_object_mut().unwrap().remove(name);
        let rest = body.to_string();
        read(&format!("{}, {name:?}: {json}}}", rest.trim_end_matches('}')))
    }

    fn event(sent: Report) -> UsageEvent {
        let id = ObjectId::generate();
        sent.event(id, id, Timestamp(5)).unwrap()
    }

    #[test]
    fn a_report_becomes_an_event_with_its_value() {
        let event = event(read(&body().to_string()).unwrap());
        assert_eq!(event.value.minor(), 150_000);
        assert_eq!(event.period_start.to_string(), "2024-02-01T00:00:00.000Z");
        assert_eq!(event.period_end.to_string(), "2024-02-29T23:59:59.999Z");
        assert_eq!((event.status, event.currency), (UsageStatus::Received, Currency::Usd));
        assert_eq!(event.id, UsageEvent::id_of(PARTNER.parse().unwrap(), "k"));
    }

    #[test]
    fn the_same_report_in_other_words_has_the_same_hash() {
        let hash = |sent: Result<Report>| event(sent.unwrap()).request_hash;
        let plain = hash(read(&body().to_string()));
        assert_eq!(hash(with("model_earnings", "\"10000.00\"")), plain);
        assert_eq!(hash(with("training_contribution_score", "7.50e1")), plain);
        assert_eq!(hash(with("model", "\" m \"")), plain);
        for (name, json) in [
            ("model_earnings", "10000.01"),
            ("model", "\"n\""),
            ("period", "\"2024-03\""),
            ("usage_exposure_score", "80.00000000000000000001"),
            ("metadata", "{\"a\": \"b\"}"),
            ("currency", "\"EUR\""),
            ("expires_at", "\"2030-01-01\""),
        ] {
            assert_ne!(hash(with(name, json)), plain, "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let many: BTreeMap<_, _> = (0..21).map(|n| (n.to_string(), n)).collect();
        let many = serde_json::to_string(&many).unwrap();
        for (name, json) in [
            ("model", "\"\""),
            ("model", "null"),
            ("period", "\"2024-13\""),
            ("period_end", "\"2024-02-01\""),
            ("model_earnings", "-1"),
            ("model_earnings", "0.001"),
            ("model_earnings", "1e400"),
            ("model_earnings", "\"NaN\""),
            ("model_earnings", "123456789012345678901234567890"),
            ("training_contribution_score", "101"),
            ("usage_exposure_score", "\"x\""),
            ("currency", "\"XAU\""),
            ("asset_id", "\"zz\""),
            ("partner_id", "\"507f1f77bcf86cd799439019\""),
            ("expires_at", "\"soon\""),
            ("metadata", "{\"a\": {\"b\": 1}}"),
            ("metadata", "{\"a.b\": 1}"),
            ("metadata", "{\"$a\": 1}"),
            ("metadata", &many),
        ] {
            let error = with(name, json).err().unwrap_or_else(|| panic!("{name}: {json}"));
            assert_eq!(error.status_code(), 422, "{name}: {json}");
        }
    }

    #[test]
    fn periods_are_instants_or_whole_days() {
        let mut body = body();
        body.as_object_mut().unwrap().remove("period");
        let read = |start: &str, end: &str| {
            let mut body = body.clone();
            (body["period_start"], body["period_end"]) = (json!(start), json!(end));
            read(&body.to_string()).map(|sent| (sent.period.0.to_string(), sent.period.1.to_string()))
        };
        let day = ("2025-11-26T00:00:00.000Z".to_owned(), "2025-11-26T23:59:59.999Z".to_owned());
        assert_eq!(read("2025-11-26", "2025-11-26").unwrap(), day);
        let same = ("2025-11-26T10:00:00.000Z".to_owned(), "2025-11-26T10:00:00.000Z".to_owned());
        assert_eq!(read("2025-11-26T10:00:00Z", "2025-11-26T11:00:00+01:00").unwrap(), same);
        assert!(read("2025-11-26T10:00:00.001Z", "2025-11-26T10:00:00Z").is_err());
    }
}
