//! Listing, detail and deletion.

use std::time::Duration;

use metastamp_tests::objects::ObjectStore;
use metastamp_tests::{AssetInfo, Client, DONE_WITHIN, NodeOptions, SharedNode, accepted, eventually, media, member};
use serde_json::Value;

const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

async fn list(client: &Client, query: &str) -> Value {
    let path = if query.is_empty() { "/api/v1/assets".to_owned() } else { format!("/api/v1/assets?{query}") };
    client.get(&path).send().await.unwrap().expect(200).unwrap().json().unwrap()
}

fn names(body: &Value) -> Vec<&str> {
    body["data"]["items"].as_array().unwrap().iter().map(|row| row["file_name"].as_str().unwrap()).collect()
}

/// Five assets in a known order of upload: b (ready), a (ready), d (ready), e (failed), c (ready).
async fn five(client: &Client) -> Vec<AssetInfo> {
    let files = [
        media::text("b.txt", "22"),
        media::text("a.md", "4444"),
        media::png("d.png", 1),
        media::mute_wav("e.wav"),
        media::text("c.txt", "1"),
    ];
    let mut assets = Vec::new();
    for file in files {
        let asset = accepted(client, &file).await;
        client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        assets.push(asset);
    }
    assets
}

#[tokio::test]
async fn lists_filter_and_sort_under_every_name() {
    let node = NODE.get();
    let client = member(&node).await;
    five(&client).await;
    let newest_first = ["c.txt", "e.wav", "d.png", "a.md", "b.txt"];
    let cases: &[(&str, &[&str])] = &[
        ("", &newest_first),
        ("file_type=all&status=all", &newest_first),
        ("file_type=&status=", &newest_first),
        ("unknown=ignored", &newest_first),
        ("sort=created_at:asc", &["b.txt", "a.md", "d.png", "e.wav", "c.txt"]),
        ("sort=created_at", &newest_first),
        ("sort=file_name:asc", &["a.md", "b.txt", "c.txt", "d.png", "e.wav"]),
        ("sort=file_name:desc", &["e.wav", "d.png", "c.txt", "b.txt", "a.md"]),
        ("sort_by=file_name&order=asc", &["a.md", "b.txt", "c.txt", "d.png", "e.wav"]),
        ("sort=file_name:asc&sort_by=created_at&order=desc", &["a.md", "b.txt", "c.txt", "d.png", "e.wav"]),
        ("sort=file_size:asc&file_type=text", &["c.txt", "b.txt", "a.md"]),
        ("sort_by=file_size&order=desc&file_type=text", &["a.md", "b.txt", "c.txt"]),
        ("file_type=image", &["d.png"]),
        ("file_type=audio", &["e.wav"]),
        ("file_type=video", &[]),
        ("file_type=url", &[]),
        ("status=ready", &["c.txt", "d.png", "a.md", "b.txt"]),
        ("status=completed", &["c.txt", "d.png", "a.md", "b.txt"]),
        ("status=failed", &["e.wav"]),
        ("status=processing_failed", &["e.wav"]),
        ("status=processing", &[]),
        ("status=queued", &[]),
        ("status=pending", &[]),
        ("status=uploading", &[]),
        ("status=ready&file_type=image", &["d.png"]),
    ];
    for (query, expected) in cases {
        let body = list(&client, query).await;
        assert_eq!(names(&body), *expected, "{query}");
        assert_eq!(body["total"], expected.len(), "{query}");
        assert_eq!(body["assets"], body["data"]["items"], "{query}");
    }
}

#[tokio::test]
async fn pages_are_cut_under_every_name() {
    let node = NODE.get();
    let client = member(&node).await;
    five(&client).await;
    let cases: &[(&str, &[&str], u64, bool)] = &[
        ("page=1&limit=2", &["c.txt", "e.wav"], 1, true),
        ("page=2&limit=2", &["d.png", "a.md"], 2, true),
        ("page=3&limit=2", &["b.txt"], 3, false),
        ("page=4&limit=2", &[], 4, false),
        ("skip=2&limit=2", &["d.png", "a.md"], 2, true),
        ("skip=4&limit=2", &["b.txt"], 3, false),
        ("page=2&skip=0&limit=2", &["d.png", "a.md"], 2, true),
    ];
    for (query, expected, page, more) in cases {
        let body = list(&client, query).await;
        assert_eq!(names(&body), *expected, "{query}");
        assert_eq!(
            (&body["total"], &body["page"], &body["hasMore"]),
            (&5.into(), &(*page).into(), &(*more).into()),
            "{query}"
        );
        assert_eq!(body["data"]["pagination"]["total_pages"], 3, "{query}");
        assert_eq!(body["data"]["pagination"]["has_next"], *more, "{query}");
    }
    assert_eq!(list(&client, "").await["limit"], 50);
    assert_eq!(list(&client, "page=1").await["limit"], 20);
    assert_eq!(list(&client, "page=1&limit=100").await["limit"], 100);
}

#[tokio::test]
async fn bad_values_are_named() {
    let node = NODE.get();
    let client = member(&node).await;
    let cases = [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("skip=-1", "skip"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("file_type=novel", "file_type"),
        ("status=lost", "status"),
        ("sort=size:asc", "sort"),
        ("sort=created_at:sideways", "sort"),
        ("sort_by=user_id", "sort_by"),
        ("order=up", "order"),
    ];
    for (query, field) in cases {
        let answer = client.get(&format!("/api/v1/assets?{query}")).send().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{answer}");
        assert!(answer.json().unwrap()["errors"][field].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn everybody_sees_only_their_own() {
    let node = NODE.get();
    let (ann, bob) = (member(&node).await, member(&node).await);
    let asset = accepted(&ann, &media::text("mine.txt", "mine")).await;
    assert_eq!(list(&bob, "").await["total"], 0);
    for answer in
        [bob.asset(&asset.id).await.unwrap(), bob.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap()]
    {
        assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"), "{answer}");
    }
    ann.asset(&asset.id).await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn unknown_and_misshapen_ids_are_told_apart() {
    let node = NODE.get();
    let client = member(&node).await;
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let unknown = client.call(method.clone(), &format!("/api/v1/assets/{UNKNOWN}")).send().await.unwrap();
        assert_eq!((unknown.status, unknown.code().as_str()), (404, "NOT_FOUND"), "{unknown}");
        for id in ["zz", "507f1f77bcf86cd79943901", "507f1f77bcf86cd7994390111", "g07f1f77bcf86cd799439011", "%00"] {
            let answer = client.call(method.clone(), &format!("/api/v1/assets/{id}")).send().await.unwrap();
            assert_eq!((answer.status, answer.code().as_str()), (400, "INVALID_ID"), "{answer}");
        }
    }
}

#[tokio::test]
async fn detail_has_the_asset_and_its_fingerprint() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::png("detail.png", 9)).await;
    let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    let body = client.asset(&asset.id).await.unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(body["id"], asset.id);
    assert_eq!(body["asset"]["id"], asset.id);
    assert_eq!(body["fingerprint"]["id"], fingerprint.id);
    assert_eq!(body["data"]["fingerprint"]["id"], fingerprint.id);
    assert_eq!(body["fingerprint_id"], fingerprint.id);
    assert_eq!(body["is_ready"], true);
    let metadata = &body["metadata"];
    assert_eq!((&metadata["width"], &metadata["height"]), (&320.into(), &200.into()), "{metadata}");
    assert_eq!(metadata["fingerprint_available"], true);
    assert_eq!(metadata["is_url_asset"], false);
    assert_eq!(metadata["days_since_upload"], 0);
    for name in ["file_name", "file_type", "file_extension", "file_size", "extraction_timestamp"] {
        assert!(!metadata[name].is_null(), "no {name}: {metadata}");
    }
    assert_eq!(metadata["extraction_successful"], true);
    assert!(!body.to_string().contains(&node.home().display().to_string()), "a path of the server: {body}");
}

#[tokio::test]
async fn deletion_takes_row_object_and_fingerprint() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::text("gone.txt", "soon gone")).await;
    let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    let store = ObjectStore::open(&node, &asset.s3_bucket).await;
    assert_eq!(store.sha256(&asset.s3_key).await, asset.sha256);
    let body = client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap();
    let body = body.expect(200).unwrap().json().unwrap();
    assert_eq!(body["deleted_asset_id"], asset.id);
    assert_eq!((&body["deleted_s3_object"], &body["deleted_fingerprint"]), (&true.into(), &true.into()));
    for path in [
        format!("/api/v1/assets/{}", asset.id),
        format!("/api/v1/fingerprint/{}", fingerprint.id),
        format!("/api/v1/fingerprint/asset/{}", asset.id),
    ] {
        client.get(&path).send().await.unwrap().expect(404).unwrap();
    }
    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(404).unwrap();
    assert_eq!(list(&client, "").await["total"], 0);
    let gone = || async { Ok((!store.keys().await.contains(&asset.s3_key)).then_some(())) };
    eventually("the object is gone", Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn deletion_while_the_job_runs_leaves_nothing() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::large_png("hasty.png", 11)).await;
    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap().expect(200).unwrap();
    let store = ObjectStore::open(&node, &asset.s3_bucket).await;
    let gone = || async { Ok((!store.keys().await.contains(&asset.s3_key)).then_some(())) };
    eventually("the object is gone", Duration::from_secs(30), gone).await.unwrap();
    client.get(&format!("/api/v1/fingerprint/asset/{}", asset.id)).send().await.unwrap().expect(404).unwrap();
}
