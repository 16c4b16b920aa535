//! Faults that were planted are found, mended, and gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use metastamp_protocol::{Asset, Fingerprint, Job, ObjectId, Timestamp, UploadSession, UploadState, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::records::{Collection, Document, decode, encode};
use metastamp_tests::kept::Kept;
use metastamp_tests::{DONE_WITHIN, NodeOptions, accepted, media, member, start};
use serde_json::Value;

use crate::backup::{embedded, metastamp, only_archive};

async fn all(stores: &Stores, collection: Collection) -> Vec<Document> {
    stores.records.snapshot().await.unwrap().page(collection, None, 1_000).await.unwrap()
}

fn id(n: u8) -> ObjectId {
    format!("{n:024x}").parse().unwrap()
}

/// Plants one fault of each class that a record can have.
async fn plant(stores: &Stores) {
    let assets = all(stores, Collection::Assets).await;
    let whole: Asset = decode(Collection::Assets, assets[0].clone()).unwrap();
    let fingerprints = all(stores, Collection::Fingerprints).await;
    let fingerprint: Fingerprint = decode(Collection::Fingerprints, fingerprints[0].clone()).unwrap();
    let put = async |collection, record| stores.records.put_records(collection, vec![record]).await.unwrap();
    let lost = Asset { id: id(1), s3_key: "uploads/lost".to_owned(), fingerprint_id: None, ..whole.clone() };
    put(Collection::Assets, encode(Collection::Assets, &lost).unwrap()).await;
    let alone = Fingerprint { id: id(2), asset_id: id(3), ..fingerprint };
    put(Collection::Fingerprints, encode(Collection::Fingerprints, &alone).unwrap()).await;
    let job = Job { asset_id: id(4), ..Job::queued(id(5), &whole, Timestamp::now()) };
    put(Collection::Jobs, encode(Collection::Jobs, &job).unwrap()).await;
    let session = UploadSession {
        id: id(6),
        user_id: whole.user_id,
        file_name: "x.txt".to_owned(),
        original_file_name: None,
        kind: whole.file_type,
        s3_key: "uploads/never".to_owned(),
        state: UploadState::Receiving,
        owner: metastamp_protocol::NodeRef { node_id: "gone".to_owned(), generation: 1 },
        created_at: Timestamp(0),
        expires_at: Timestamp(1),
    };
    put(Collection::Uploads, encode(Collection::Uploads, &session).unwrap()).await;
    let mut stuck: Asset = decode(Collection::Assets, assets[1].clone()).unwrap();
    stuck.upload_status = UploadStatus::Processing;
    put(Collection::Assets, encode(Collection::Assets, &stuck).unwrap()).await;
    // its row goes, its bytes stay
    stores.records.remove_records(Collection::Assets, vec![assets[2].get("_id").unwrap().clone()]).await.unwrap();
    let mut grown: Asset = decode(Collection::Assets, assets[3].clone()).unwrap();
    grown.file_size += 1;
    put(Collection::Assets, encode(Collection::Assets, &grown).unwrap()).await;
    let mut changed: Asset = decode(Collection::Assets, assets[4].clone()).unwrap();
    changed.sha256 = "0".repeat(64);
    put(Collection::Assets, encode(Collection::Assets, &changed).unwrap()).await;
    let unmarked: Asset = decode(Collection::Assets, assets[5].clone()).unwrap();
    let gone = all(stores, Collection::Fingerprints)
        .await
        .into_iter()
        .find(|record| record.get_object_id("asset_id").unwrap().to_hex() == unmarked.id.to_hex());
    stores
        .records
        .remove_records(Collection::Fingerprints, vec![gone.unwrap().get("_id").unwrap().clone()])
        .await
        .unwrap();
}

fn report(text: &str) -> Value {
    let end = text.rfind('}').unwrap();
    serde_json::from_str(&text[..=end]).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_faults_are_found_and_mended() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    for n in 0..6 {
        let asset = accepted(&client, &media::text(&format!("{n}.txt"), &n.to_string())).await;
        client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    }
    node.terminate(Duration::from_secs(30)).unwrap();
    let (home, data) = (tempfile::tempdir().unwrap(), node.data_dir());
    let (code, text) = metastamp(home.path(), &data, &["fsck", "--deep"]);
    assert_eq!(code, 0, "{text}");

    let stores = Kept::of(&data).await.stores;
    plant(&stores).await;
    let (code, text) = metastamp(home.path(), &data, &["fsck", "--deep", "--json", "--safe-age", "0"]);
    assert_eq!(code, 1, "{text}");
    let found = report(&text);
    for (class, count) in [
        ("asset_without_object", 1),
        ("object_without_row", 1),
        ("size_mismatch", 1),
        ("digest_mismatch", 1),
        // the planted one, and that of the asset whose row is gone
        ("fingerprint_without_asset", 2),
        ("job_without_asset", 1),
        ("processing_without_job", 1),
        ("ready_without_fingerprint", 1),
        ("duplicate_key", 0),
        ("expired_session", 1),
        ("undecodable_record", 0),
    ] {
        assert_eq!(found["problems"][class]["count"], count, "{class}: {text}");
    }
    // an object of today may be of an upload under way
    let (_, text) = metastamp(home.path(), &data, &["fsck", "--json"]);
    assert_eq!(report(&text)["problems"]["object_without_row"]["count"], 0, "{text}");

    let (code, text) = metastamp(home.path(), &data, &["fsck", "--deep", "--repair", "--safe-age", "0"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = metastamp(home.path(), &data, &["fsck", "--deep", "--safe-age", "0"]);
    assert_eq!(code, 0, "clean again: {text}");
    node.restart().unwrap();
    // what waited for a job is done by the node
    for asset in client.all_assets().await.unwrap() {
        if asset.upload_status == UploadStatus::Processing {
            client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        }
    }
}

/// Files below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn blob_of(data: &Path, bytes: &[u8]) -> PathBuf {
    let is_it = |path: &PathBuf| path.to_str().unwrap().contains("/blobs/") && std::fs::read(path).unwrap() == bytes;
    files_below(data).into_iter().find(is_it).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_cut_and_changed_bytes_are_findings_and_end_nothing() {
    let mut node = start(embedded());
    let client = member(&node).await;
    let mut works = Vec::new();
    for n in 0..4 {
        let file = media::text(&format!("{n}.txt"), &format!("the work of number {n}"));
        let asset = accepted(&client, &file).await;
        client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        works.push((asset.id, file.bytes));
    }
    node.terminate(Duration::from_secs(30)).unwrap();
    let (home, data) = (tempfile::tempdir().unwrap(), node.data_dir());
    let blob = |n: usize| blob_of(&data, &works[n].1);
    let (lost, cut, changed) = (blob(0), blob(1), blob(2));
    std::fs::remove_file(lost).unwrap();
    std::fs::write(cut, "the").unwrap();
    std::fs::write(changed, "X".repeat(works[2].1.len())).unwrap();

    let ids_of = |text: &str, class: &str| report(text)["problems"][class]["ids"].to_string();
    let (code, text) = metastamp(home.path(), &data, &["fsck", "--json"]);
    assert_eq!(code, 1, "{text}");
    assert!(ids_of(&text, "asset_without_object").contains(&works[0].0), "{text}");
    assert!(ids_of(&text, "size_mismatch").contains(&works[1].0), "{text}");
    assert_eq!(report(&text)["found"], 2, "{text}");
    let (code, text) = metastamp(home.path(), &data, &["fsck", "--json", "--deep"]);
    assert_eq!((code, &report(&text)["found"]), (1, &3.into()), "{text}");
    assert!(ids_of(&text, "digest_mismatch").contains(&works[2].0), "{text}");

    let backups = home.path().join("backups");
    let (code, text) = metastamp(home.path(), &data, &["backup", "--full", "--dir", backups.to_str().unwrap()]);
    assert_eq!(code, 7, "{text}");
    assert!(works[..2].iter().all(|(id, _)| text.contains(id)) && !text.contains(&works[3].0), "{text}");
    let archive = only_archive(&backups);
    assert_eq!(metastamp(home.path(), home.path(), &["backup", "--verify", archive.to_str().unwrap()]).0, 0);

    let (code, text) = metastamp(home.path(), &data, &["fsck", "--deep", "--repair"]);
    assert_eq!(code, 0, "{text}");
    node.restart().unwrap();
    let assets = client.all_assets().await.unwrap();
    let failed = assets.iter().filter(|asset| asset.upload_status == UploadStatus::Failed).count();
    assert_eq!((failed, assets.len()), (3, 4), "the whole one is as it was");
}
