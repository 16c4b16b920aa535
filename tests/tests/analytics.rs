//! AI Touch Value over HTTP: the formula, bad input, the history, and what it does to assets.

use metastamp_tests::{Answer, Client, NodeOptions, SharedNode, accepted, media, member};
use serde_json::{Value, json};

const PREDICT: &str = "/api/v1/analytics/predict";
const PROJECT: &str = "/api/v1/analytics/project";
const HISTORY: &str = "/api/v1/analytics/history";
const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

/// Sends a body as it is written here, digit by digit.
async fn post(client: &Client, path: &str, body: &str) -> Answer {
    client.post(path).body("application/json", body.to_owned()).send().await.unwrap()
}

fn terms(earnings: &str, contribution: &str, exposure: &str, more: &str) -> String {
    format!(
        r#"{{"model_earnings": {earnings}, "training_contribution_score": {contribution}, "usage_exposure_score": {exposure}{more}}}"#
    )
}

async fn predicted(client: &Client, body: &str) -> Value {
    post(client, PREDICT, body).await.expect(200).unwrap().json().unwrap()
}

#[tokio::test]
async fn the_formula_gives_the_known_values() {
    let node = NODE.get();
    let client = member(&node).await;
    for (earnings, contribution, exposure, value) in [
        ("1000000", "75", "60", 112_500.0),
        ("10000", "75", "80", 1_500.0),
        ("0.1", "33.3", "33.3", 0.0),
        ("\"1000000\"", "\"75.0\"", "6e1", 112_500.0),
        // as a double, 4.02 x 0.25 is below the half
        ("4.02", "100", "100", 1.01),
        ("9999999999999.99", "100", "100", 2_500_000_000_000.0),
    ] {
        let body = predicted(&client, &terms(earnings, contribution, exposure, "")).await;
        assert_eq!((&body["calculated_value"], &body["equity_factor"]), (&json!(value), &json!(0.25)), "{earnings}");
        assert_eq!(body["data"]["ai_touch_value"], json!(value), "{body}");
    }
    let body =
        predicted(&client, &terms("10000", "75", "80", r#", "metadata": {"model": "m", "deep": [1, {}]}"#)).await;
    let breakdown = "$10,000.00 x (75.0/100) x (80.0/100) x 0.25 = $1,500.00";
    assert_eq!((&body["formula_breakdown"], &body["calculation_type"]), (&json!(breakdown), &json!("manual")));
    assert_eq!(body["data"]["formula_breakdown"]["calculation"], breakdown);
    assert_eq!(body["data"]["metadata"], json!({ "model": "m", "deep": [1, {}] }));
    assert_eq!((&body["asset_id"], &body["data"]["currency"]), (&Value::Null, &json!("USD")));
}

#[tokio::test]
async fn scores_are_derived_from_the_creators_metrics() {
    let node = NODE.get();
    let client = member(&node).await;
    for (followers, hours, views, platform, contribution, exposure) in [
        (10_000, 150.5, 500_000, "youtube", 57.52, 79.23),
        (0, 0.0, 0, "other", 25.0, 10.0),
        (1_000_000, 2_000.0, 100_000_000, "tiktok", 76.0, 99.0),
    ] {
        let metrics =
            json!({ "followers": followers, "content_hours": hours, "total_views": views, "platform": platform });
        let body = predicted(&client, &json!({ "model_earnings": 1_000, "metadata": metrics }).to_string()).await;
        let scores = (&body["training_contribution_score"], &body["usage_exposure_score"]);
        assert_eq!(scores, (&json!(contribution), &json!(exposure)));
        assert_eq!(body["calculation_type"], "predicted");
        assert_eq!(body["data"]["metadata"]["prediction_method"], "heuristic_v1");
    }
}

#[tokio::test]
async fn projections_add_up_and_are_not_kept() {
    let node = NODE.get();
    let client = member(&node).await;
    let answer = post(&client, PROJECT, &terms("1000", "50", "50", r#", "periods": 3, "growth_rate": 0.1"#)).await;
    let body = answer.expect(200).unwrap().json().unwrap();
    let column = |name: &str| body["periods"].as_array().unwrap().iter().map(|p| p[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("model_earnings"), [1_000.0, 1_100.0, 1_210.0]);
    assert_eq!(column("calculated_value"), [62.5, 68.75, 75.63]);
    assert_eq!(column("cumulative_value"), [62.5, 131.25, 206.88]);
    assert_eq!((&body["total_value"], &body["currency"]), (&json!(206.88), &json!("USD")));
    let year = post(&client, PROJECT, &terms("1000", "50", "50", "")).await.expect(200).unwrap().json().unwrap();
    assert_eq!(year["data"]["periods"].as_array().unwrap().len(), 12);
    for (more, field) in [
        (r#", "periods": 0"#, "periods"),
        (r#", "periods": 121"#, "periods"),
        (r#", "growth_rate": -1.01"#, "growth_rate"),
        (r#", "growth_rate": 1e400"#, "growth_rate"),
        (r#", "growth_rate": 10, "periods": 120"#, "growth_rate"),
    ] {
        refused(&client, PROJECT, &terms("1000", "50", "50", more), &[field]).await;
    }
    assert_eq!(history(&client, "").await, (Vec::new(), 0));
}

async fn refused(client: &Client, path: &str, body: &str, fields: &[&str]) {
    let answer = post(client, path, body).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{body}: {answer}");
    let errors = answer.json().unwrap()["errors"].clone();
    let named: Vec<_> = errors.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, fields, "{body}");
}

#[tokio::test]
async fn bad_numbers_are_named_and_nothing_is_kept() {
    let node = NODE.get();
    let client = member(&node).await;
    let long = "1".repeat(70);
    for earnings in [
        "-1",
        "-0.01",
        "1e400",
        "1e-400",
        "123456789012345678901234567890",
        "10000000000000",
        "\"NaN\"",
        "\"\"",
        "true",
        "[]",
        &long,
    ] {
        refused(&client, PREDICT, &terms(earnings, "50", "50", ""), &["model_earnings"]).await;
        refused(&client, PROJECT, &terms(earnings, "50", "50", ""), &["model_earnings"]).await;
    }
    for score in
        ["101", "100.0000000001", "-1", "1e400", "\"NaN\"", "\"Infinity\"", "{}", "33.3333333333333333333333333333"]
    {
        refused(&client, PREDICT, &terms("1", score, "50", ""), &["training_contribution_score"]).await;
        refused(&client, PREDICT, &terms("1", "50", score, ""), &["usage_exposure_score"]).await;
    }
    let all = ["model_earnings", "training_contribution_score", "usage_exposure_score"];
    refused(&client, PREDICT, "{}", &all).await;
    refused(&client, PREDICT, &terms("null", "null", "null", ""), &all).await;
    for body in ["", "[]", "7", "{", &terms("NaN", "1", "1", "")] {
        refused(&client, PREDICT, body, &["body"]).await;
    }
    for metadata in ["[]", r#"{"$set": 1}"#, r#"{"\u0000": 1}"#] {
        refused(&client, PREDICT, &terms("1", "1", "1", &format!(r#", "metadata": {metadata}"#)), &["metadata"]).await;
    }
    refused(&client, PREDICT, &terms("1", "1", "1", r#", "asset_id": 7"#), &["asset_id"]).await;
    assert_eq!(history(&client, "").await, (Vec::new(), 0));
}

/// Ids of a page of the history, and how many there are in all.
async fn history(client: &Client, query: &str) -> (Vec<String>, u64) {
    let answer = client.get(&format!("{HISTORY}{query}")).send().await.unwrap();
    let total = answer.expect(200).unwrap().header("x-total-count").unwrap().parse().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    (rows.iter().map(|row| row["calculation_id"].as_str().unwrap().to_owned()).collect(), total)
}

async fn id_of(client: &Client, body: &str) -> String {
    predicted(client, body).await["calculation_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_history_is_paged_newest_first() {
    let node = NODE.get();
    let client = member(&node).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(id_of(&client, &terms(&n.to_string(), "50", "50", "")).await);
    }
    ids.reverse();
    for (query, range) in [
        ("", 0..10),
        ("?limit=100", 0..12),
        ("?limit=5&offset=10", 10..12),
        ("?offset=2&limit=1", 2..3),
        ("?offset=12", 12..12),
    ] {
        assert_eq!(history(&client, query).await, (ids[range].to_vec(), 12), "{query}");
    }
    for query in ["limit=0", "limit=101", "limit=x", "offset=-1", "asset_id=zz"] {
        client.get(&format!("{HISTORY}?{query}")).send().await.unwrap().expect(400).unwrap();
    }
    let one = client.get(&format!("{HISTORY}/{}", ids[0])).send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!((&one["calculation_id"], &one["model_earnings"]), (&json!(ids[0]), &json!(11.0)));
    assert_eq!(one["data"]["calculation_id"], one["calculation_id"]);
    let stranger = member(&node).await;
    assert_eq!(history(&stranger, "").await, (Vec::new(), 0));
    for (client, id, status) in [(&stranger, ids[0].as_str(), 404), (&client, UNKNOWN, 404), (&client, "zz", 400)] {
        client.get(&format!("{HISTORY}/{id}")).send().await.unwrap().expect(status).unwrap();
    }
}

#[tokio::test]
async fn an_asset_shows_its_score_and_takes_its_calculations_along() {
    let node = NODE.get();
    let (client, stranger) = (member(&node).await, member(&node).await);
    let asset = accepted(&client, &media::text("rated.txt", "to be rated")).await;
    let detail = async || client.asset(&asset.id).await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(detail().await.get("ai_touch_score"), None);
    let of_asset = |id: &str| terms("10000", "75", "80", &format!(r#", "asset_id": "{id}""#));
    post(&stranger, PREDICT, &of_asset(&asset.id)).await.expect(404).unwrap();
    post(&client, PREDICT, &of_asset(UNKNOWN)).await.expect(404).unwrap();
    post(&client, PREDICT, &of_asset("zz")).await.expect(400).unwrap();
    assert_eq!(detail().await.get("ai_touch_score"), None);

    let other = id_of(&client, &terms("1", "1", "1", "")).await;
    let first = id_of(&client, &of_asset(&asset.id)).await;
    let body = detail().await;
    let places = [&body["ai_touch_score"], &body["asset"]["ai_touch_score"], &body["data"]["ai_touch_score"]];
    assert_eq!(places, [&json!(77.5); 3]);
    let list = client.get("/api/v1/assets").send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(list["data"]["items"][0]["ai_touch_score"], 77.5);
    let lower = terms("10000", "9", "4", &format!(r#", "asset_id": "{}""#, asset.id));
    let second = id_of(&client, &lower).await;
    assert_eq!(detail().await["ai_touch_score"], 6.0);
    let of = format!("?asset_id={}", asset.id);
    assert_eq!(history(&client, &of).await, (vec![second.clone(), first.clone()], 2));
    assert_eq!(history(&stranger, &of).await, (Vec::new(), 0));
    // what the fingerprint brings does not take the score away
    client.fingerprint_when_done(&asset.id, metastamp_tests::DONE_WITHIN).await.unwrap();
    assert_eq!(detail().await["ai_touch_score"], 6.0);

    let deleted = client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap();
    let deleted = deleted.expect(200).unwrap().json().unwrap();
    assert_eq!(
        (&deleted["deleted_analytics"], &deleted["data"]["deleted_items"]["analytics"]),
        (&2.into(), &true.into())
    );
    assert_eq!(history(&client, "").await, (vec![other], 1));
    for id in [first, second] {
        client.get(&format!("{HISTORY}/{id}")).send().await.unwrap().expect(404).unwrap();
    }
}
