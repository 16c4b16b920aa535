//! Usage in batches: every event has its own result.

use std::time::Duration;

use metastamp_tests::money::key;
use metastamp_tests::partners::{Partner, USAGE, creator, report};
use metastamp_tests::{Client, NodeOptions, SharedNode, eventually};
use serde_json::{Value, json};

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

fn keyed(mut report: Value, key: &str) -> Value {
    report["idempotency_key"] = json!(key);
    report
}

async fn send(client: &Client, what: &str, body: &Value) -> Value {
    let answer = client.post(&format!("{USAGE}/{what}")).json(body).send().await.unwrap();
    answer.expect(200).unwrap().json().unwrap()
}

fn statuses(answer: &Value) -> Vec<u64> {
    answer["results"].as_array().unwrap().iter().map(|result| result["status_code"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_event_has_its_own_result() {
    let node = NODE.get();
    let partner = Partner::with(&node, "100").await;
    let (_, asset) = creator(&node).await;
    let (first, second) = (key(), key());
    let mut nonsense = keyed(report(&asset, "1"), &key());
    nonsense["model_earnings"] = json!(-1);
    let events = json!({ "events": [
        keyed(report(&asset, "100"), &first),
        nonsense,
        keyed(report(&asset, "1000"), &key()),
        keyed(report("507f1f77bcf86cd799439011", "1"), &key()),
        report(&asset, "1"),
        7,
        keyed(report(&asset, "200"), &second),
    ] });
    let answer = send(&partner.client, "batch", &events).await;
    assert_eq!(statuses(&answer), [201, 422, 422, 404, 422, 422, 201], "{answer}");
    assert_eq!((&answer["succeeded"], &answer["failed"]), (&json!(2), &json!(5)));
    let results = &answer["results"];
    assert_eq!(
        (&results[1]["error"]["code"], &results[2]["error"]["code"]),
        (&json!("VALIDATION_ERROR"), &json!("INSUFFICIENT_FUNDS"))
    );
    assert!(results[1]["error"]["errors"]["model_earnings"].is_array());
    assert!(results[4]["error"]["errors"]["idempotency_key"].is_array());
    assert_eq!(partner.money().await, ["55.0", "45.0", "100.0", "0.0"]);
    let again = send(&partner.client, "batch", &events).await;
    assert_eq!(statuses(&again)[0], 200);
    assert_eq!(
        (&again["results"][0]["id"], &again["results"][0]["usage"]["repeated"]),
        (&results[0]["id"], &json!(true))
    );
    assert_eq!(partner.money().await, ["55.0", "45.0", "100.0", "0.0"]);

    let (one, two) = (results[0]["id"].clone(), results[6]["id"].clone());
    let other = Partner::with(&node, "0").await;
    let ids = json!({ "usage_ids": [one, "507f1f77bcf86cd799439011", "zz"] });
    assert_eq!(statuses(&send(&other.client, "settle", &ids).await), [404, 404, 400]);
    let settled = send(&partner.client, "settle", &ids).await;
    assert_eq!(statuses(&settled), [200, 404, 400]);
    assert_eq!((&settled["results"][0]["usage"]["status"], &settled["results"][0]["id"]), (&json!("settled"), &one));
    let cancel = json!({ "usage_ids": [one, two], "reason": "too late" });
    let cancelled = send(&partner.client, "cancel", &cancel).await;
    assert_eq!(statuses(&cancelled), [409, 200]);
    assert_eq!(cancelled["results"][0]["error"]["code"], "USAGE_ENDED");
    assert_eq!(cancelled["results"][1]["usage"]["reason"], "too late");
    for end in [&settled["results"][0]["usage"], &cancelled["results"][1]["usage"]] {
        assert!(end.get("repeated").is_none(), "{end}");
    }
    assert_eq!(partner.money().await, ["85.0", "0.0", "100.0", "15.0"]);
}

#[tokio::test]
async fn a_thousand_are_taken_and_no_more() {
    let node = NODE.get();
    let partner = Partner::with(&node, "1000").await;
    let (_, asset) = creator(&node).await;
    // the document server of the tests takes a second for some fifty
    let (count, money) = match metastamp_chaos::servers::wanted() {
        true => (100, ["985.0", "15.0", "1000.0", "0.0"]),
        false => (1_000, ["850.0", "150.0", "1000.0", "0.0"]),
    };
    let events: Vec<_> = (0..count).map(|_| keyed(report(&asset, "1"), &key())).collect();
    let answer = send(&partner.client, "batch", &json!({ "events": events })).await;
    let done = statuses(&answer);
    assert_eq!(done.len(), count);
    // What took too long is sent again, and is the same event then.
    assert!(done.iter().all(|status| [201, 503].contains(status)), "{done:?}");
    let all_taken = || async {
        let again = send(&partner.client, "batch", &json!({ "events": events })).await;
        Ok(statuses(&again).iter().all(|status| [200, 201].contains(status)).then_some(()))
    };
    eventually("all are taken", Duration::from_secs(90), all_taken).await.unwrap();
    let listed = partner.client.get(&format!("{USAGE}?limit=1")).send().await.unwrap();
    assert_eq!(listed.header("x-total-count"), Some(count.to_string().as_str()), "{listed}");
    assert_eq!(partner.money().await, money);

    let too_many: Vec<_> = (0..1_001).map(|_| json!("507f1f77bcf86cd799439011")).collect();
    for (what, body) in [
        ("settle", json!({ "usage_ids": too_many })),
        ("cancel", json!({ "usage_ids": [] })),
        ("batch", json!({ "events": (0..1_001).map(|_| json!({})).collect::<Vec<_>>() })),
        ("batch", json!({ "events": {} })),
        ("batch", json!([])),
    ] {
        let answer = partner.client.post(&format!("{USAGE}/{what}")).json(&body).send().await.unwrap();
        answer.expect(422).unwrap();
    }
    let huge = json!({ "events": ["x".repeat(1 << 20)] });
    partner.client.post(&format!("{USAGE}/batch")).json(&huge).send().await.unwrap().expect(413).unwrap();
}
