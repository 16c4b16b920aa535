//! Usage that partners report: to the cent, once, and either settled or cancelled.

use std::time::{Duration, SystemTime};

use metastamp_tests::money::{balance, key, post, read};
use metastamp_tests::partners::{Partner, USAGE, creator, report};
use metastamp_tests::{Answer, Client, NodeOptions, SharedNode, eventually};
use serde_json::{Value, json};

const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

fn is_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer}");
}

async fn end(client: &Client, event: &Value, how: &str) -> Answer {
    let path = format!("{USAGE}/{}/{how}", event["id"].as_str().unwrap());
    client.post(&path).json(&json!({ "reason": "so it was" })).send().await.unwrap()
}

/// Pending and completed earnings of a creator, in dollars.
async fn earnings(client: &Client) -> [Value; 2] {
    let body = read(client, "balance").await;
    ["pending_earnings", "total_earned"].map(|name| body[name].clone())
}

#[tokio::test]
async fn what_is_owed_is_reserved_then_paid() {
    let node = NODE.get();
    let partner = Partner::with(&node, "2000").await;
    let (creator, asset) = creator(&node).await;
    let mut body = report(&asset, "10000.00");
    body["metadata"] = json!({ "campaign": "spring", "run": 7 });
    let event = partner.reported(&body).await;
    assert_eq!((&event["status"], event["value"].to_string().as_str()), (&json!("pending"), "1500.0"));
    assert_eq!(event["formula_breakdown"], "$10,000.00 x (75.0/100) x (80.0/100) x 0.25 = $1,500.00");
    assert_eq!(event["period_end"], "2025-11-30T23:59:59.999Z");
    assert_eq!(event["metadata"], json!({ "campaign": "spring", "run": "7" }));
    assert_eq!(event["calculation_id"], event["id"]);
    assert_eq!(partner.money().await, ["500.0", "1500.0", "2000.0", "0.0"]);
    assert_eq!(earnings(&creator).await, [json!(1500.0), json!(0.0)]);
    assert_eq!(balance(&creator, "USD").await, ["0.0", "0.0", "0.0", "0.0"]);
    let history = read(&creator, "history").await;
    let row = &history["transactions"][0];
    assert_eq!((&row["id"], &row["status"]), (&event["transaction_id"], &json!("pending")));
    assert_eq!((&row["reference_id"], &row["asset_id"]), (&event["id"], &json!(asset)));

    let settled = end(&partner.client, &event, "settle").await.expect(200).unwrap().json().unwrap();
    assert_eq!((&settled["status"], settled["ended_at"].is_string()), (&json!("settled"), true));
    let again = end(&partner.client, &event, "settle").await.expect(200).unwrap().json().unwrap();
    assert_eq!(again["ended_at"], settled["ended_at"]);
    let cancelled = end(&partner.client, &event, "cancel").await;
    is_refused(&cancelled, 409, "USAGE_ENDED");
    assert_eq!(cancelled.json().unwrap()["error"]["details"]["status"], "settled");
    assert_eq!(partner.money().await, ["500.0", "0.0", "2000.0", "1500.0"]);
    assert_eq!(earnings(&creator).await, [json!(0.0), json!(1500.0)]);
    assert_eq!(balance(&creator, "USD").await, ["1500.0", "1500.0", "0.0", "0.0"]);
}

#[tokio::test]
async fn what_is_cancelled_is_owed_by_nobody() {
    let node = NODE.get();
    let partner = Partner::with(&node, "100").await;
    let (creator, asset) = creator(&node).await;
    let event = partner.reported(&report(&asset, "100")).await;
    assert_eq!(partner.money().await, ["85.0", "15.0", "100.0", "0.0"]);
    let cancelled = end(&partner.client, &event, "cancel").await.expect(200).unwrap().json().unwrap();
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("cancelled"), &json!("so it was")));
    end(&partner.client, &event, "cancel").await.expect(200).unwrap();
    is_refused(&end(&partner.client, &event, "settle").await, 409, "USAGE_ENDED");
    assert_eq!(partner.money().await, ["100.0", "0.0", "100.0", "0.0"]);
    assert_eq!(earnings(&creator).await, [json!(0.0), json!(0.0)]);
}

#[tokio::test]
async fn one_key_is_one_event_however_often_it_is_sent() {
    let node = NODE.get();
    let partner = Partner::with(&node, "100").await;
    let (creator, asset) = creator(&node).await;
    let (key, body) = (key(), report(&asset, "100"));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (client, key, body) = (partner.client.clone(), key.clone(), body.clone());
        tasks.spawn(async move { post(&client, USAGE, &key, &body).await });
    }
    let answers = tasks.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(201) + with(200) + with(409)), (1, 12), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        is_refused(answer, 409, "REQUEST_IN_FLIGHT");
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer}");
    }
    let mut other_words = body.clone();
    other_words["model_earnings"] = json!(100.00);
    other_words["contribution"] = other_words.as_object_mut().unwrap().remove("training_contribution_score").unwrap();
    let again = post(&partner.client, USAGE, &key, &other_words).await.expect(200).unwrap().json().unwrap();
    assert_eq!(again["repeated"], true);
    is_refused(&post(&partner.client, USAGE, &key, &report(&asset, "101")).await, 422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(partner.money().await, ["85.0", "15.0", "100.0", "0.0"]);
    assert_eq!(earnings(&creator).await[0], json!(15.0));
    // The key of another partner is another key.
    let other = Partner::with(&node, "100").await;
    let theirs = post(&other.client, USAGE, &key, &body).await.expect(201).unwrap().json().unwrap();
    assert_ne!(theirs["id"], again["id"]);
    // The answer stays, whatever becomes of the work.
    creator.delete(&format!("/api/v1/assets/{asset}")).send().await.unwrap().expect(200).unwrap();
    let later = post(&partner.client, USAGE, &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!(later["id"], again["id"]);
    is_refused(&post(&partner.client, USAGE, &(key + "-new"), &body).await, 404, "NOT_FOUND");
    end(&partner.client, &later, "settle").await.expect(200).unwrap();
    assert_eq!(balance(&creator, "USD").await, ["15.0", "15.0", "0.0", "0.0"]);
}

#[tokio::test]
async fn nobody_spends_more_than_they_have() {
    let node = NODE.get();
    let partner = Partner::with(&node, "20").await;
    let (creator, asset) = creator(&node).await;
    partner.reported(&report(&asset, "100")).await;
    let (key, body) = (key(), report(&asset, "40"));
    let refused = post(&partner.client, USAGE, &key, &body).await;
    is_refused(&refused, 422, "INSUFFICIENT_FUNDS");
    assert_eq!(refused.json().unwrap()["error"]["details"]["available"], 5.0);
    let rejected = partner.client.get(&format!("{USAGE}?status=rejected")).send().await.unwrap();
    let rejected = rejected.expect(200).unwrap().json().unwrap();
    let event = &rejected["items"][0];
    assert_eq!((&rejected["total"], &event["status"]), (&json!(1), &json!("rejected")));
    assert_eq!((&event["calculation_id"], &event["transaction_id"]), (&Value::Null, &Value::Null));
    is_refused(&end(&partner.client, event, "settle").await, 409, "USAGE_ENDED");
    assert_eq!(earnings(&creator).await[0], json!(15.0));
    // Sent again it is tried again: by credit, or by money.
    partner.change(&json!({ "credit_limits": { "USD": 1 } })).await;
    let again = post(&partner.client, USAGE, &key, &body).await.expect(201).unwrap().json().unwrap();
    assert_eq!(again["id"], event["id"]);
    assert_eq!(partner.money().await, ["-1.0", "21.0", "20.0", "0.0"]);
    let mut euros = report(&asset, "40");
    euros["currency"] = json!("EUR");
    is_refused(&post(&partner.client, USAGE, &(key + "-eur"), &euros).await, 422, "INSUFFICIENT_FUNDS");
}

#[tokio::test]
async fn a_report_that_makes_no_sense_is_refused_by_its_fields() {
    let node = NODE.get();
    let partner = Partner::with(&node, "100").await;
    let (_, asset) = creator(&node).await;
    let send = async |field: &str, json: &str| {
        let mut body = report(&asset, "1");
        body.as_object_mut().unwrap().remove(field);
        let text = format!("{},\"{field}\":{json}}}", body.to_string().trim_end_matches('}'));
        let call = partner.client.post(USAGE).header("Idempotency-Key", &key());
        call.body("application/json", text).send().await.unwrap()
    };
    for (field, json) in [
        ("model_earnings", "-1"),
        ("model_earnings", "\"NaN\""),
        ("model_earnings", "1e400"),
        ("model_earnings", "0.001"),
        ("model_earnings", "123456789012345678901234567890"),
        ("model_earnings", "null"),
        ("currency", "\"XAU\""),
        ("training_contribution_score", "101"),
        ("usage_exposure_score", "-0.1"),
        ("usage_exposure_score", "\"much\""),
        ("asset_id", "\"zz\""),
        ("period", "\"2025-13\""),
        ("period", "null, \"period_start\": \"2025-11-02\", \"period_end\": \"2025-11-01\""),
        ("model", "\"\""),
        ("expires_at", "\"2020-01-01\""),
        ("metadata", "{\"nested\": {\"a\": 1}}"),
        ("partner_id", "\"507f1f77bcf86cd799439011\""),
    ] {
        let answer = send(field, json).await;
        let named = if json.contains("period_end") { "period_end" } else { field };
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"][named].is_array(), "{field} {json}: {answer}");
    }
    let not_json = send("model_earnings", "NaN").await;
    assert!(not_json.expect(422).unwrap().json().unwrap()["errors"]["body"].is_array());
    is_refused(&send("asset_id", &format!("\"{UNKNOWN}\"")).await, 404, "NOT_FOUND");
    for bad in ["", "k\u{e9}y", &"k".repeat(256)] {
        let call = partner.client.post(USAGE).json(&report(&asset, "1"));
        let call = if bad.is_empty() { call } else { call.header("Idempotency-Key", bad) };
        let answer = call.send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"]["Idempotency-Key"].is_array(), "{answer}");
    }
    let listed = partner.client.get(USAGE).send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(listed["total"], 0);
    assert_eq!(partner.money().await, ["100.0", "0.0", "100.0", "0.0"]);
    let longest = post(&partner.client, USAGE, &"k".repeat(255), &report(&asset, "0.01")).await;
    // A fraction of a cent is owed: nothing. It moves no money, and is kept all the same.
    let worthless = longest.expect(201).unwrap().json().unwrap();
    assert_eq!((&worthless["value"], &worthless["transaction_id"]), (&json!(0.0), &Value::Null));
    end(&partner.client, &worthless, "settle").await.expect(200).unwrap();
}

#[tokio::test]
async fn events_are_seen_by_their_partner_and_by_administrators() {
    let node = NODE.get();
    let (partner, other) = (Partner::with(&node, "100").await, Partner::with(&node, "100").await);
    let (_, asset) = creator(&node).await;
    let first = partner.reported(&report(&asset, "10")).await;
    let second = partner.reported(&report(&asset, "20")).await;
    let theirs = other.reported(&report(&asset, "30")).await;
    let one = format!("{USAGE}/{}", first["id"].as_str().unwrap());
    for client in [&partner.client, &partner.admin] {
        let seen = client.get(&one).send().await.unwrap().expect(200).unwrap().json().unwrap();
        assert_eq!(seen["id"], first["id"]);
    }
    is_refused(&other.client.get(&one).send().await.unwrap(), 404, "NOT_FOUND");
    for how in ["settle", "cancel"] {
        is_refused(&end(&other.client, &first, how).await, 404, "NOT_FOUND");
        is_refused(&other.client.post(&format!("{USAGE}/{UNKNOWN}/{how}")).send().await.unwrap(), 404, "NOT_FOUND");
        is_refused(&other.client.post(&format!("{USAGE}/zz/{how}")).send().await.unwrap(), 400, "INVALID_ID");
    }
    let list = async |client: &Client, query: &str| {
        let answer = client.get(&format!("{USAGE}?{query}")).send().await.unwrap();
        let total = answer.header("x-total-count").unwrap().to_owned();
        let body = answer.expect(200).unwrap().json().unwrap();
        assert_eq!(body["total"].to_string(), total);
        let ids = body["items"].as_array().unwrap().iter().map(|event| event["id"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list(&partner.client, "").await, [second["id"].clone(), first["id"].clone()]);
    assert_eq!(list(&partner.client, "page=2&limit=1").await, [first["id"].clone()]);
    assert_eq!(list(&partner.client, &format!("partner_id={}", other.id)).await, Vec::<Value>::new());
    let of_asset = format!("asset_id={asset}");
    assert_eq!(list(&partner.admin, &of_asset).await.len(), 3);
    let of_both = format!("{of_asset}&partner_id={}&status=pending", other.id);
    assert_eq!(list(&partner.admin, &of_both).await, [theirs["id"].clone()]);
    for query in ["limit=0", "status=odd", "asset_id=zz"] {
        partner.client.get(&format!("{USAGE}?{query}")).send().await.unwrap().expect(422).unwrap();
    }
    // An administrator reports and ends for anybody, but says for whom.
    let mut body = report(&asset, "40");
    let nameless = post(&partner.admin, USAGE, &key(), &body).await;
    assert!(nameless.expect(422).unwrap().json().unwrap()["errors"]["partner_id"].is_array());
    body["partner_id"] = json!(UNKNOWN);
    is_refused(&post(&partner.admin, USAGE, &key(), &body).await, 404, "NOT_FOUND");
    body["partner_id"] = json!(other.id);
    let event = post(&partner.admin, USAGE, &key(), &body).await.expect(201).unwrap().json().unwrap();
    assert_eq!(event["partner_id"], json!(other.id));
    end(&partner.admin, &event, "settle").await.expect(200).unwrap();
    other.change(&json!({ "is_active": false })).await;
    is_refused(&post(&partner.admin, USAGE, &key(), &body).await, 403, "ACCOUNT_DISABLED");
}

#[tokio::test]
async fn what_nobody_settles_in_time_is_cancelled() {
    let node = NODE.get();
    let partner = Partner::with(&node, "100").await;
    let (creator, asset) = creator(&node).await;
    let mut body = report(&asset, "100");
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(3);
    body["expires_at"] = json!(metastamp_protocol::Timestamp(soon.as_millis() as i64));
    let (key, event) = (key(), body.clone());
    let event = post(&partner.client, USAGE, &key, &event).await.expect(201).unwrap().json().unwrap();
    assert_eq!(earnings(&creator).await[0], json!(15.0));
    let path = format!("{USAGE}/{}", event["id"].as_str().unwrap());
    let ended = || async {
        let seen = partner.client.get(&path).send().await?.expect(200)?.json()?;
        Ok((seen["status"] == "cancelled").then_some(()))
    };
    eventually("it is cancelled", Duration::from_secs(60), ended).await.unwrap();
    is_refused(&end(&partner.client, &event, "settle").await, 409, "USAGE_ENDED");
    assert_eq!(partner.money().await, ["100.0", "0.0", "100.0", "0.0"]);
    assert_eq!(earnings(&creator).await[0], json!(0.0));
    let again = post(&partner.client, USAGE, &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!(again["status"], "cancelled");
}
