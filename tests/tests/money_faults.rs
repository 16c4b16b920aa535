//! Money on the embedded stores: two requests with one key at the same moment, and a power cut under load.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metastamp_chaos::servers::embedded;
use metastamp_protocol::ObjectId;
use metastamp_protocol::partner::UsageStatus;
use metastamp_store::ports::UsageClaim;
use metastamp_tests::cluster::metric_reaches;
use metastamp_tests::kept::Kept;
use metastamp_tests::money::{administrator, audit_is_clean, balance, book, key, post, read, user_id};
use metastamp_tests::partners::{Partner, USAGE, creator, report};
use metastamp_tests::{Answer, Client, NodeOptions, NodeProcess, eventually, member, start};
use parking_lot::Mutex;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);
const PAYOUTS: &str = "/api/v1/wallet/payouts";
const BONUSES: &str = "/api/v1/wallet/bonuses";

/// Whoever writes takes this lock first: while another process has it, writes hang and reads do not.
fn hold_writes(data_dir: &Path) -> File {
    let lock = File::options().write(true).open(data_dir.join("metastamp.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

fn is_in_flight(answer: &Answer) {
    let said = (answer.status, answer.code(), answer.header("retry-after"));
    assert_eq!(said, (409, "REQUEST_IN_FLIGHT".to_owned(), Some("1")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_flight_is_answered_at_once_and_done_once() {
    let node = start(NodeOptions::new().defaults(embedded()));
    let admin = administrator(&node).await;
    let partner = Partner::with(&node, "50").await;
    let client = member(&node).await;
    book(&admin, "bonuses", &client, "100", "USD", "to begin with").await;
    let bonus = json!({ "user_id": user_id(&client).await, "amount": "20.00", "reason": "thanks" });
    let deposit = json!({ "amount": "20.00", "description": "bank transfer" });
    let deposits = partner.path() + "/deposits";
    for (client, path, body, member) in [
        (&client, PAYOUTS, json!({ "amount": "20.00" }), "amount"),
        (&admin, BONUSES, bonus.clone(), "amount"),
        (&admin, "/api/v1/wallet/refunds", bonus.clone(), "amount"),
        (&admin, "/api/v1/wallet/adjustments", bonus, "amount"),
        (&admin, &deposits, deposit, "amount"),
    ] {
        let (key, data_dir) = (key(), node.data_dir());
        let held = tokio::task::spawn_blocking(move || hold_writes(&data_dir)).await.unwrap();
        let first = tokio::spawn({
            let (client, path, key, body) = (client.clone(), path.to_owned(), key.clone(), body.clone());
            async move { post(&client, &path, &key, &body).await }
        });
        // with whoever asks, two requests are at work
        metric_reaches(client, "http_requests_in_flight", &[], 2.0).await;
        // should the twin still come before the first, it hangs in its place: it is not waited for long
        let hurried = client.clone().with_patience(Duration::from_millis(300));
        let twin = || async {
            let call = hurried.post(path).header("Idempotency-Key", &key).json(&body);
            Ok(call.send().await.ok())
        };
        let twin = eventually("the twin is answered", WITHIN, twin).await.unwrap();
        is_in_flight(&twin);
        let mut other = body.clone();
        other[member] = json!("20.01");
        let reused = post(client, path, &key, &other).await;
        assert_eq!((reused.status, reused.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"), "{reused}");
        held.unlock().unwrap();
        let first = first.await.unwrap();
        let done = || async {
            let answer = post(client, path, &key, &body).await;
            Ok((answer.status == 200).then(|| answer.json().unwrap()))
        };
        let again = eventually("it is done", WITHIN, done).await.unwrap();
        // had the twin come first, the first is the one that was told to ask again
        match first.status {
            201 => assert_eq!(again["id"], first.json().unwrap()["id"], "{first}"),
            _ => is_in_flight(&first),
        }
        assert_eq!(again["repeated"], true, "{again}");
    }
    assert_eq!(balance(&client, "USD").await, ["160.0", "140.0", "20.0", "0.0"]);
    assert_eq!(partner.money().await, ["70.0", "0.0", "70.0", "0.0"]);
    audit_is_clean(&node);
}

/// Another node is at the event, and gives it back.
#[tokio::test]
async fn usage_that_somebody_is_at_is_in_flight() {
    let node = start(NodeOptions::new());
    let partner = Partner::with(&node, "0").await;
    let (creator, asset) = creator(&node).await;
    let (key, body) = (key(), report(&asset, "100"));
    let send = async || post(&partner.client, USAGE, &key, &body).await;
    assert_eq!(send().await.code(), "INSUFFICIENT_FUNDS");
    let listed = partner.client.get(USAGE).send().await.unwrap().expect(200).unwrap().text("/items/0/id").unwrap();
    let id: ObjectId = listed.parse().unwrap();
    let store = Kept::of(&node.data_dir()).await.stores;
    let claim = async |from: UsageStatus, to: UsageStatus| {
        let worker = ObjectId::generate();
        let lease = Duration::from_secs(60);
        let claim = UsageClaim { id, from: vec![from], to, worker, lease, reason: None, expired: false };
        store.usage.claim_usage(&claim).await.unwrap().unwrap();
        worker
    };
    let give_back = async |worker: ObjectId, to: UsageStatus| {
        let now = metastamp_protocol::Timestamp::now();
        store.usage.finish_usage(id, worker, to, None, now).await.unwrap();
    };
    partner.deposit("50").await;
    let worker = claim(UsageStatus::Rejected, UsageStatus::Received).await;
    is_in_flight(&send().await);
    let ends = ["settle", "cancel"].map(|how| format!("{USAGE}/{id}/{how}"));
    for end in &ends {
        is_in_flight(&partner.client.post(end).send().await.unwrap());
    }
    assert_eq!(partner.money().await, ["50.0", "0.0", "50.0", "0.0"]);
    give_back(worker, UsageStatus::Rejected).await;
    send().await.expect(201).unwrap();
    assert_eq!(partner.money().await, ["35.0", "15.0", "50.0", "0.0"]);

    let worker = claim(UsageStatus::Pending, UsageStatus::Settling).await;
    is_in_flight(&partner.client.post(&ends[0]).send().await.unwrap());
    let batch = json!({ "usage_ids": [id] });
    let batch = partner.client.post(&format!("{USAGE}/settle")).json(&batch).send().await.unwrap();
    let result = batch.expect(200).unwrap().json().unwrap()["results"][0].take();
    assert_eq!((&result["status_code"], &result["error"]["code"]), (&json!(409), &json!("REQUEST_IN_FLIGHT")));
    give_back(worker, UsageStatus::Settling).await;
    partner.client.post(&ends[0]).send().await.unwrap().expect(200).unwrap();
    assert_eq!(send().await.expect(200).unwrap().json().unwrap()["status"], "settled");
    assert_eq!(partner.money().await, ["35.0", "0.0", "50.0", "15.0"]);
    assert_eq!(balance(&creator, "USD").await, ["15.0", "15.0", "0.0", "0.0"]);
    audit_is_clean(&node);
}

/// Keys, and the transactions that they were answered with.
type Acknowledged = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Asks one after the other until the node dies; gives the keys, and the transactions of those that were answered.
async fn rush(admin: Client, body: Value, told: Acknowledged) {
    loop {
        let key = key();
        let sent = admin.post(BONUSES).header("Idempotency-Key", &key).json(&body).send().await;
        let id = sent.as_ref().ok().map(|answer| answer.expect(201).unwrap().text("/id").unwrap());
        told.lock().push((key, id));
        if sent.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_booked_before_a_power_cut_is_there_after_it() {
    let mut node = start(NodeOptions::new());
    let admin = administrator(&node).await;
    let client = member(&node).await;
    let body = json!({ "user_id": user_id(&client).await, "amount": "0.10", "reason": "a dime" });
    let told = Arc::default();
    for round in 1..=3 {
        let rushes: Vec<_> =
            (0..4).map(|_| tokio::spawn(rush(admin.clone(), body.clone(), Arc::clone(&told)))).collect();
        let enough =
            || async { Ok((told.lock().iter().filter(|(_, id)| id.is_some()).count() >= 25 * round).then_some(())) };
        eventually("dimes are booked", WITHIN, enough).await.unwrap();
        // in the middle of whatever the four are at
        kill_and_restart(&mut node);
        for rush in rushes {
            rush.await.unwrap();
        }
    }
    let told: Vec<_> = std::mem::take(&mut *told.lock());
    for (key, acknowledged) in &told {
        let answer = post(&admin, BONUSES, key, &body).await;
        let expected = if acknowledged.is_some() { [200, 200] } else { [200, 201] };
        assert!(expected.contains(&answer.status), "{acknowledged:?}: {answer}");
        let id = answer.text("/id").unwrap();
        assert_eq!(acknowledged.as_ref().unwrap_or(&id), &id);
    }
    let entries = read(&client, "statement?limit=1000").await["entries"].take();
    let seqs: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=told.len() as u64).collect::<Vec<_>>());
    let cents = 10 * told.len();
    let whole = json!(cents as f64 / 100.0).to_string();
    assert_eq!(balance(&client, "USD").await[0], whole);
    audit_is_clean(&node);
}

fn kill_and_restart(node: &mut NodeProcess) {
    tokio::task::block_in_place(|| {
        node.kill();
        node.restart().unwrap();
    });
}
