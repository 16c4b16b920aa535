use metastamp_protocol::Timestamp;
use metastamp_protocol::analytics::{Calculation, Projection};
use serde_json::json;

use super::*;

fn predicted(body: &str) -> Result<Calculation> {
    prediction(Fields::parse(body.as_bytes())?)?.calculation(ObjectId::generate(), Timestamp(0))
}

fn projected(fields: Fields) -> Result<Projection> {
    forecast(fields)?.projection()
}

/// The fields that a refusal names.
fn wrong<T>(result: Result<T>) -> Vec<String> {
    let Err(error) = result else { panic!("was accepted") };
    assert_eq!(error.status_code(), 422);
    error.field_errors().keys().cloned().collect()
}

#[test]
fn numbers_are_taken_as_they_are_written() {
    // As a double, 4.02 x 0.25 is below the half.
    for earnings in ["4.02", "\"4.02\"", "402e-2", "4.0200000000000000000000000000000000000"] {
        let body = format!(
            r#"{{"model_earnings": {earnings}, "training_contribution_score": 100, "usage_exposure_score": "1e2"}}"#
        );
        let calculation = predicted(&body).unwrap();
        assert_eq!((calculation.calculated_value.as_str(), calculation.model_earnings.as_str()), ("1.01", "4.02"));
        assert_eq!(calculation.calculation_type, "manual");
    }
}

#[test]
fn a_score_that_is_left_out_is_derived() {
    let metrics =
        json!({ "followers": 10_000, "content_hours": 150.5, "views": "500000", "platform": "YouTube", "x": 1 });
    for name in ["metadata", "creator_metrics"] {
        let body = json!({ "model_earnings": 1_000, "usage_exposure_score": 50, name: metrics });
        let calculation = predicted(&body.to_string()).unwrap();
        assert_eq!((calculation.training_contribution_score, calculation.usage_exposure_score), (57.52, 50.0));
        assert_eq!((calculation.followers_count, calculation.platform.as_deref()), (Some(10_000), Some("YouTube")));
        assert_eq!(
            (calculation.calculation_type.as_str(), calculation.calculated_value.as_str()),
            ("predicted", "71.90")
        );
        assert_eq!(calculation.metadata["prediction_method"], "heuristic_v1");
        assert_eq!(calculation.metadata.contains_key("x"), name == "metadata");
    }
    for lacking in ["followers", "content_hours", "views", "platform"] {
        let mut metrics = metrics.clone();
        metrics.as_object_mut().unwrap().remove(lacking);
        let body = json!({ "model_earnings": 1, "usage_exposure_score": 50, "metadata": metrics });
        assert_eq!(wrong(predicted(&body.to_string())), ["training_contribution_score"], "{lacking}");
    }
    for (member, odd) in
        [("followers", json!(-1)), ("content_hours", json!("NaN")), ("views", json!([])), ("platform", json!(""))]
    {
        let mut metrics = metrics.clone();
        metrics[member] = odd;
        let body = json!({ "model_earnings": 1, "usage_exposure_score": 50, "metadata": metrics });
        let fields = wrong(predicted(&body.to_string()));
        assert!(fields.contains(&format!("metadata.{member}")), "{fields:?}");
        // nobody asks for them here
        let body = json!({ "model_earnings": 1, "usage_exposure_score": 50, "training_contribution_score": 1, "metadata": metrics });
        assert_eq!(predicted(&body.to_string()).unwrap().followers_count, None);
    }
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let body =
        r#"{"model_earnings": 1e400, "training_contribution_score": 101, "usage_exposure_score": {}, "metadata": []}"#;
    let all = ["metadata", "model_earnings", "training_contribution_score", "usage_exposure_score"];
    assert_eq!(wrong(predicted(body)), all);
    for body in ["", "[]", "null", "7", "{", "{\"model_earnings\": NaN}", "[1, 2, 3, null, null, null]"] {
        assert_eq!(wrong(predicted(body)), ["body"], "{body}");
    }
}

#[test]
fn metadata_is_what_every_store_can_keep() {
    let with = |metadata: &str| {
        predicted(&format!(
            r#"{{"model_earnings": 1, "training_contribution_score": 1, "usage_exposure_score": 1, "metadata": {metadata}}}"#
        ))
    };
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for metadata in [r#"{"a.b": [null, "\u0000", {"c": 1.5}]}"#, "{}", "null", &nested(8)] {
        assert!(with(metadata).is_ok(), "{metadata}");
    }
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(20_000));
    for metadata in [
        "[]",
        "\"x\"",
        r#"{"$set": 1}"#,
        r#"{"a": [{"\u0000": 1}]}"#,
        r#"{"": 1}"#,
        &nested(9),
        &nested(500),
        &long,
        "{\"a\": 1e400}",
    ] {
        assert_eq!(wrong(with(metadata)), ["metadata"], "{metadata:.40}");
    }
}

#[test]
fn projections_have_their_bounds() {
    let project = |more: &str| {
        let body = format!(
            r#"{{"model_earnings": 1000, "training_contribution_score": 50, "usage_exposure_score": 50{more}}}"#
        );
        projected(Fields::parse(body.as_bytes())?)
    };
    assert_eq!(project("").unwrap().periods.len(), 12);
    assert_eq!(project(r#", "periods": 3, "growth_rate": "0.1""#).unwrap().total.minor(), 20_688);
    for periods in ["0", "121", "-1", "1.5", "1e400", "\"\"", "[]", "true"] {
        assert_eq!(wrong(project(&format!(r#", "periods": {periods}"#))), ["periods"], "{periods}");
    }
    for growth in ["-1.1", "11", "1e400", "\"NaN\"", "{}"] {
        assert_eq!(wrong(project(&format!(r#", "growth_rate": {growth}"#))), ["growth_rate"], "{growth}");
    }
    assert_eq!(wrong(project(r#", "growth_rate": 10, "periods": 120"#)), ["growth_rate"]);
    let nothing = projected(Fields::parse(b"{}").unwrap());
    assert_eq!(wrong(nothing), ["model_earnings", "training_contribution_score", "usage_exposure_score"]);
}

#[test]
fn a_window_has_its_bounds() {
    let window = |name: &str, value: &str| window(Params::from(vec![(name.to_owned(), value.to_owned())]));
    assert_eq!(window("other", "x").ok(), Some((10, 0)));
    assert_eq!(window("limit", "100").ok(), Some((100, 0)));
    assert_eq!(window("offset", "7").ok(), Some((10, 7)));
    for (name, value) in
        [("limit", "0"), ("limit", "101"), ("limit", "-1"), ("limit", "x"), ("offset", "-1"), ("offset", "1e3")]
    {
        assert_eq!(window(name, value).err().map(|error| error.status_code()), Some(400), "{name}={value}");
    }
}
