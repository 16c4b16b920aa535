//! Payouts: what is held, who ends them, and that nothing is paid twice.

use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use metastamp_tests::money::{administrator, balance, book, key, post, read, user_id};
use metastamp_tests::{
    Answer, Client, NodeOptions, NodeProcess, PASSWORD, SharedNode, anonymous, member, unique_email,
};
use serde_json::{Value, json};

const PAYOUTS: &str = "/api/v1/wallet/payouts";
const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

/// A client with so many dollars.
async fn rich(admin: &Client, node: &NodeProcess, amount: &str) -> Client {
    let client = member(node).await;
    book(admin, "bonuses", &client, amount, "USD", "to begin with").await;
    client
}

/// Asks for a payout that must be taken; gives its id.
async fn taken(client: &Client, amount: &str) -> String {
    let answer = post(client, PAYOUTS, &key(), &json!({ "amount": amount })).await;
    answer.expect(201).unwrap().text("/id").unwrap()
}

async fn ended(by: &Client, id: &str, how: &str) -> Answer {
    by.post(&format!("{PAYOUTS}/{id}/{how}")).json(&json!({ "reason": "so it was" })).send().await.unwrap()
}

#[tokio::test]
async fn a_payout_is_held_then_paid() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = rich(&admin, &node, "100.00").await;
    let body = json!({ "amount": 30.10, "destination": "account 7", "description": "rent" });
    let answer = post(&client, PAYOUTS, &key(), &body).await;
    assert!(answer.header("x-owner").is_some(), "no X-Owner: {answer}");
    let payout = answer.expect(201).unwrap().json().unwrap();
    assert_eq!((&payout["status"], payout["amount"].to_string()), (&json!("pending"), "-30.1".to_owned()));
    assert_eq!(payout["metadata"]["destination"], "account 7");
    assert_eq!(balance(&client, "USD").await, ["100.0", "69.9", "30.1", "0.0"]);
    let id = payout["id"].as_str().unwrap();
    let complete = format!("{PAYOUTS}/{id}/complete");
    let done = admin.post(&complete).json(&json!({ "reference": "bank-1" })).send().await.unwrap();
    let done = done.expect(200).unwrap().json().unwrap();
    assert_eq!((&done["status"], &done["completed_at"].is_string()), (&json!("completed"), &true), "{done}");
    assert_eq!((&done["metadata"]["end_reason"], &done["reference_id"]), (&json!("paid"), &json!("bank-1")), "{done}");
    assert_eq!(balance(&client, "USD").await, ["69.9", "69.9", "0.0", "30.1"]);
    let last = read(&client, "balance").await["data"]["last_payout"].take();
    assert_eq!((&last["amount"], &last["status"]), (&json!(30.1), &json!("completed")));
    let history = read(&client, "history?type=payout").await;
    assert_eq!((&history["transactions"][0]["id"], &history["total"]), (&json!(id), &json!(1)));
    assert_eq!(history["data"]["summary"]["total_payouts"], 30.1);
    // the same end again is the same answer, another one is not
    let again = admin.post(&complete).send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(again["processed_at"], done["processed_at"]);
    for (who, how) in [(&admin, "fail"), (&client, "cancel")] {
        let refused = ended(who, id, how).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "TRANSACTION_ENDED"), "{refused}");
        assert_eq!(refused.json().unwrap()["error"]["details"]["status"], "completed");
    }
    assert_eq!(balance(&client, "USD").await, ["69.9", "69.9", "0.0", "30.1"]);
}

#[tokio::test]
async fn what_is_not_paid_is_available_again() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = rich(&admin, &node, "50").await;
    for (who, how, status) in [(&client, "cancel", "cancelled"), (&admin, "fail", "failed")] {
        let id = taken(&client, "50.00").await;
        assert_eq!(balance(&client, "USD").await, ["50.0", "0.0", "50.0", "0.0"]);
        for _ in 0..2 {
            let body = ended(who, &id, how).await.expect(200).unwrap().json().unwrap();
            assert_eq!((&body["status"], body.get("completed_at")), (&json!(status), None), "{body}");
        }
        assert_eq!(balance(&client, "USD").await, ["50.0", "50.0", "0.0", "0.0"]);
    }
    admin
        .post(&format!("{PAYOUTS}/{}/fail", taken(&client, "10").await))
        .json(&json!({}))
        .send()
        .await
        .unwrap()
        .expect(422)
        .unwrap();
}

#[tokio::test]
async fn what_can_not_be_paid_is_refused() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = rich(&admin, &node, "20.00").await;
    for amount in ["9.99", "-10", "0", "10.001", "1e400", "123456789012345678901234567890", r#""NaN""#, "null"] {
        let call = client.post(PAYOUTS).header("Idempotency-Key", &key());
        let answer = call.body("application/json", format!(r#"{{"amount":{amount}}}"#)).send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"]["amount"].is_array(), "{answer}");
    }
    for (body, field) in [
        (json!({ "amount": 10, "currency": "BTC" }), "currency"),
        (json!({ "amount": 10, "destination": "d".repeat(201) }), "destination"),
        (json!({ "amount": 10, "description": "d".repeat(501) }), "description"),
        (json!([10]), "body"),
    ] {
        let answer = post(&client, PAYOUTS, &key(), &body).await;
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"][field].is_array(), "{answer}");
    }
    for (amount, currency) in [("20.01", "USD"), ("10", "EUR")] {
        let answer = post(&client, PAYOUTS, &key(), &json!({ "amount": amount, "currency": currency })).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "INSUFFICIENT_FUNDS"), "{answer}");
        let available = if currency == "USD" { 20.0 } else { 0.0 };
        assert_eq!(answer.json().unwrap()["error"]["details"]["available"], available);
    }
    for bad in ["", "k\u{e9}y", &"k".repeat(256)] {
        let call = client.post(PAYOUTS).json(&json!({ "amount": 10 }));
        let call = if bad.is_empty() { call } else { call.header("Idempotency-Key", bad) };
        let answer = call.send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"]["Idempotency-Key"].is_array(), "{answer}");
    }
    assert_eq!(balance(&client, "USD").await, ["20.0", "20.0", "0.0", "0.0"]);
    post(&client, PAYOUTS, &"k".repeat(255), &json!({ "amount": "20" })).await.expect(201).unwrap();
}

#[tokio::test]
async fn one_key_is_one_payout_however_often_it_is_sent() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = rich(&admin, &node, "100").await;
    let (key, body) = (key(), json!({ "amount": "25.00" }));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (client, key, body) = (client.clone(), key.clone(), body.clone());
        tasks.spawn(async move { post(&client, PAYOUTS, &key, &body).await });
    }
    let answers = tasks.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(201) + with(200) + with(409)), (1, 20), "{answers:?}");
    let in_flight = answers.iter().filter(|answer| answer.status == 409);
    in_flight.for_each(|answer| {
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("REQUEST_IN_FLIGHT", Some("1")))
    });
    let again = post(&client, PAYOUTS, &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!(again["repeated"], true);
    let reused = post(&client, PAYOUTS, &key, &json!({ "amount": "25.01" })).await;
    assert_eq!((reused.status, reused.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"), "{reused}");
    assert_eq!(balance(&client, "USD").await, ["100.0", "75.0", "25.0", "0.0"]);
    // a payout that has ended since is shown as it is
    ended(&client, again["id"].as_str().unwrap(), "cancel").await.expect(200).unwrap();
    let later = post(&client, PAYOUTS, &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!((&later["id"], &later["status"]), (&again["id"], &json!("cancelled")));
    // the key of another wallet is another key
    let other = rich(&admin, &node, "100").await;
    post(&other, PAYOUTS, &key, &body).await.expect(201).unwrap();
}

#[tokio::test]
async fn a_rush_never_pays_more_than_there_is() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = rich(&admin, &node, "100").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let client = client.clone();
        tasks.spawn(async move { post(&client, PAYOUTS, &key(), &json!({ "amount": "10.00" })).await });
    }
    let answers = tasks.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(422)), (10, 14), "{answers:?}");
    assert_eq!(balance(&client, "USD").await, ["100.0", "0.0", "100.0", "0.0"]);
    let statement = read(&client, "statement").await;
    let seqs: Vec<_> = statement["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn payouts_of_others_are_for_administrators() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let (ann, bob) = (rich(&admin, &node, "40").await, rich(&admin, &node, "40").await);
    let (id, second) = (taken(&ann, "10").await, taken(&ann, "15").await);
    let one = format!("{PAYOUTS}/{id}");
    ann.get(&one).send().await.unwrap().expect(200).unwrap();
    admin.get(&one).send().await.unwrap().expect(200).unwrap();
    bob.get(&one).send().await.unwrap().expect(404).unwrap();
    ended(&bob, &id, "cancel").await.expect(404).unwrap();
    for how in ["complete", "fail"] {
        ended(&ann, &id, how).await.expect(403).unwrap();
        ended(&admin, UNKNOWN, how).await.expect(404).unwrap();
        ended(&admin, "zz", how).await.expect(400).unwrap();
    }
    // no payout: it can't be ended here
    let history = read(&ann, "history?type=bonus").await;
    ended(&ann, history["transactions"][0]["id"].as_str().unwrap(), "cancel").await.expect(404).unwrap();
    let listed = |body: &Value| -> Vec<String> {
        body["payouts"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&read(&ann, "payouts").await), [second.clone(), id.clone()]);
    assert_eq!(listed(&read(&bob, "payouts").await), Vec::<String>::new());
    let of_ann = format!("payouts?user_id={}", user_id(&ann).await);
    assert_eq!(listed(&read(&admin, &of_ann).await), [second.clone(), id.clone()]);
    let all = admin.get(&format!("{PAYOUTS}?all=true&limit=100")).send().await.unwrap();
    assert_eq!(
        all.header("x-total-count"),
        Some(all.expect(200).unwrap().json().unwrap()["total"].to_string().as_str())
    );
    assert!(listed(&all.json().unwrap()).contains(&id));
    for query in [of_ann.as_str(), "payouts?all=true"] {
        bob.get(&format!("/api/v1/wallet/{query}")).send().await.unwrap().expect(403).unwrap();
    }
    let of_nobody = format!("{PAYOUTS}?user_id=507f1f77bcf86cd799439011");
    admin.get(&of_nobody).send().await.unwrap().expect(404).unwrap();
    ended(&ann, &id, "cancel").await.expect(200).unwrap();
    assert_eq!(listed(&read(&ann, "payouts?status=pending").await), [second]);
}

#[tokio::test]
async fn a_wallet_is_looked_into_and_paid_from_on_the_command_line() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let home = tempfile::tempdir().unwrap();
    let (email, url) = (unique_email(), node.address().get());
    let run = |args: Vec<&str>| {
        let env = [("METASTAMP_PASSWORD", PASSWORD)];
        let output = run_to_end(home.path(), &args, &env, Duration::from_secs(60)).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(run(vec!["login", "--register", "--url", &url, &email]).0, 0);
    let login = anonymous(&node).login(&email, PASSWORD).await.unwrap();
    let client = anonymous(&node).with_token(&login.expect(200).unwrap().text("/token").unwrap());
    book(&admin, "bonuses", &client, "60.60", "USD", "for typing").await;
    let (code, out, err) = run(vec!["wallet"]);
    assert!(code == 0 && out.contains("USD") && out.contains("60.60"), "{out}{err}");
    let payout = ["wallet", "payout", "25.5", "--key", "typed-1", "--description", "typed"];
    let (code, out, err) = run(payout.to_vec());
    assert!(code == 0 && out.contains("pending") && out.contains("-25.50 USD"), "{out}{err}");
    let (code, out, err) = run(payout.to_vec());
    assert!(code == 0 && out.contains("asked for it before"), "{out}{err}");
    let (code, out, err) = run(vec!["wallet", "history"]);
    assert!(code == 0 && out.contains("-25.50  USD  typed") && err.contains("2 transactions"), "{out}{err}");
    let (code, out, err) = run(vec!["wallet", "history", "--csv", "--type", "payout", "--status", "pending"]);
    assert!(code == 0 && out.starts_with("transaction_id,") && out.matches("\r\n").count() == 2, "{out}{err}");
    let (code, out, err) = run(vec!["wallet", "payout", "9999"]);
    assert!(code == 1 && err.contains("INSUFFICIENT_FUNDS"), "{out}{err}");
}
