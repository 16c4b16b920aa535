//! Two node processes on one data directory are one service.

use std::time::Duration;

use metastamp_protocol::{ProcessingStatus, UploadStatus};
use metastamp_tests::{
    AssetInfo, Client, DONE_WITHIN, NodeOptions, NodeProcess, accepted, anonymous, eventually, media, member, start,
};

/// Both nodes and the directory they share.
struct Pair {
    a: NodeProcess,
    b: NodeProcess,
    _dir: tempfile::TempDir,
}

fn pair() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let node = || start(NodeOptions::new().data_dir(dir.path()));
    Pair { a: node(), b: node(), _dir: dir }
}

#[tokio::test]
async fn what_one_node_does_the_other_shows() {
    let pair = pair();
    let at_a = member(&pair.a).await;
    let at_b = anonymous(&pair.b).with_token(at_a.token().unwrap());
    let me = at_b.get("/api/v1/auth/me").send().await.unwrap();
    me.expect(200).unwrap();

    let asset = accepted(&at_a, &media::png("shared.png", 1)).await;
    let listed = at_b.all_assets().await.unwrap();
    assert_eq!(listed.iter().map(|asset| &asset.id).collect::<Vec<_>>(), [&asset.id]);
    let fingerprint = at_b.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    assert_eq!(fingerprint.status, ProcessingStatus::Completed);
    // the same upload, retried at the other node
    assert_eq!(accepted(&at_b, &media::png("shared.png", 1)).await.id, asset.id);

    at_b.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(200).unwrap();
    at_a.asset(&asset.id).await.unwrap().expect(404).unwrap();
    assert_eq!(at_a.all_assets().await.unwrap(), []);

    at_a.post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    let refused = at_b.get("/api/v1/auth/me").send().await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (401, "INVALID_TOKEN"), "{refused}");
}

#[tokio::test]
async fn each_job_is_done_once_by_either_node() {
    let pair = pair();
    let at_a = member(&pair.a).await;
    let at_b = anonymous(&pair.b).with_token(at_a.token().unwrap());
    for i in 0..8u32 {
        let client = if i % 2 == 0 { &at_a } else { &at_b };
        accepted(client, &media::png(&format!("job-{i}.png"), i)).await;
    }
    let settled = || async { Ok(at_b.all_assets().await?.iter().all(AssetInfo::is_settled).then_some(())) };
    eventually("all jobs end", DONE_WITHIN, settled).await.unwrap();
    let assets = at_a.all_assets().await.unwrap();
    assert!(assets.iter().all(|asset| asset.upload_status == UploadStatus::Ready), "{assets:?}");
    // both nodes tell the same
    assert_eq!(assets, at_b.all_assets().await.unwrap());
    assert_eq!(jobs_ended(&at_a).await + jobs_ended(&at_b).await, assets.len());
}

/// How many jobs the node of this client has ended, by its own count.
async fn jobs_ended(client: &Client) -> usize {
    let answer = client.get("/metrics").send().await.unwrap();
    let text = String::from_utf8_lossy(&answer.expect(200).unwrap().body).into_owned();
    let counts = text.lines().filter(|line| line.starts_with("fingerprint_job_duration_seconds_count"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

#[tokio::test]
async fn the_jobs_of_a_killed_node_end_on_the_other() {
    let mut pair = pair();
    let at_a = member(&pair.a).await;
    let at_b = anonymous(&pair.b).with_token(at_a.token().unwrap());
    let mut ids = Vec::new();
    for i in 0..6 {
        ids.push(accepted(&at_a, &media::large_png(&format!("left-{i}.png"), i)).await.id);
    }
    pair.a.kill();
    // claims of the dead node run out after their lease
    let settled = || async { Ok(at_b.all_assets().await?.iter().all(AssetInfo::is_settled).then_some(())) };
    eventually("the other node ends the jobs", Duration::from_secs(90), settled).await.unwrap();
    let assets = at_b.all_assets().await.unwrap();
    assert_eq!(assets.len(), ids.len());
    assert!(assets.iter().all(|asset| asset.upload_status == UploadStatus::Ready), "{assets:?}");
}
