//! Three processes are one service: whoever is asked, the same node decides, and all show the same.

use std::collections::BTreeSet;
use std::time::Duration;

use metastamp_chaos::fleet::{View, name};
use metastamp_chaos::{Fleet, FleetOptions};
use metastamp_protocol::UploadStatus;
use metastamp_tests::cluster::{distinct, fleet, jobs_ended, member_everywhere, metric, metric_reaches, settled, turn};
use metastamp_tests::{AssetInfo, Client, accepted, eventually, media};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// Uploads a picture at a node and gives the asset, and who owned it.
async fn upload(client: &Client, seed: u32) -> (AssetInfo, String) {
    let answer = client.upload(&media::png(&format!("cluster-{seed}.png"), seed)).await.unwrap();
    let asset = answer.expect(201).unwrap().as_asset().unwrap();
    let header = answer.header("x-owner").unwrap_or_else(|| panic!("no X-Owner: {answer}"));
    assert!(answer.header("x-node").is_some(), "no X-Node: {answer}");
    (asset, header.split('/').next().unwrap().to_owned())
}

async fn whereis(fleet: &Fleet, at: usize, id: &str) -> Value {
    let answer = fleet.admin(at).get(&format!("/api/v1/cluster/whereis/{id}")).send().await.unwrap();
    answer.expect(200).unwrap().json().unwrap()["data"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_is_as_good_as_another() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(3)).await;
    let clients = member_everywhere(&fleet).await;
    let (mut ids, mut owners) = (Vec::new(), BTreeSet::new());
    for seed in 0..18u32 {
        let (asset, owner) = upload(&clients[seed as usize % 3], seed).await;
        // placement of an id is the same on all nodes, and is who answered
        for at in 0..3 {
            let told = whereis(&fleet, at, &asset.id).await;
            assert_eq!(told["owner"]["node_id"], owner.as_str(), "{told}");
            assert_eq!(told["ranking"].as_array().unwrap().len(), 3, "{told}");
        }
        owners.insert(owner);
        ids.push(asset.id);
    }
    assert_eq!(owners.len(), 3, "18 ids are all on {owners:?}");
    let assets = settled(&clients[0]).await;
    assert!(assets.iter().all(|asset| asset.upload_status == UploadStatus::Ready), "{assets:?}");
    for client in &clients {
        assert_eq!(client.all_assets().await.unwrap(), assets);
        // the same file once more, through every node
        assert_eq!(upload(client, 0).await.0.id, ids[0]);
    }
    let jobs = jobs_ended(&fleet);
    assert_eq!((jobs.len(), distinct(&jobs).len()), (18, 18));
    for client in &clients {
        assert_eq!(metric(client, "cluster_members", &[r#"state="up""#]).await, 3.0);
        assert!(metric(client, "cluster_rpc_duration_seconds_count", &[r#"where="remote""#]).await > 0.0);
        assert_eq!(metric(client, "cluster_connections_refused_total", &[]).await, 0.0);
    }
    // a member is not an administrator
    clients[0].get("/api/v1/cluster").send().await.unwrap().expect(403).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_hands_over_and_serves_on() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(3)).await;
    let clients = member_everywhere(&fleet).await;
    fleet.drain(0, 1, true).await.unwrap().expect(202).unwrap();
    let leaving = |views: &[View]| {
        let up = views.iter().find(|view| view.up().contains(&name(1).as_str()));
        up.map(|view| format!("node-2 is up for some: {view:?}"))
    };
    fleet.wait(SOON, leaving).await.unwrap();
    for seed in 100..109u32 {
        let (_, owner) = upload(&clients[seed as usize % 3], seed).await;
        assert_ne!(owner, name(1));
    }
    fleet.drain(2, 1, false).await.unwrap().expect(202).unwrap();
    fleet.formed(SOON).await.unwrap();
    let mut seeds = 200..;
    let owned = || {
        let (client, seed) = (clients[0].clone(), seeds.next().unwrap());
        async move { Ok((upload(&client, seed).await.1 == name(1)).then_some(())) }
    };
    eventually("it owns again", SOON, owned).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_is_refused_and_said_on_both_sides() {
    let _turn = turn().await;
    // on servers it would be derived of the other, and no token would be good at both
    let tokens = "one-secret-for-the-tokens-of-both-nodes";
    let options = FleetOptions::of(2).env_of(1, "CLUSTER_SECRET", "not-the-secret-of-the-others");
    let options = options.env_of(0, "JWT_SECRET_KEY", tokens).env_of(1, "JWT_SECRET_KEY", tokens);
    let fleet = Fleet::start_apart(options).await.unwrap();
    for (at, reason) in [(0, r#"reason="secret""#), (1, r#"reason="refusal""#)] {
        let client = fleet.client(at).unwrap();
        metric_reaches(&client, "cluster_gossip_rejected_total", &[reason], 1.0).await;
        let said =
            || async { Ok(fleet.node(at).log().find_from(0, |line| line.contains("CLUSTER_SECRET").then_some(()))) };
        eventually("it is in the log", SOON, said).await.unwrap();
    }
    for (at, view) in fleet.views().await.unwrap().iter().enumerate() {
        assert_eq!(view.up(), [name(at)], "{view:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_killed_node_are_taken_over() {
    let _turn = turn().await;
    let mut fleet = fleet(FleetOptions::of(3)).await;
    let clients = member_everywhere(&fleet).await;
    for i in 0..9u64 {
        accepted(&clients[i as usize % 3], &media::large_png(&format!("taken-{i}.png"), i)).await;
    }
    fleet.kill(1);
    let assets = settled(&clients[0]).await;
    assert_eq!(assets.len(), 9);
    assert!(assets.iter().all(|asset| asset.upload_status == UploadStatus::Ready), "{assets:?}");
    let jobs = jobs_ended(&fleet);
    assert_eq!(jobs.len(), distinct(&jobs).len(), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_previous_version_works_beside_the_present_one() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(3).env_of(0, "CLUSTER_PROTOCOL_MAX", 1)).await;
    let clients = member_everywhere(&fleet).await;
    let mut pairs = BTreeSet::new();
    for seed in 300..336u32 {
        let at = seed as usize % 3;
        pairs.insert((name(at), upload(&clients[at], seed).await.1));
    }
    // with 12 uploads through each node, someone old asked someone new and the other way round
    assert!(pairs.iter().any(|(asked, owner)| *asked == name(0) && *owner != name(0)), "{pairs:?}");
    assert!(pairs.iter().any(|(asked, owner)| *asked != name(0) && *owner == name(0)), "{pairs:?}");
    let assets = settled(&clients[1]).await;
    assert_eq!(assets.len(), 36);
    assert!(assets.iter().all(|asset| asset.upload_status == UploadStatus::Ready), "{assets:?}");
    for at in 0..3 {
        let client = fleet.client(at).unwrap();
        assert_eq!(metric(&client, "cluster_fallbacks_total", &[]).await, 0.0, "{} could not ask", name(at));
    }
}
