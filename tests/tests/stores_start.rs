//! Starting on servers: they are waited for within a bound, and it is said which one is missing.

use std::time::{Duration, Instant};

use metastamp_chaos::node::run_to_end;
use metastamp_chaos::{Fleet, FleetOptions, Servers};
use metastamp_tests::cluster::{member_everywhere, turn};
use metastamp_tests::{
    DONE_WITHIN, NodeOptions, NodeProcess, UploadFile, accepted, anonymous, eventually, member, unique_email,
};

const WITHIN: Duration = Duration::from_secs(60);
/// A node must go on so soon after the last missing server has come.
const GOES_ON_WITHIN: Duration = Duration::from_secs(5);

fn options(env: Vec<(String, String)>) -> NodeOptions {
    NodeOptions::new().defaults(env)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_for_its_stores_and_goes_on_when_they_come() {
    let _turn = turn().await;
    let mut servers = Servers::start().unwrap();
    let env = servers.env();
    servers.documents.kill();
    servers.objects.kill();
    servers.cache.kill();
    let mut node = NodeProcess::launch(options(env)).unwrap();
    let client = anonymous(&node);

    client.get("/health").send().await.unwrap().expect(200).unwrap();
    let ready = client.get("/ready").send().await.unwrap();
    let body = ready.expect(503).unwrap().json().unwrap();
    let missing = serde_json::json!({ "mongodb": "disconnected", "redis": "disconnected", "minio": "disconnected" });
    assert_eq!(body["dependencies"], missing);
    let answer = client.login("nobody@example.test", "irrelevant-1").await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (503, "SERVICE_UNAVAILABLE"), "{answer}");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    client.get("/metrics").send().await.unwrap().expect(200).unwrap();
    client.get("/no/such/path").send().await.unwrap().expect(404).unwrap();

    let told = |store: &str| {
        let line = format!(r#""store":"{store}""#);
        node.log().lines().iter().any(|l| l.contains("waiting for a store") && l.contains(&line))
    };
    let both_told = || async { Ok((told("mongodb") && told("object store")).then_some(())) };
    eventually("it is said what is missing", WITHIN, both_told).await.unwrap();

    servers.objects.restart().unwrap();
    let objects_seen = || async {
        let ready = client.get("/ready").send().await?.expect(503)?.json()?;
        Ok((ready["checks"]["minio"] == true && ready["checks"]["mongodb"] == false).then_some(()))
    };
    eventually("the object store is seen", WITHIN, objects_seen).await.unwrap();
    servers.documents.restart().unwrap();
    let came = Instant::now();
    node.wait_until_ready(WITHIN).unwrap();
    let took = came.elapsed();
    assert!(took < GOES_ON_WITHIN, "ready only {took:?} after the last server came");

    // the cache is still down
    let owner = member(&node).await;
    accepted(&owner, &UploadFile::text("first.txt", "without a cache")).await;
    let ready = client.get("/ready").send().await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(ready["dependencies"]["redis"], "disconnected");
    servers.cache.restart().unwrap();
    let connected = || async {
        let ready = client.get("/ready").send().await?.expect(200)?.json()?;
        Ok((ready["dependencies"]["redis"] == "connected").then_some(()))
    };
    eventually("the cache is back", GOES_ON_WITHIN, connected).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_ends_with_the_name_of_what_did_not_come() {
    let _turn = turn().await;
    let servers = Servers::shared().unwrap();
    let home = tempfile::tempdir().unwrap();
    for (name, value, missing) in [
        ("MONGODB_URL", "mongodb://127.0.0.1:1/?directConnection=true", "the mongodb is missing"),
        ("S3_ENDPOINT_URL", "http://127.0.0.1:1", "the object store is missing"),
    ] {
        let env = servers.env();
        let mut env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        env.extend([("HOST", "127.0.0.1"), ("PORT", "0"), ("STORES_WAIT_SECONDS", "1"), (name, value)]);
        for command in ["serve", "init"] {
            let began = Instant::now();
            let output = run_to_end(home.path(), &[command], &env, WITHIN).unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(missing) && text.contains("STORES_WAIT_SECONDS"), "{name}: {text}");
            assert!(began.elapsed() < Duration::from_secs(30), "{command} took {:?}", began.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_on_servers_is_safe_to_repeat_and_drops_only_when_told() {
    let _turn = turn().await;
    let servers = Servers::shared().unwrap();
    let env = servers.env();
    let home = tempfile::tempdir().unwrap();
    let mut pairs: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.extend([("ADMIN_EMAIL", "root@example.test"), ("ADMIN_PASSWORD", "root-password-1")]);
    let init = |args: &[&str]| {
        let args = [&["init"], args].concat();
        let output = run_to_end(home.path(), &args, &pairs, WITHIN).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    // three at once
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| init(&["--verbose"]))).collect();
        for run in runs {
            let (code, text) = run.join().unwrap();
            assert_eq!(code, Some(0), "{text}");
        }
    });
    let (code, text) = init(&[]);
    assert!(code == Some(0) && text.contains("exists"), "{text}");

    let node = NodeProcess::start(options(env.clone())).unwrap();
    let admin = anonymous(&node);
    admin.login("root@example.test", "root-password-1").await.unwrap().expect(200).unwrap();
    let (code, text) = init(&["--drop"]);
    assert!(code == Some(1) && text.contains("--yes"), "{text}");
    admin.login("root@example.test", "root-password-1").await.unwrap().expect(200).unwrap();
    let (code, text) = init(&["--drop", "--yes", "--skip-admin"]);
    assert!(code == Some(0) && text.contains("objects stay"), "{text}");
    admin.login("root@example.test", "root-password-1").await.unwrap().expect(401).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_nothing_but_servers_in_common_are_one_cluster() {
    let _turn = turn().await;
    let fleet = Fleet::start(FleetOptions::of(3).on(Servers::shared().unwrap().env())).await.unwrap();
    let clients = member_everywhere(&fleet).await;
    let asset = accepted(&clients[0], &UploadFile::png("everywhere.png", 7)).await;
    for client in &clients[1..] {
        let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        assert_eq!(fingerprint.status, metastamp_protocol::ProcessingStatus::Completed);
        // the same bytes again, at another node
        assert_eq!(accepted(client, &UploadFile::png("everywhere.png", 7)).await.id, asset.id);
    }
    clients[2].delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(200).unwrap();
    clients[0].asset(&asset.id).await.unwrap().expect(404).unwrap();
    clients[1].post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    clients[0].get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();

    // a name runs once, on whatever machine
    let secret = [("CLUSTER_NODE_ID", "node-1"), ("STORES_WAIT_SECONDS", "5")];
    let twin = secret.into_iter().fold(options(fleet.stores()), |options, (name, value)| options.env(name, value));
    let mut twin = NodeProcess::launch(twin).unwrap();
    let error = twin.wait_until_ready(WITHIN).unwrap_err().to_string();
    assert!(error.contains("a node called node-1 runs elsewhere"), "{error}");
    let email = unique_email();
    fleet.client(0).unwrap().register(&email, "still-serving-1").await.unwrap();
}
