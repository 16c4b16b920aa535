//! Partners, the money they pay in, and their API keys.

use metastamp_tests::money::{administrator, key, post};
use metastamp_tests::partners::{Partner, USAGE, creator, new_key, report};
use metastamp_tests::{Answer, Client, NodeOptions, SharedNode, anonymous, member};
use reqwest::Method;
use serde_json::{Value, json};

const PARTNERS: &str = "/api/v1/partners";
const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

async fn change(partner: &Partner, body: Value) -> Answer {
    partner.admin.call(Method::PATCH, &partner.path()).json(&body).send().await.unwrap()
}

fn is_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer}");
}

#[tokio::test]
async fn a_partner_is_made_changed_and_shown() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let name = format!(" Ünique {} ", key());
    let body = json!({ "name": name, "credit_limits": { "USD": 100.00, "JPY": "500" } });
    let made = admin.post(PARTNERS).json(&body).send().await.unwrap().expect(201).unwrap().json().unwrap();
    assert_eq!((&made["name"], &made["is_active"]), (&json!(name.trim()), &json!(true)));
    assert_eq!(made["credit_limits"], json!({ "USD": 100.0, "JPY": 500.0 }));
    let dollars = json!({ "available": 0.0, "held": 0.0, "deposited": 0.0, "spent": 0.0, "credit_limit": 100.0 });
    assert_eq!(made["balances"]["USD"], dollars);
    let partner = Partner { id: made["id"].as_str().unwrap().to_owned(), admin, client: anonymous(&node) };
    let changed = change(&partner, json!({ "credit_limits": { "EUR": 1 }, "is_active": false })).await;
    let changed = changed.expect(200).unwrap().json().unwrap();
    assert_eq!((&changed["name"], &changed["is_active"]), (&made["name"], &json!(false)));
    assert_eq!(changed["credit_limits"], json!({ "EUR": 1.0 }));
    let shown = partner.admin.get(&partner.path()).send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(shown["data"], changed["data"]);
    let listed = partner.admin.get(&format!("{PARTNERS}?limit=100")).send().await.unwrap();
    let total = listed.header("x-total-count").unwrap().to_owned();
    let listed = listed.expect(200).unwrap().json().unwrap();
    assert_eq!(listed["total"].to_string(), total);
    assert!(listed["items"].as_array().unwrap().contains(&changed["data"]), "{listed}");
    let taken = partner.admin.post(PARTNERS).json(&json!({ "name": name })).send().await.unwrap();
    assert!(taken.expect(422).unwrap().json().unwrap()["errors"]["name"].is_array());
}

#[tokio::test]
async fn what_makes_no_partner_is_named() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "n".repeat(101) }), "name"),
        (json!({ "name": key(), "credit_limits": { "BTC": 1 } }), "credit_limits"),
        (json!({ "name": key(), "credit_limits": { "USD": -1 } }), "credit_limits"),
        (json!({ "name": key(), "credit_limits": { "USD": 0.001 } }), "credit_limits"),
        (json!({ "name": key(), "credit_limits": 7 }), "credit_limits"),
        (json!([]), "body"),
    ] {
        let answer = admin.post(PARTNERS).json(&body).send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"][field].is_array(), "{body}: {answer}");
    }
    for (id, status) in [(UNKNOWN, 404), ("zz", 400)] {
        admin.get(&format!("{PARTNERS}/{id}")).send().await.unwrap().expect(status).unwrap();
        admin.get(&format!("{PARTNERS}/{id}/keys")).send().await.unwrap().expect(status).unwrap();
        let body = json!({ "amount": 1, "description": "d" });
        post(&admin, &format!("{PARTNERS}/{id}/deposits"), &key(), &body).await.expect(status).unwrap();
    }
}

#[tokio::test]
async fn partners_are_for_administrators() {
    let node = NODE.get();
    let partner = Partner::with(&node, "0").await;
    let user = member(&node).await;
    let paths = [PARTNERS.to_owned(), partner.path(), format!("{}/keys", partner.path())];
    for path in &paths {
        is_refused(&user.get(path).send().await.unwrap(), 403, "FORBIDDEN");
        is_refused(&anonymous(&node).get(path).send().await.unwrap(), 401, "MISSING_TOKEN");
        is_refused(&partner.client.get(path).send().await.unwrap(), 401, "INVALID_TOKEN");
    }
    let deposit = json!({ "amount": 1, "description": "d" });
    is_refused(&post(&user, &format!("{}/deposits", partner.path()), &key(), &deposit).await, 403, "FORBIDDEN");
}

#[tokio::test]
async fn a_deposit_is_booked_once() {
    let node = NODE.get();
    let partner = Partner::with(&node, "0").await;
    let path = format!("{}/deposits", partner.path());
    let (key, body) = (key(), json!({ "amount": "100.10", "description": "bank 7" }));
    let first = post(&partner.admin, &path, &key, &body).await;
    assert!(first.header("x-owner").is_some(), "{first}");
    let first = first.expect(201).unwrap().json().unwrap();
    assert_eq!((first["amount"].to_string().as_str(), &first["balance"]["available"]), ("100.1", &json!(100.1)));
    let again = post(&partner.admin, &path, &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!((&again["id"], &again["repeated"]), (&first["id"], &json!(true)));
    let other = post(&partner.admin, &path, &key, &json!({ "amount": "100.11", "description": "bank 7" })).await;
    is_refused(&other, 422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(partner.money().await, ["100.1", "0.0", "100.1", "0.0"]);
    for amount in ["0", "-1", "0.001", "1e400", "\"NaN\"", "null", "123456789012345678901234567890"] {
        let call = partner.admin.post(&path).header("Idempotency-Key", &metastamp_tests::money::key());
        let body = format!(r#"{{"amount":{amount},"description":"d"}}"#);
        let answer = call.body("application/json", body).send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"]["amount"].is_array(), "{answer}");
    }
    let keyless = partner.admin.post(&path).json(&body).send().await.unwrap();
    assert!(keyless.expect(422).unwrap().json().unwrap()["errors"]["Idempotency-Key"].is_array());
    assert_eq!(partner.money().await, ["100.1", "0.0", "100.1", "0.0"]);
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let node = NODE.get();
    let partner = Partner::with(&node, "0").await;
    let path = format!("{}/keys", partner.path());
    let secret = new_key(&partner.admin, &partner.id, &["usage:write"]).await;
    let listed = partner.admin.get(&path).send().await.unwrap();
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(!text.contains(&secret[29..]) && !text.contains("hash"), "{text}");
    let listed = listed.expect(200).unwrap().json().unwrap();
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["items"][1]["id"].as_str().unwrap(), &secret[4..28]);
    for (body, field) in [
        (json!({ "name": "k" }), "scopes"),
        (json!({ "name": "k", "scopes": [] }), "scopes"),
        (json!({ "name": "k", "scopes": ["usage:write", "admin"] }), "scopes"),
        (json!({ "scopes": ["usage:write"] }), "name"),
    ] {
        let answer = partner.admin.post(&path).json(&body).send().await.unwrap();
        assert!(answer.expect(422).unwrap().json().unwrap()["errors"][field].is_array(), "{answer}");
    }
}

/// Asks for the list of usage, as the bearer of `token`.
async fn as_bearer(anyone: &Client, token: &str) -> Answer {
    anyone.clone().with_token(token).get(USAGE).send().await.unwrap()
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say_until_it_is_revoked() {
    let node = NODE.get();
    let partner = Partner::with(&node, "10").await;
    let anyone = anonymous(&node);
    let secret = new_key(&partner.admin, &partner.id, &["usage:write"]).await;
    as_bearer(&anyone, &secret).await.expect(200).unwrap();
    anyone.get(USAGE).header("X-API-Key", &secret).send().await.unwrap().expect(200).unwrap();
    let last = if secret.ends_with('A') { "B" } else { "A" };
    let nearly = secret[..secret.len() - 1].to_owned() + last;
    let stranger = format!("msk_{UNKNOWN}_{}", &secret[29..]);
    for wrong in [nearly.as_str(), &stranger, "msk_", "msk_x_y", &secret[..40]] {
        is_refused(&as_bearer(&anyone, wrong).await, 401, "INVALID_TOKEN");
        let by_header = anyone.get(USAGE).header("X-API-Key", wrong).send().await.unwrap();
        is_refused(&by_header, 401, "INVALID_TOKEN");
    }
    is_refused(&anyone.get(USAGE).send().await.unwrap(), 401, "MISSING_TOKEN");
    is_refused(&member(&node).await.get(USAGE).send().await.unwrap(), 403, "FORBIDDEN");

    let (_, asset) = creator(&node).await;
    let event = partner.reported(&report(&asset, "1")).await;
    let settle = format!("{USAGE}/{}/settle", event["id"].as_str().unwrap());
    let writer = anyone.clone().with_token(&secret);
    is_refused(&writer.post(&settle).send().await.unwrap(), 403, "FORBIDDEN");

    partner.change(&json!({ "is_active": false })).await;
    is_refused(&as_bearer(&anyone, &secret).await, 403, "ACCOUNT_DISABLED");
    partner.change(&json!({ "is_active": true })).await;
    as_bearer(&anyone, &secret).await.expect(200).unwrap();
    let revoke = format!("{}/keys/{}", partner.path(), &secret[4..28]);
    let first = partner.admin.delete(&revoke).send().await.unwrap().expect(200).unwrap().json().unwrap();
    let again = partner.admin.delete(&revoke).send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert!(first["revoked_at"].is_string() && first == again);
    is_refused(&as_bearer(&anyone, &secret).await, 401, "INVALID_TOKEN");
    partner.client.get(USAGE).send().await.unwrap().expect(200).unwrap();
    let other = Partner::with(&node, "0").await;
    let foreign = format!("{}/keys/{}", other.path(), &secret[4..28]);
    partner.admin.delete(&foreign).send().await.unwrap().expect(404).unwrap();
}
