//! Who has other stores, or a name that is in use, is not let in: the cluster goes on, and both sides say why.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use metastamp_chaos::fleet::{SECRET, name};
use metastamp_chaos::node::run_to_end;
use metastamp_chaos::{Fleet, FleetOptions, NodeOptions, NodeProcess, ports};
use metastamp_tests::cluster::{fleet, member_everywhere, metric, metric_reaches, turn};
use metastamp_tests::{accepted, anonymous, eventually, media, member, on_servers, start};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
const SOME: Duration = Duration::from_secs(60);

/// A node that comes to the fleet with stores of its own.
fn stray(fleet: &Fleet, called: &str, data_dir: &Path) -> NodeProcess {
    let options = NodeOptions::new().data_dir(data_dir).env("CLUSTER_NODE_ID", called).env("CLUSTER_SECRET", SECRET);
    let listen = format!("127.0.0.1:{}", ports::free(1).unwrap()[0]);
    let options = options.env("CLUSTER_LISTEN", listen).env("CLUSTER_SEEDS", fleet.cluster_address(0));
    NodeProcess::launch(options).unwrap()
}

async fn ready(node: &NodeProcess) -> (u16, Value) {
    let answer = anonymous(node).get("/ready").send().await.unwrap();
    (answer.status, answer.json().unwrap())
}

async fn refused(fleet: &Fleet, at: usize) -> Value {
    let answer = fleet.admin(at).get("/api/v1/cluster").send().await.unwrap();
    answer.expect(200).unwrap().json().unwrap()["refused"].take()
}

/// Waits until the stray is not let in, on both sides, and the fleet is as it was.
async fn is_refused(fleet: &Fleet, stray: &NodeProcess, called: &str, reason: &str) {
    let stands_back = || async {
        let (status, body) = ready(stray).await;
        Ok((status == 503 && body["reason"] == reason).then_some(body))
    };
    let body = eventually("the stray is not ready and says why", SOON, stands_back).await.unwrap();
    assert_eq!((&body["ready"], &body["checks"]["cluster"]), (&Value::Bool(false), &Value::Bool(false)), "{body}");
    for at in 0..fleet.len() {
        let seen = || async {
            let refused = refused(fleet, at).await;
            Ok((refused[0]["node_id"] == called && refused[0]["reason"] == reason).then_some(()))
        };
        eventually("the member shows whom it does not let in", SOON, seen).await.unwrap();
        let label = format!("reason=\"{reason}\"");
        metric_reaches(&fleet.client(at).unwrap(), "cluster_refused_members", &[&label], 1.0).await;
        assert_eq!(ready(fleet.node(at)).await.0, 200, "{} is the rightful one", name(at));
        let view = fleet.view(at).await.unwrap();
        assert!(!view.up().contains(&called), "{view:?}");
    }
    metric_reaches(&anonymous(stray), "cluster_refused", &[], 1.0).await;
    assert_eq!(metric(&anonymous(stray), "cluster_members", &[r#"state="up""#]).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_other_stores_is_no_member_on_either_side() {
    let _turn = turn().await;
    let mut fleet = fleet(FleetOptions::of(2)).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut stray = stray(&fleet, "stray", elsewhere.path());
    is_refused(&fleet, &stray, "stray", "documents").await;
    let clients = member_everywhere(&fleet).await;
    for seed in 0..8u32 {
        let answer = clients[0].upload(&media::png(&format!("placed-{seed}.png"), seed)).await.unwrap();
        let owner = answer.expect(201).unwrap().header("x-owner").unwrap().to_owned();
        assert!(!owner.starts_with("stray"), "{owner}");
    }
    // the rightful ones start again, later than the stray: nothing changes
    fleet.kill(0);
    fleet.restart(0).unwrap();
    fleet.formed(SOON).await.unwrap();
    is_refused(&fleet, &stray, "stray", "documents").await;
    stray.terminate(SOME).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_data_directory_is_another_store() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(1)).await;
    if on_servers(fleet.node(0)) {
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(fleet.data_dir()).arg(elsewhere.path()).status().unwrap();
    assert!(copied.success());
    let copy = elsewhere.path().join(fleet.data_dir().file_name().unwrap());
    let stray = stray(&fleet, "copy", &copy);
    is_refused(&fleet, &stray, "copy", "documents").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_living_member_is_not_taken_over() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(2)).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut second = stray(&fleet, &name(1), elsewhere.path());
    let before = fleet.view(0).await.unwrap().member(&name(1)).cloned();
    assert_eq!(second.wait(SOME).unwrap().code(), Some(1));
    let said = |line: &str| line.contains("another node has our name").then_some(());
    assert!(second.log().find_from(0, said).is_some(), "{}", second.log().tail(20));
    let after = fleet.view(0).await.unwrap().member(&name(1)).cloned();
    assert_eq!((&after, after.is_some()), (&before, true), "the rightful one is a member as before");
    assert_eq!(ready(fleet.node(1)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_documents_are_gone_is_not_served() {
    let mut node = start(NodeOptions::new());
    if on_servers(&node) {
        return;
    }
    let client = member(&node).await;
    accepted(&client, &media::png("left.png", 1)).await;
    node.terminate(SOME).unwrap();
    let data = node.data_dir();
    for file in ["metastamp.db", "metastamp.db-wal", "metastamp.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    let run = |args: &[&str]| {
        let env = [("DATA_DIR", data.to_str().unwrap()), ("HOST", "127.0.0.1"), ("PORT", "0")];
        let output = run_to_end(node.home(), args, &env, SOME).unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    for args in [["serve"].as_slice(), &["init", "--skip-admin"], &["fsck"]] {
        let (code, text) = run(args);
        assert_eq!(code, Some(1), "{args:?}: {text}");
        for way in ["metastamp restore", "init --adopt"] {
            assert!(text.contains(way), "{args:?}: {text}");
        }
    }
    let (code, text) = run(&["init", "--skip-admin", "--adopt"]);
    assert_eq!(code, Some(0), "{text}");
    node.restart().unwrap();
    assert_eq!(ready(&node).await.0, 200);
}
