//! Wallets in tests: an administrator who books, and what clients ask of their own wallets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use metastamp_chaos::node::run_to_end;
use metastamp_protocol::ObjectId;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{Answer, Client, DONE_WITHIN, NodeProcess, PASSWORD, anonymous, unique};

const ADMIN_EMAIL: &str = "treasurer@example.test";

/// An administrator of the node, made by whoever asks first.
pub async fn administrator(node: &NodeProcess) -> Client {
    static TOKENS: Mutex<BTreeMap<PathBuf, String>> = Mutex::const_new(BTreeMap::new());
    let data_dir = node.data_dir();
    let mut tokens = TOKENS.lock().await;
    if let Some(token) = tokens.get(&data_dir) {
        return anonymous(node).with_token(token);
    }
    run(node, &["init"], &[("ADMIN_EMAIL", ADMIN_EMAIL), ("ADMIN_PASSWORD", PASSWORD)]);
    let login = anonymous(node).login(ADMIN_EMAIL, PASSWORD).await.unwrap();
    let token = login.expect(200).unwrap().text("/token").unwrap();
    tokens.insert(data_dir, token.clone());
    anonymous(node).with_token(&token)
}

/// A key that nobody else in this run uses.
pub fn key() -> String {
    unique(&format!("key-{}-", ObjectId::generate()))
}

/// POST under an idempotency key.
pub async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    client.post(path).header("Idempotency-Key", key).json(body).send().await.unwrap()
}

pub async fn user_id(client: &Client) -> String {
    client.get("/api/v1/auth/me").send().await.unwrap().expect(200).unwrap().text("/id").unwrap()
}

/// Has an administrator book `kind` (`bonuses`, `refunds`, `adjustments`) for a client; gives the transaction.
pub async fn book(admin: &Client, kind: &str, of: &Client, amount: &str, currency: &str, reason: &str) -> Value {
    let body = json!({ "user_id": user_id(of).await, "amount": amount, "currency": currency, "reason": reason });
    let answer = post(admin, &format!("/api/v1/wallet/{kind}"), &key(), &body).await;
    assert!(answer.header("x-owner").is_some(), "no X-Owner: {answer}");
    answer.expect(201).unwrap().json().unwrap()
}

pub async fn read(client: &Client, path: &str) -> Value {
    client.get(&format!("/api/v1/wallet/{path}")).send().await.unwrap().expect(200).unwrap().json().unwrap()
}

/// Balance, available, held and paid out, as they are written in the answer.
pub async fn balance(client: &Client, currency: &str) -> [String; 4] {
    let body = read(client, &format!("balance?currency={currency}")).await;
    ["balance", "available", "held", "total_paid_out"].map(|name| body[name].to_string())
}

/// Holds all journals of the node against their invariants: `metastamp audit` must find nothing. The node may run.
pub fn audit_is_clean(node: &NodeProcess) {
    run(node, &["audit"], &[]);
}

/// Runs a command that must succeed, on the documents of the node.
fn run(node: &NodeProcess, args: &[&str], env: &[(&str, &str)]) {
    let names = ["MONGODB_URL", "MONGODB_DATABASE"];
    let told: Vec<_> = names.into_iter().filter_map(|name| Some((name, node.setting(name)?))).collect();
    let data_dir = node.data_dir();
    let mut all = vec![("DATA_DIR", data_dir.to_str().unwrap())];
    all.extend(told.iter().map(|(name, value)| (*name, value.as_str())).chain(env.iter().copied()));
    let output = run_to_end(node.home(), args, &all, DONE_WITHIN).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
}
