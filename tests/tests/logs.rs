//! The log: JSON lines with the agreed fields, one a request, never a secret.

use std::time::Duration;

use metastamp_chaos::node::Stream;
use metastamp_tests::{
    DONE_WITHIN, NodeOptions, PASSWORD, accepted, anonymous, eventually, media, member, refused, start, unique_email,
};
use serde_json::{Value, json};

const SECRET: &str = "the-signing-secret-that-no-log-may-show";
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Lines that report a request: they have method, path and status.
fn requests(lines: &[String]) -> Vec<Value> {
    parsed(lines).into_iter().filter(|line| line["method"].is_string() && line["status"].is_u64()).collect()
}

#[tokio::test]
async fn lines_have_the_agreed_fields() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    accepted(&client, &media::text("logged.txt", "logged")).await;
    node.terminate(Duration::from_secs(30)).unwrap();
    let lines = node.log().lines_of(Stream::Out);
    for line in &lines {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        let timestamp = value["timestamp"].as_str().unwrap_or_default();
        // 2026-01-01T00:00:00.000Z
        assert!(timestamp.len() == 24 && timestamp.ends_with('Z') && timestamp.contains('T'), "{line}");
        assert!(value["level"].as_str().is_some_and(|level| LEVELS.contains(&level)), "{line}");
        assert!(value["logger"].as_str().is_some_and(|logger| !logger.is_empty() && !logger.contains("::")), "{line}");
        assert!(value["message"].is_string(), "{line}");
        assert!(value.get("extra").is_none(), "{line}");
    }
    assert!(!lines.is_empty());
}

#[tokio::test]
async fn what_is_missing_is_said_at_the_start_with_what_installs_it() {
    let node = start(NodeOptions::new().env("FFMPEG_PATH", "/nowhere/ffmpeg"));
    let said = |line: &String| line.contains("/nowhere/ffmpeg") && line.contains("apt-get install ffmpeg");
    let logged = || async { Ok(node.log().lines().iter().any(said).then_some(())) };
    eventually("it is said", Duration::from_secs(5), logged).await.unwrap();
}

#[tokio::test]
async fn each_request_is_one_line() {
    let node = start(NodeOptions::new());
    let client = member(&node).await;
    let cases = [("/api/v1/auth/me", 200, "INFO"), ("/api/v1/assets/zz", 400, "WARNING"), ("/nothing", 404, "WARNING")];
    for (path, status, level) in cases {
        let id = metastamp_tests::unique("request-");
        client.get(path).header("x-request-id", &id).send().await.unwrap().expect(status).unwrap();
        let of_request = || {
            let lines = requests(&node.log().lines());
            lines.into_iter().filter(|line| line["request_id"] == id.as_str()).collect::<Vec<_>>()
        };
        let logged = || async { Ok((!of_request().is_empty()).then_some(())) };
        eventually("the request is logged", Duration::from_secs(5), logged).await.unwrap();
        let lines = of_request();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!((&line["method"], &line["path"], &line["status"]), (&json!("GET"), &json!(path), &json!(status)));
        assert_eq!(line["level"], level);
        assert!(line["duration_ms"].is_number(), "{line}");
        if path.starts_with("/api") {
            assert!(line["user_id"].is_string(), "{line}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_made_while_it_is_sent_is_logged_with_its_bytes() {
    let node = start(NodeOptions::new());
    let client = member(&node).await;
    let id = metastamp_tests::unique("file-");
    let file = client.get("/api/v1/wallet/history.csv").header("x-request-id", &id).send().await.unwrap();
    let bytes = file.expect(200).unwrap().body.len();
    let of_request = || async {
        let lines = requests(&node.log().lines());
        Ok(lines.into_iter().find(|line| line["request_id"] == id.as_str()))
    };
    let line = eventually("the file is logged", Duration::from_secs(5), of_request).await.unwrap();
    assert_eq!(
        (&line["status"], &line["bytes"], &line["message"]),
        (&json!(200), &json!(bytes), &json!("request completed"))
    );
    assert!(line["user_id"].is_string(), "{line}");
    let text = client.get("/metrics").send().await.unwrap();
    let text = String::from_utf8_lossy(&text.body).into_owned();
    let counted = |line: &str| line.starts_with("http_requests_total{") && line.contains("/wallet/history.csv");
    assert!(text.lines().any(counted), "{text}");
    assert!(text.lines().any(|line| line == "http_requests_in_flight 1"), "more than the one that asks is in flight");
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let options = NodeOptions::new().env("JWT_SECRET_KEY", SECRET).env("LOG_LEVEL", "debug");
    let mut node = start(options.env("OPENAI_API_KEY", "openai-key-of-the-test"));
    let email = unique_email();
    let client = anonymous(&node).register(&email, PASSWORD).await.unwrap();
    let anyone = anonymous(&node);
    let mut secrets = vec![SECRET.to_owned(), PASSWORD.to_owned(), "openai-key-of-the-test".to_owned()];
    secrets.push("wrong-password-9".to_owned());

    let login = anyone.login(&email, PASSWORD).await.unwrap();
    secrets.push(login.text("/token").unwrap());
    anyone.login(&email, "wrong-password-9").await.unwrap().expect(401).unwrap();
    let form = format!("username={email}&password={PASSWORD}");
    anyone.post("/api/v1/auth/login").form(&form).send().await.unwrap();
    anyone
        .post("/api/v1/auth/login")
        .body("application/json", format!("{{\"password\": \"{PASSWORD}\","))
        .send()
        .await
        .unwrap();
    anyone.get(&format!("/api/v1/auth/me?access_token={}", client.token().unwrap())).send().await.unwrap();
    let refresh = client.post("/api/v1/auth/refresh").send().await.unwrap();
    secrets.push(refresh.text("/token").unwrap());
    secrets.push(client.token().unwrap().to_owned());
    let spoiled = client.token().unwrap().replace('.', ".x");
    anyone.clone().with_token(&spoiled).get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();
    secrets.push(spoiled);

    let asset = accepted(&client, &media::png("secret.png", 1)).await;
    refused(&client, &media::text("empty.txt", ""), 400, "EMPTY_FILE").await;
    client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    client.post("/api/v1/auth/logout").send().await.unwrap();
    node.terminate(Duration::from_secs(30)).unwrap();

    let lines = node.log().lines();
    assert!(lines.len() > 10, "only {} lines at level debug", lines.len());
    for secret in &secrets {
        let leak = lines.iter().find(|line| line.contains(secret.as_str()));
        assert!(leak.is_none(), "a secret is logged: {leak:?}");
    }
    // nor any hash or signature
    for mark in ["$2b$", "$2y$", "X-Amz-Signature", "Bearer ey"] {
        let leak = lines.iter().find(|line| line.contains(mark));
        assert!(leak.is_none(), "{mark} is logged: {leak:?}");
    }
}
