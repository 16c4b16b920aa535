//! kill -9 at the moments that matter. Afterwards nothing acknowledged is lost and nothing is left over.

use std::time::Duration;

use metastamp_chaos::check;
use metastamp_chaos::client::Retries;
use metastamp_chaos::node::{Pid, Signal, kill_process};
use metastamp_chaos::scenario::kill;
use metastamp_protocol::{ProcessingStatus, UploadStatus};
use metastamp_store::objects::PART_BYTES;
use metastamp_tests::cluster::{metric, metric_reaches, turn};
use metastamp_tests::objects::ObjectStore;
use metastamp_tests::raw::{self, Connection};
use metastamp_tests::{
    AssetInfo, Client, DONE_WITHIN, NodeOptions, NodeProcess, UploadFile, accepted, eventually, media, member, start,
};
use parking_lot::Mutex;

/// By then the sweeper has passed.
const SWEPT_WITHIN: Duration = Duration::from_secs(45);
const BUCKET: &str = "metastamp-assets";

fn restart_after_kill(node: &mut NodeProcess) {
    node.kill();
    node.restart().unwrap();
}

/// Every row has its object with the right bytes, and in the end there is no other object and no other file of bytes.
async fn rows_and_objects_agree(node: &NodeProcess, clients: &[&Client]) {
    let (rows, files) = rows_and_files(node, clients).await;
    assert!(files.is_none_or(|files| files == rows), "bytes that belong to no object: {files:?} files for {rows} rows");
}

/// Holds rows against objects. Gives how many files of bytes the rows call for, and how many there are if that can be
/// seen.
async fn rows_and_files(node: &NodeProcess, clients: &[&Client]) -> (u64, Option<u64>) {
    let bucket = node.setting("S3_BUCKET_NAME").unwrap_or_else(|| BUCKET.to_owned());
    let store = ObjectStore::open(node, &bucket).await;
    let rows = Mutex::new(Vec::new());
    let agreed = || async {
        let mut found = Vec::new();
        for client in clients {
            found.extend(client.all_assets().await?);
        }
        let mut wanted: Vec<_> = found.iter().flat_map(AssetInfo::keys).collect();
        wanted.sort();
        *rows.lock() = found;
        Ok((store.keys().await == wanted).then_some(()))
    };
    if let Err(error) = eventually("no orphan objects", SWEPT_WITHIN, agreed).await {
        panic!("{error}: {:?} instead of {:?}", store.keys().await, rows.into_inner());
    }
    let rows = rows.into_inner();
    for asset in &rows {
        assert_eq!(store.sha256(&asset.s3_key).await, asset.sha256, "the object of {}", asset.file_name);
    }
    // what is larger than a part lies in several files
    let blobs: u64 = rows.iter().map(|asset| asset.file_size.div_ceil(PART_BYTES) + asset.pictures.len() as u64).sum();
    (blobs, store.blobs_after_sweep().await.map(|files| files as u64))
}

async fn is_intact(client: &Client, asset: &AssetInfo, file: &UploadFile) {
    let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    assert_eq!(fingerprint.status, ProcessingStatus::Completed, "{:?}", fingerprint.error_message);
    let after = client.asset(&asset.id).await.unwrap().expect(200).unwrap().as_asset().unwrap();
    assert_eq!((after.sha256, after.file_size), (file.sha256(), file.size()));
    assert_eq!((after.upload_status, after.fingerprint_id), (UploadStatus::Ready, Some(fingerprint.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_leaves_nothing() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    // with an asset before, the bucket is there
    let kept = media::text("kept.txt", "kept");
    let kept_asset = accepted(&client, &kept).await;
    let (head, body) = raw::upload_request(client.token().unwrap(), &media::large_png("half.png", 1));
    let halves: Vec<_> = [body.len() / 4, body.len() / 2, body.len() - 100]
        .into_iter()
        .map(|share| {
            let mut connection = Connection::open(node.socket().unwrap());
            connection.send(&head).unwrap();
            connection.send(&body[..share]).unwrap();
            connection
        })
        .collect();
    // the longest has more than one part of a multipart upload: kill when the first is there
    let store = ObjectStore::open(&node, &kept_asset.s3_bucket).await;
    metric_reaches(&client, "store_call_duration_seconds_count", &[r#"op="upload_part""#], 1.0).await;
    // on a server nobody sees parts
    let parts = || store.blobs(PART_BYTES);
    let part_stored = || async { Ok(parts().is_none_or(|parts| parts > 0).then_some(())) };
    eventually("a part is stored", Duration::from_secs(10), part_stored).await.unwrap();
    restart_after_kill(&mut node);
    drop((halves, store));
    is_intact(&client, &kept_asset, &kept).await;
    let assets = client.all_assets().await.unwrap();
    assert_eq!(assets.len(), 1, "{assets:?}");
    // the sweeper's lock may still be held by the life before
    let swept = || async {
        let (rows, files) = rows_and_files(&node, &[&client]).await;
        Ok(files.is_none_or(|files| rows == files).then_some(()))
    };
    eventually("the part without an object is swept", Duration::from_secs(40), swept).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_last_byte_and_the_answer_is_all_or_nothing() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    // the pause before the kill reaches from before the commit to after the answer
    for (round, pause_ms) in [0u64, 1, 3, 6, 10, 20].into_iter().enumerate() {
        let file = UploadFile::text(&format!("last-byte-{round}.txt"), &format!("round {round}"));
        let (head, body) = raw::upload_request(client.token().unwrap(), &file);
        let mut connection = Connection::open(node.socket().unwrap());
        connection.send(&head).unwrap();
        connection.send(&body).unwrap();
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        restart_after_kill(&mut node);
        let acknowledged = raw::status(&connection.read_to_end()) == 201;
        let found = client.all_assets().await.unwrap().into_iter().find(|asset| asset.file_name == file.name);
        assert!(found.is_some() || !acknowledged, "round {round}: acknowledged and gone");
        // what the web client does next gives one asset either way
        let retried = accepted(&client, &file).await;
        assert!(found.is_none_or(|found| found.id == retried.id), "round {round}: two assets for one file");
        is_intact(&client, &retried, &file).await;
    }
    assert_eq!(client.all_assets().await.unwrap().len(), 6);
    rows_and_objects_agree(&node, &[&client]).await;
}

#[tokio::test]
async fn a_kill_right_after_the_answer_loses_nothing() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    for round in 0..4u64 {
        let file = UploadFile::png(&format!("acknowledged-{round}.png"), round);
        let asset = accepted(&client, &file).await;
        restart_after_kill(&mut node);
        is_intact(&client, &asset, &file).await;
    }
    rows_and_objects_agree(&node, &[&client]).await;
}

#[tokio::test]
async fn a_job_that_was_killed_runs_again() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let mut files = Vec::new();
    for i in 0..4 {
        let file = media::large_png(&format!("job-{i}.png"), i);
        files.push((accepted(&client, &file).await, file));
    }
    let any_running = || async {
        let assets = client.all_assets().await?;
        let running = assets.iter().any(|asset| asset.fingerprint_status == ProcessingStatus::Processing);
        Ok((running || assets.iter().all(AssetInfo::is_settled)).then_some(()))
    };
    eventually("a job runs", DONE_WITHIN, any_running).await.unwrap();
    restart_after_kill(&mut node);
    // and once more, right at the start
    restart_after_kill(&mut node);
    for (asset, file) in &files {
        is_intact(&client, asset, file).await;
    }
    rows_and_objects_agree(&node, &[&client]).await;
}

#[tokio::test]
async fn a_kill_after_a_deletion_does_not_bring_it_back() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let kept = media::text("kept.txt", "kept");
    let kept_asset = accepted(&client, &kept).await;
    let gone = accepted(&client, &media::text("gone.txt", "gone")).await;
    client.delete(&format!("/api/v1/assets/{}", gone.id)).send().await.unwrap().expect(200).unwrap();
    restart_after_kill(&mut node);
    client.asset(&gone.id).await.unwrap().expect(404).unwrap();
    is_intact(&client, &kept_asset, &kept).await;
    rows_and_objects_agree(&node, &[&client]).await;
}

#[tokio::test]
async fn a_drained_node_ends_with_0_and_finishes_what_it_answered() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let file = media::large_png("drain.png", 77);
    let asset = accepted(&client, &file).await;
    let status = node.terminate(Duration::from_secs(30)).unwrap();
    assert_eq!(status.code(), Some(0));
    node.restart().unwrap();
    is_intact(&client, &asset, &file).await;
}

/// Sends the first half of an upload and gives the connection and the rest.
fn half_sent(node: &NodeProcess, client: &Client, file: &UploadFile) -> (Connection, Vec<u8>) {
    let (head, body) = raw::upload_request(client.token().unwrap(), file);
    let mut connection = Connection::open(node.socket().unwrap());
    connection.send(&head).unwrap();
    connection.send(&body[..body.len() / 2]).unwrap();
    (connection, body[body.len() / 2..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_finishes_the_uploads_it_has_begun() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let file = media::large_png("begun.png", 78);
    let (mut connection, rest) = half_sent(&node, &client, &file);
    begun_uploads(&node, 1).await;
    node.signal(Signal::TERM).unwrap();
    let draining = || async { Ok(client.get("/health").send().await.is_err().then_some(())) };
    eventually("no new connections", Duration::from_secs(10), draining).await.unwrap();
    connection.send(&rest).unwrap();
    let answer = connection.read_to_end();
    assert_eq!(raw::status(&answer), 201, "{answer}");
    assert_eq!(node.wait(Duration::from_secs(30)).unwrap().code(), Some(0));
    node.restart().unwrap();
    let asset = client.all_assets().await.unwrap().remove(0);
    is_intact(&client, &asset, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_draining_node_at_once() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let (connection, _) = half_sent(&node, &client, &media::large_png("held.png", 79));
    begun_uploads(&node, 1).await;
    node.signal(Signal::TERM).unwrap();
    let draining = || async { Ok(client.get("/health").send().await.is_err().then_some(())) };
    eventually("no new connections", Duration::from_secs(10), draining).await.unwrap();
    node.signal(Signal::TERM).unwrap();
    node.wait(Duration::from_secs(3)).unwrap();
    drop(connection);
    node.restart().unwrap();
    assert_eq!(client.all_assets().await.unwrap(), []);
}

/// Waits until the node works on so many requests beside the one that asks.
async fn begun_uploads(node: &NodeProcess, count: usize) {
    let client = metastamp_tests::anonymous(node);
    let begun = || async {
        let answer = client.get("/metrics").send().await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let in_flight = text.lines().filter(|line| line.starts_with("http_requests_in_flight"));
        let value: f64 = in_flight.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        Ok((value >= count as f64).then_some(()))
    };
    eventually("the upload has begun", Duration::from_secs(10), begun).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_retries_does_not_notice_a_restart() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await.with_retries(Retries::web_client());
    node.kill();
    let file = media::png("patient.png", 80);
    let upload = tokio::spawn({
        let (client, file) = (client.clone(), file.clone());
        async move { accepted(&client, &file).await }
    });
    node.restart().unwrap();
    is_intact(&client, &upload.await.unwrap(), &file).await;
}

async fn no_promise_is_broken(plan: kill::Plan) {
    let events = kill::run(&plan, NodeOptions::new(), |_| {}).await.unwrap();
    let verdict = check::judge(&events);
    assert!(verdict.holds(), "seed {}: {verdict}", plan.seed);
    assert!(verdict.acknowledged > 0 && verdict.faults > 0, "nothing was tried: {verdict}");
}

const PLAN: kill::Plan = kill::Plan {
    seed: 20_260_101,
    uploaders: 3,
    nodes: 1,
    kills: 6,
    time_max: Duration::from_secs(40),
    life_max: Duration::from_millis(900),
};

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_under_load_break_no_promise() {
    no_promise_is_broken(PLAN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_of_two_nodes_on_one_directory_break_no_promise() {
    no_promise_is_broken(kill::Plan { seed: 20_260_102, nodes: 2, ..PLAN }).await;
}

/// The fingerprint processes of a node.
fn fingerprint_processes(node: &NodeProcess) -> Vec<Pid> {
    let node = node.pid().unwrap();
    let is_one = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent == Some(node.as_raw_nonzero().get()) && command.contains("fingerprint-worker")
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(is_one).filter_map(Pid::from_raw).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_dies_each_time_fails_its_job_and_nothing_else() {
    let _turn = turn().await;
    let node = start(NodeOptions::new());
    let client = member(&node).await;
    let asset = accepted(&client, &media::film("deadly.mp4")).await;
    let failed = || async {
        for process in fingerprint_processes(&node) {
            // it may have ended by itself
            let _ = kill_process(process, Signal::KILL);
        }
        let found = client.get(&format!("/api/v1/fingerprint/asset/{}", asset.id)).send().await?.json()?;
        Ok((found["status"] == "failed").then(|| found["error_message"].as_str().unwrap_or_default().to_owned()))
    };
    let reason = eventually("the job is given up", DONE_WITHIN, failed).await.unwrap();
    assert_eq!(reason, "gave up after 3 attempts: the decoder was ended by signal 9");
    let lost = metric(&client, "fingerprint_workers_lost_total", &[]).await;
    assert!(lost >= 3.0, "{lost}");
    // the node is as it was, and does the same work when it is asked again
    client.post(&format!("/api/v1/fingerprint/{}", asset.id)).send().await.unwrap().expect(202).unwrap();
    let again = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    assert_eq!(again.status, ProcessingStatus::Completed, "{:?}", again.error_message);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_is_left_behind_by_a_killed_node_or_a_deleted_work() {
    let _turn = turn().await;
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    let asset = accepted(&client, &media::film("first.mp4")).await;
    let at_work = || async { Ok((!fingerprint_processes(&node).is_empty()).then_some(())) };
    eventually("a process is at work", DONE_WITHIN, at_work).await.unwrap();
    let processes = fingerprint_processes(&node);
    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(200).unwrap();
    accepted(&client, &media::film("second.mp4")).await;
    eventually("a process is at work again", DONE_WITHIN, at_work).await.unwrap();
    let processes: Vec<_> = processes.into_iter().chain(fingerprint_processes(&node)).collect();
    node.kill();
    let gone = || async {
        let there = |pid: &&Pid| {
            // what waits to be reaped has no command line any more
            let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
            std::fs::read_to_string(path).is_ok_and(|command| command.contains("fingerprint-worker"))
        };
        Ok(processes.iter().find(there).is_none().then_some(()))
    };
    eventually("all processes are gone", DONE_WITHIN, gone).await.unwrap();
}
