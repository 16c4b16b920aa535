//! Limits count clients, seen through the proxies that are trusted and through no others.

use metastamp_tests::{Client, NodeOptions, anonymous, start};
use serde_json::json;

/// More attempts than the limit on new accounts; each is refused cheaply, for its empty body.
const ATTEMPTS: usize = 320;

async fn attempt(client: &Client, forwarded: &str) -> u16 {
    let call = client.post("/api/v1/auth/register").header("X-Forwarded-For", forwarded).json(&json!({}));
    call.send().await.unwrap().status
}

/// Attempts from one client until the limit says no; true when it did.
async fn used_up(client: &Client, forwarded: impl Fn(usize) -> String) -> bool {
    for i in 0..ATTEMPTS {
        match attempt(client, &forwarded(i)).await {
            422 => {}
            429 => return true,
            other => panic!("{other}"),
        }
    }
    false
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_limits_of_its_own() {
    let node = start(NodeOptions::new().env("TRUSTED_PROXIES", "127.0.0.0/8"));
    let client = anonymous(&node);
    // what a client writes itself stands before what the proxy adds, and changes nothing
    assert!(used_up(&client, |i| format!("192.0.2.{}, 203.0.113.1", i % 250)).await);
    assert_eq!(attempt(&client, "203.0.113.2").await, 422, "another client");
}

#[tokio::test]
async fn from_strangers_the_header_is_not_believed() {
    let node = start(NodeOptions::new());
    let client = anonymous(&node);
    assert!(used_up(&client, |i| format!("203.0.113.{}", i % 250)).await);
}
