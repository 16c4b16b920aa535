//! Every operation of `docs/openapi.yaml`, exercised on a running node and held against the document.

use metastamp_chaos::node::run_to_end;
use metastamp_tests::contract::{Contract, Operation, Recorder};
use metastamp_tests::money::{key, post, user_id};
use metastamp_tests::{
    Client, DONE_WITHIN, NodeOptions, NodeProcess, PASSWORD, UploadFile, media, start, unique_email,
};
use reqwest::Method;
use serde_json::json;

const UNKNOWN: &str = "507f1f77bcf86cd799439011";

#[tokio::test]
async fn every_operation_answers_as_documented() {
    let contract = Contract::get().unwrap_or_else(|why| panic!("no contract to test against: {why}"));
    let recorder = Recorder::default();
    let node = start(NodeOptions::new());
    exercise(&node, &recorder, contract).await;
    let lacking: Vec<_> = contract.operations().filter_map(|operation| lack(contract, &recorder, operation)).collect();
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

/// What is missing for an operation to count as exercised.
fn lack(contract: &Contract, recorder: &Recorder, operation: &Operation) -> Option<String> {
    let Operation { path, method } = operation;
    let documented = contract.statuses(operation);
    let seen = recorder.statuses(path, method);
    if !seen.iter().any(|status| documented.contains(status.to_string().as_str()) && *status < 300) {
        return Some(format!("{method} {path}: no success among {seen:?}"));
    }
    // some can't be made to fail: then the path must at least refuse another method
    let refusable = documented.iter().any(|status| status.starts_with('4'));
    let failed = if refusable { seen } else { recorder.statuses(path, "") };
    let error_seen = failed.iter().any(|status| *status >= 400);
    (!error_seen).then(|| format!("{method} {path}: no error among {failed:?}"))
}

async fn exercise(node: &NodeProcess, recorder: &Recorder, contract: &'static Contract) {
    let anyone = Client::new(node.address()).unwrap().with_observer(recorder.observer(contract));
    for path in ["/", "/health", "/ready", "/metrics", "/api/v1/health"] {
        anyone.get(path).send().await.unwrap().expect(200).unwrap();
        anyone.call(Method::DELETE, path).send().await.unwrap().expect(405).unwrap();
    }
    let admin = members(node, &anyone).await;
    let client = accounts(&anyone).await;
    uploads(&client).await;
    assets(&anyone, &client).await;
    analytics(&anyone, &client).await;
    fingerprints(&anyone, &client).await;
    wallets(&admin, &anyone, &client).await;
    let session = client.post("/api/v1/auth/refresh").send().await.unwrap();
    session.expect(200).unwrap();
    client.post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    for path in ["/api/v1/auth/logout", "/api/v1/auth/refresh"] {
        client.post(path).send().await.unwrap().expect(401).unwrap();
    }
}

/// What administrators may ask of a cluster; a node by itself answers too.
async fn members(node: &NodeProcess, anyone: &Client) -> Client {
    let data_dir = node.data_dir();
    let env = [
        ("DATA_DIR", data_dir.to_str().unwrap()),
        ("ADMIN_EMAIL", "admin@contract.test"),
        ("ADMIN_PASSWORD", PASSWORD),
    ];
    assert!(run_to_end(node.home(), &["init"], &env, DONE_WITHIN).unwrap().status.success());
    let login = anyone.login("admin@contract.test", PASSWORD).await.unwrap();
    let admin = anyone.clone().with_token(&login.expect(200).unwrap().text("/token").unwrap());
    let whereis = format!("/api/v1/cluster/whereis/{UNKNOWN}");
    for path in ["/api/v1/cluster", &whereis] {
        admin.get(path).send().await.unwrap().expect(200).unwrap();
        anyone.get(path).send().await.unwrap().expect(401).unwrap();
    }
    admin.get("/api/v1/cluster/whereis/zz").send().await.unwrap().expect(400).unwrap();
    let drain = |body| admin.post("/api/v1/cluster/drain").json(&body).send();
    drain(json!({ "drain": true })).await.unwrap().expect(202).unwrap();
    anyone.get("/ready").send().await.unwrap().expect(503).unwrap();
    drain(json!({ "drain": false })).await.unwrap().expect(202).unwrap();
    anyone.get("/ready").send().await.unwrap().expect(200).unwrap();
    drain(json!({ "node_id": "nobody" })).await.unwrap().expect(404).unwrap();
    drain(json!({ "drain": "yes" })).await.unwrap().expect(422).unwrap();
    admin
}

async fn accounts(anyone: &Client) -> Client {
    let email = unique_email();
    let account = json!({ "email": email, "password": PASSWORD, "name": "Contract", "username": "contract-1" });
    let register = |body| anyone.post("/api/v1/auth/register").json(&body).send();
    let answer = register(account.clone()).await.unwrap();
    let client = anyone.clone().with_token(&answer.expect(201).unwrap().text("/token").unwrap());
    register(account).await.unwrap().expect(409).unwrap();
    register(json!({ "email": "x" })).await.unwrap().expect(422).unwrap();
    for path in ["/api/v1/auth/login", "/api/v1/auth/login/json"] {
        let login = |password: &str| anyone.post(path).json(&json!({ "email": email, "password": password })).send();
        login(PASSWORD).await.unwrap().expect(200).unwrap();
        login("wrong-word-1").await.unwrap().expect(401).unwrap();
        anyone.post(path).body("application/json", "{").send().await.unwrap().expect(422).unwrap();
    }
    client.get("/api/v1/auth/me").send().await.unwrap().expect(200).unwrap();
    anyone.get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();
    client
}

async fn uploads(client: &Client) {
    for file in [media::text("c.txt", "contract"), media::png("c.png", 1), media::wav("c.wav"), media::mp4("c.mp4")] {
        client.upload(&file).await.unwrap().expect(201).unwrap();
        let stranger = client.clone().without_token();
        stranger.upload(&file).await.unwrap().expect(401).unwrap();
        let blocked = UploadFile { name: "c.exe".to_owned(), ..file.clone() };
        client.upload(&blocked).await.unwrap().expect(415).unwrap();
        let empty = UploadFile { bytes: Vec::new().into(), ..file.clone() };
        client.upload(&empty).await.unwrap().expect(400).unwrap();
        let untitled = UploadFile { name: format!("t-{}", file.name), ..file }.field("title", &"t".repeat(256));
        client.upload(&untitled).await.unwrap().expect(422).unwrap();
    }
}

async fn assets(anyone: &Client, client: &Client) {
    client.get("/api/v1/assets?page=1&limit=12&sort=created_at:desc").send().await.unwrap().expect(200).unwrap();
    client.get("/api/v1/assets?limit=0").send().await.unwrap().expect(422).unwrap();
    anyone.get("/api/v1/assets").send().await.unwrap().expect(401).unwrap();
    let asset = client.upload(&media::text("d.txt", "to delete")).await.unwrap().as_asset().unwrap();
    client.asset(&asset.id).await.unwrap().expect(200).unwrap();
    client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    client.asset(&asset.id).await.unwrap().expect(200).unwrap();
    for method in [Method::GET, Method::DELETE] {
        for (id, status) in [(UNKNOWN, 404), ("zz", 400)] {
            let path = format!("/api/v1/assets/{id}");
            client.call(method.clone(), &path).send().await.unwrap().expect(status).unwrap();
        }
    }
    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(200).unwrap();
}

async fn analytics(anyone: &Client, client: &Client) {
    let terms = json!({ "model_earnings": 10_000, "training_contribution_score": 75, "usage_exposure_score": 80 });
    for path in ["/api/v1/analytics/predict", "/api/v1/analytics/project"] {
        client.post(path).json(&terms).send().await.unwrap().expect(200).unwrap();
        client.post(path).json(&json!({})).send().await.unwrap().expect(422).unwrap();
        anyone.post(path).json(&terms).send().await.unwrap().expect(401).unwrap();
    }
    for (id, status) in [(UNKNOWN, 404), ("zz", 400)] {
        let mut of_asset = terms.clone();
        of_asset["asset_id"] = id.into();
        client.post("/api/v1/analytics/predict").json(&of_asset).send().await.unwrap().expect(status).unwrap();
        client.get(&format!("/api/v1/analytics/history/{id}")).send().await.unwrap().expect(status).unwrap();
    }
    let history = client.get("/api/v1/analytics/history?limit=1").send().await.unwrap();
    let id = history.expect(200).unwrap().text("/0/calculation_id").unwrap();
    client.get(&format!("/api/v1/analytics/history/{id}")).send().await.unwrap().expect(200).unwrap();
    client.get("/api/v1/analytics/history?limit=101").send().await.unwrap().expect(400).unwrap();
    anyone.get("/api/v1/analytics/history").send().await.unwrap().expect(401).unwrap();
}

async fn fingerprints(anyone: &Client, client: &Client) {
    let good = client.upload(&media::jpeg("f.jpg", 2)).await.unwrap().as_asset().unwrap();
    let fingerprint = client.fingerprint_when_done(&good.id, DONE_WITHIN).await.unwrap();
    client.get(&format!("/api/v1/fingerprint/{}", fingerprint.id)).send().await.unwrap().expect(200).unwrap();
    let picture = |id: &str, name: &str| format!("/api/v1/assets/{id}/pictures/{name}");
    for (id, name, status) in [
        (good.id.as_str(), "thumbnail", 200),
        (&good.id, "waveform", 404),
        (UNKNOWN, "thumbnail", 404),
        ("zz", "thumbnail", 400),
    ] {
        client.get(&picture(id, name)).send().await.unwrap().expect(status).unwrap();
    }
    anyone.get(&picture(&good.id, "thumbnail")).send().await.unwrap().expect(401).unwrap();
    let forged = picture(&good.id, "thumbnail") + "?expires=9999999999&signature=" + &"0".repeat(64);
    anyone.get(&forged).send().await.unwrap().expect(403).unwrap();
    client.post(&format!("/api/v1/fingerprint/{}", good.id)).send().await.unwrap().expect(409).unwrap();
    let by_body = |id: &str| client.post("/api/v1/fingerprint").json(&json!({ "asset_id": id })).send();
    by_body(&good.id).await.unwrap().expect(409).unwrap();
    by_body(UNKNOWN).await.unwrap().expect(404).unwrap();
    let bad = client.upload(&media::mp4("f.mp4")).await.unwrap().as_asset().unwrap();
    client.fingerprint_when_done(&bad.id, DONE_WITHIN).await.unwrap();
    by_body(&bad.id).await.unwrap().expect(202).unwrap();
    client.fingerprint_when_done(&bad.id, DONE_WITHIN).await.unwrap();
    client.post(&format!("/api/v1/fingerprint/{}", bad.id)).send().await.unwrap().expect(202).unwrap();
    for path in ["/api/v1/fingerprint/", "/api/v1/fingerprint/asset/"] {
        client.get(&format!("{path}{UNKNOWN}")).send().await.unwrap().expect(404).unwrap();
        anyone.get(&format!("{path}{UNKNOWN}")).send().await.unwrap().expect(401).unwrap();
    }
}

/// What people ask of their wallets, and what administrators book.
async fn wallets(admin: &Client, anyone: &Client, client: &Client) {
    let id = user_id(client).await;
    for kind in ["bonuses", "refunds", "adjustments"] {
        let path = format!("/api/v1/wallet/{kind}");
        let (key, body) = (key(), json!({ "user_id": id, "amount": 40, "reason": "contract" }));
        post(admin, &path, &key, &body).await.expect(201).unwrap();
        post(admin, &path, &key, &body).await.expect(200).unwrap();
        post(client, &path, &key, &body).await.expect(403).unwrap();
    }
    let payouts = "/api/v1/wallet/payouts";
    for (how, who) in [("cancel", client), ("fail", admin), ("complete", admin)] {
        let (key, body) = (key(), json!({ "amount": "10.00", "destination": "bank" }));
        let payout = post(client, payouts, &key, &body).await.expect(201).unwrap().text("/id").unwrap();
        post(client, payouts, &key, &body).await.expect(200).unwrap();
        post(client, payouts, &key, &json!({ "amount": 11 })).await.expect(422).unwrap();
        let end = async |who: &Client, how: &str| {
            let body = json!({ "reason": "so it was" });
            who.post(&format!("{payouts}/{payout}/{how}")).json(&body).send().await.unwrap()
        };
        end(who, how).await.expect(200).unwrap();
        let otherwise = if how == "fail" { "complete" } else { "fail" };
        end(admin, otherwise).await.expect(409).unwrap();
        end(anyone, how).await.expect(401).unwrap();
        client.get(&format!("{payouts}/{payout}")).send().await.unwrap().expect(200).unwrap();
    }
    client.get(&format!("{payouts}/{UNKNOWN}")).send().await.unwrap().expect(404).unwrap();
    let reads =
        ["balance", "history", "history?format=csv", "history.csv", "statement", "statement?format=csv", "payouts"];
    for path in reads {
        let path = format!("/api/v1/wallet/{path}");
        client.get(&path).send().await.unwrap().expect(200).unwrap();
        anyone.get(&path).send().await.unwrap().expect(401).unwrap();
    }
    client.get("/api/v1/wallet/history?type=pull").send().await.unwrap().expect(422).unwrap();
}
