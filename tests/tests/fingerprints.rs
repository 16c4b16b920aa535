//! Fingerprints over HTTP: what each kind yields, redoing, progress and ownership.

use metastamp_protocol::{FileKind, ProcessingStatus, UploadStatus};
use metastamp_tests::{
    Client, DONE_WITHIN, FingerprintInfo, NodeOptions, NodeProcess, SharedNode, UploadFile, accepted, media, member,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const UNKNOWN: &str = "507f1f77bcf86cd799439011";

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

async fn fingerprinted(client: &Client, file: &UploadFile) -> FingerprintInfo {
    let asset = accepted(client, file).await;
    client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap()
}

fn assert_completed(fingerprint: &FingerprintInfo, kind: FileKind) {
    assert_eq!(fingerprint.status, ProcessingStatus::Completed, "{:?}", fingerprint.error_message);
    assert_eq!(fingerprint.fingerprint_type, kind);
    assert_eq!(fingerprint.rest["progress_percent"], 100);
    assert!(fingerprint.rest["processing_duration"].is_number());
    assert!(fingerprint.rest["completed_at"].is_string());
    for reserved in ["training_detected", "dataset_matches", "similarity_scores", "legal_status"] {
        assert_eq!(fingerprint.rest[reserved], Value::Null);
    }
}

#[tokio::test]
async fn pictures_get_three_hashes_and_metadata() {
    let node = NODE.get();
    let client = member(&node).await;
    let cases =
        [(media::png("a.png", 21), "PNG"), (media::jpeg("a.jpg", 21), "JPEG"), (media::webp("a.webp", 21), "WEBP")];
    let mut hashes = Vec::new();
    for (file, format) in cases {
        let fingerprint = fingerprinted(&client, &file).await;
        assert_completed(&fingerprint, FileKind::Image);
        let found = fingerprint.rest["perceptual_hashes"].clone();
        for name in ["phash", "ahash", "dhash"] {
            let hash = found[name].as_str().unwrap();
            assert!(hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
        }
        assert_eq!(found["hash_size"], 16);
        let metadata = &fingerprint.rest["image_metadata"];
        assert_eq!((&metadata["width"], &metadata["height"]), (&json!(320), &json!(200)));
        assert_eq!((&metadata["format"], &metadata["mode"]), (&json!(format), &json!("RGB")));
        assert_eq!(metadata["file_size"], file.size());
        assert_eq!(metadata["has_exif"], false);
        assert_eq!(fingerprint.rest["metadata"]["file_type"], "image");
        hashes.push(found);
    }
    // PNG and lossless WebP hold the same pixels
    assert_eq!(hashes[0], hashes[2]);
    let other = fingerprinted(&client, &UploadFile::png("noise.png", 1)).await;
    assert_ne!(other.rest["perceptual_hashes"]["phash"], hashes[0]["phash"]);
}

#[tokio::test]
async fn text_gets_a_digest_of_its_trimmed_content() {
    let node = NODE.get();
    let client = member(&node).await;
    let content = "\n  First line, größer\nsecond line\n\nfourth  \n";
    for name in ["a.txt", "a.md"] {
        let fingerprint = fingerprinted(&client, &media::text(name, content)).await;
        assert_completed(&fingerprint, FileKind::Text);
        let rest = &fingerprint.rest;
        assert_eq!(rest["text_hash"], hex::encode(Sha256::digest(content.trim())));
        assert_eq!(rest["text_length"], content.trim().chars().count());
        assert_eq!((&rest["word_count"], &rest["perceptual_hashes"]), (&json!(6), &json!({})));
        assert!(rest["line_count"].as_u64().is_some_and(|lines| lines >= 4));
        let metadata = rest["metadata"].as_object().unwrap();
        for key in ["encoding", "file_size", "line_count", "character_count", "word_count", "is_empty"] {
            assert!(metadata.get(key).is_some_and(|value| !value.is_null()), "no {key}: {metadata:?}");
        }
    }
}

#[tokio::test]
async fn pdfs_are_read_and_described() {
    let node = NODE.get();
    let client = member(&node).await;
    let fingerprint = fingerprinted(&client, &media::pdf("paper.pdf", 3, "Hello from a page")).await;
    assert_completed(&fingerprint, FileKind::Text);
    let metadata = &fingerprint.rest["metadata"];
    assert_eq!((&metadata["page_count"], &metadata["title"]), (&json!(3), &json!("A title")));
    assert_eq!((&metadata["author"], &metadata["is_encrypted"]), (&json!("An author"), &json!(false)));
    assert!(fingerprint.rest["word_count"].as_u64().is_some_and(|words| words >= 12), "{:?}", fingerprint.rest);
    let hash = fingerprint.rest["text_hash"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
}

/// Hex digits, so many.
fn is_hex(value: &Value, digits: usize) -> bool {
    value.as_str().is_some_and(|text| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Every picture is there, for its owner and under its signed address, and for nobody else.
async fn assert_pictures(node: &NodeProcess, client: &Client, fingerprint: &FingerprintInfo, names: &[&str]) {
    let pictures = fingerprint.rest["pictures"].as_array().unwrap();
    let found: Vec<_> = pictures.iter().map(|picture| picture["name"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    let stranger = client.clone().without_token();
    for picture in pictures {
        let url = picture["url"].as_str().unwrap();
        let (base, path) = url.split_at(url.find("/api").unwrap());
        assert_eq!(base, format!("http://{}", node.socket().unwrap()), "the address that the client knows");
        let shown = stranger.get(path).send().await.unwrap();
        shown.expect(200).unwrap();
        assert_eq!(shown.header("content-type"), picture["media_type"].as_str());
        let decoded = image::load_from_memory(&shown.body).unwrap();
        let size = (u64::from(decoded.width()), u64::from(decoded.height()));
        assert_eq!(size, (picture["width"].as_u64().unwrap(), picture["height"].as_u64().unwrap()));
        let (bare, _) = path.split_once('?').unwrap();
        client.get(bare).send().await.unwrap().expect(200).unwrap();
        stranger.get(bare).send().await.unwrap().expect(401).unwrap();
        member(node).await.get(bare).send().await.unwrap().expect(403).unwrap();
        let other = path.replace("expires=1", "expires=2");
        stranger.get(&other).send().await.unwrap().expect(403).unwrap();
    }
    let asset = client.get(&format!("/api/v1/assets/{}", fingerprint.asset_id)).send().await.unwrap();
    let asset = asset.expect(200).unwrap().json().unwrap();
    assert_eq!(asset["metadata"]["thumbnailUrl"], pictures[0]["url"]);
    assert_eq!(asset["pictures"], json!(pictures));
}

/// What every file has, whatever it holds.
fn assert_codes(fingerprint: &FingerprintInfo, file: &UploadFile) {
    let rest = &fingerprint.rest;
    assert_eq!(rest["digests"]["sha256"], file.sha256());
    assert!(is_hex(&rest["digests"]["blake3"], 64), "{rest:?}");
    for unit in ["code", "data", "instance", "meta"] {
        assert!(rest["iscc"][unit].as_str().is_some_and(|code| code.starts_with("ISCC:")), "no {unit}: {rest:?}");
    }
    assert_eq!(rest["iscc"]["data"], rest["digests"]["iscc_data"]);
}

#[tokio::test]
async fn sounds_are_recognised_and_shown() {
    let node = NODE.get();
    let client = member(&node).await;
    let file = media::tune("tune.wav", 8);
    let fingerprint = fingerprinted(&client, &file).await;
    assert_completed(&fingerprint, FileKind::Audio);
    let rest = &fingerprint.rest;
    let (sound, spectral) = (&rest["chromaprint"], &rest["spectral_data"]);
    assert!(sound["fingerprint"].as_str().is_some_and(|text| text.starts_with("AQ")), "{sound}");
    assert!(sound["raw"].as_array().is_some_and(|items| items.len() > 30), "{sound}");
    assert!(is_hex(&spectral["mel_spectrogram_hash"], 64) && is_hex(&spectral["chromagram_hash"], 64));
    assert_eq!((&spectral["sample_rate"], &spectral["n_mels"]), (&json!(22_050), &json!(128)));
    assert!(spectral["spectral_centroid_mean"].as_f64().is_some_and(|hz| hz > 100.0 && hz < 8_000.0), "{spectral}");
    let metadata = &rest["audio_metadata"];
    assert_eq!((&metadata["duration"], &metadata["duration_formatted"]), (&json!(8.0), &json!("00:00:08")));
    assert_eq!((&metadata["sample_rate"], &metadata["channels"]), (&json!(22_050), &json!(1)));
    assert!(rest["iscc"]["content"].as_str().is_some(), "{}", rest["iscc"]);
    assert_codes(&fingerprint, &file);
    assert_pictures(&node, &client, &fingerprint, &["waveform", "spectrogram"]).await;
}

#[tokio::test]
async fn films_are_hashed_frame_by_frame_and_shown() {
    let node = NODE.get();
    let client = member(&node).await;
    let file = media::film("film.mp4");
    let fingerprint = fingerprinted(&client, &file).await;
    assert_completed(&fingerprint, FileKind::Video);
    let rest = &fingerprint.rest;
    let frames = rest["video_hashes"]["frame_hashes"].as_array().unwrap();
    assert!(!frames.is_empty() && frames.iter().all(|hash| is_hex(hash, 64)));
    assert_eq!(rest["perceptual_hashes"]["frame_hashes"], json!(frames));
    assert_eq!(rest["video_hashes"]["frame_timestamps"].as_array().unwrap().len(), frames.len());
    assert_eq!(rest["video_hashes"]["sampling"], "complete");
    assert!(is_hex(&rest["video_hashes"]["average_hash"], 64));
    assert!(rest["video_metadata"]["width"].as_u64().is_some_and(|width| width > 0), "{}", rest["video_metadata"]);
    assert_codes(&fingerprint, &file);
    let names: Vec<_> = rest["pictures"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert!(names.starts_with(&["thumbnail", "contact_sheet"]), "{names:?}");
    assert_pictures(&node, &client, &fingerprint, &names).await;
}

#[tokio::test]
async fn pictures_go_with_their_work() {
    let node = NODE.get();
    let client = member(&node).await;
    let fingerprint = fingerprinted(&client, &media::png("gone.png", 5)).await;
    assert_pictures(&node, &client, &fingerprint, &["thumbnail"]).await;
    let url = fingerprint.rest["pictures"][0]["url"].as_str().unwrap().to_owned();
    let path = url.split_at(url.find("/api").unwrap()).1;
    client.delete(&format!("/api/v1/assets/{}", fingerprint.asset_id)).send().await.unwrap().expect(200).unwrap();
    client.clone().without_token().get(path).send().await.unwrap().expect(404).unwrap();
}

#[tokio::test]
async fn where_a_picture_was_taken_is_for_its_owner() {
    let node = NODE.get();
    let client = member(&node).await;
    let fingerprint = fingerprinted(&client, &media::photo_with_gps("berlin.jpg")).await;
    assert_completed(&fingerprint, FileKind::Image);
    let latitude = fingerprint.rest["gps"]["latitude"].as_f64().unwrap();
    assert!((latitude - 52.5).abs() < 0.01, "{}", fingerprint.rest["gps"]);
    let metadata = fingerprint.rest["metadata"].to_string().to_lowercase();
    assert!(!metadata.contains("gps") && !metadata.contains("latitude"), "{metadata}");
}

#[tokio::test]
async fn sound_and_film_with_nothing_in_them_fail_with_a_reason() {
    let node = NODE.get();
    let client = member(&node).await;
    for file in [media::mp4("a.mp4"), media::avi("a.avi")] {
        let asset = accepted(&client, &file).await;
        let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        assert_eq!(fingerprint.status, ProcessingStatus::Failed, "{}", file.name);
        assert!(fingerprint.error_message.is_some_and(|message| message.len() > 10), "{}", file.name);
        assert_eq!(fingerprint.rest["perceptual_hashes"], json!({}));
        assert_eq!(
            (&fingerprint.rest["spectral_data"], &fingerprint.rest["video_hashes"]),
            (&Value::Null, &Value::Null)
        );
        let asset = client.asset(&asset.id).await.unwrap().as_asset().unwrap();
        assert_eq!((asset.upload_status, asset.fingerprint_id), (UploadStatus::Failed, None));
        assert!(asset.error_message.is_some_and(|message| !message.is_empty()));
    }
}

#[tokio::test]
async fn a_fingerprint_is_made_once() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::text("once.txt", "once")).await;
    let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    let by_path = client.post(&format!("/api/v1/fingerprint/{}", asset.id)).send().await.unwrap();
    let by_body = client.post("/api/v1/fingerprint/").json(&json!({ "asset_id": asset.id })).send().await.unwrap();
    for answer in [by_path, by_body] {
        assert_eq!((answer.status, answer.code().as_str()), (409, "FINGERPRINT_EXISTS"), "{answer}");
        assert_eq!(answer.text("/error/details/fingerprint_id").unwrap(), fingerprint.id);
    }
}

#[tokio::test]
async fn a_failed_fingerprint_may_be_redone_under_its_id() {
    let node = NODE.get();
    let client = member(&node).await;
    for by_path in [true, false] {
        let file = if by_path { media::mp4("redo.mp4") } else { media::broken_png("redo.png") };
        let asset = accepted(&client, &file).await;
        let failed = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        let answer = if by_path {
            client.post(&format!("/api/v1/fingerprint/{}", asset.id)).send().await.unwrap()
        } else {
            client.post("/api/v1/fingerprint").json(&json!({ "asset_id": asset.id })).send().await.unwrap()
        };
        let body = answer.expect(202).unwrap().json().unwrap();
        assert_eq!((&body["fingerprint_id"], &body["asset_id"]), (&json!(failed.id), &json!(asset.id)));
        assert_eq!(body["data"]["fingerprint_id"], failed.id);
        let again = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
        assert_eq!((again.id, again.status), (failed.id, ProcessingStatus::Failed));
    }
}

#[tokio::test]
async fn a_fingerprint_is_found_by_its_id_and_by_its_asset() {
    let node = NODE.get();
    let client = member(&node).await;
    let by_asset = fingerprinted(&client, &media::text("both.txt", "both ways")).await;
    let answer = client.get(&format!("/api/v1/fingerprint/{}", by_asset.id)).send().await.unwrap();
    let by_id = answer.expect(200).unwrap().json().unwrap();
    assert_eq!(by_id["asset_id"], by_asset.asset_id);
    assert_eq!(by_id["text_hash"], by_asset.rest["text_hash"]);
    assert_eq!(by_id["data"]["id"], by_asset.id);
}

#[tokio::test]
async fn progress_is_told_from_the_first_moment() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::large_png("progress.png", 31)).await;
    let mut last = 0;
    loop {
        let answer = client.get(&format!("/api/v1/fingerprint/asset/{}", asset.id)).send().await.unwrap();
        let body = answer.expect(200).unwrap().json().unwrap();
        let percent = body["progress_percent"].as_u64().unwrap();
        assert!(percent >= last && percent <= 100, "{percent} after {last}");
        assert!(!body["message"].as_str().unwrap().is_empty());
        last = percent;
        match body["status"].as_str().unwrap() {
            "pending" | "processing" => assert!(percent < 100),
            "completed" => break,
            other => panic!("{other}: {body}"),
        }
    }
    assert_eq!(last, 100);
}

#[tokio::test]
async fn fingerprints_belong_to_the_owner_of_the_asset() {
    let node = NODE.get();
    let (ann, bob) = (member(&node).await, member(&node).await);
    let fingerprint = fingerprinted(&ann, &media::text("anns.txt", "anns")).await;
    let asset_id = &fingerprint.asset_id;
    let answers = [
        bob.get(&format!("/api/v1/fingerprint/{}", fingerprint.id)).send().await.unwrap(),
        bob.get(&format!("/api/v1/fingerprint/asset/{asset_id}")).send().await.unwrap(),
        bob.post(&format!("/api/v1/fingerprint/{asset_id}")).send().await.unwrap(),
        bob.post("/api/v1/fingerprint").json(&json!({ "asset_id": asset_id })).send().await.unwrap(),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"), "{answer}");
    }
}

#[tokio::test]
async fn unknown_and_misshapen_ids_are_told_apart() {
    let node = NODE.get();
    let client = member(&node).await;
    for path in ["/api/v1/fingerprint/", "/api/v1/fingerprint/asset/"] {
        client.get(&format!("{path}{UNKNOWN}")).send().await.unwrap().expect(404).unwrap();
        let answer = client.get(&format!("{path}zz")).send().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "INVALID_ID"), "{answer}");
    }
    client.post(&format!("/api/v1/fingerprint/{UNKNOWN}")).send().await.unwrap().expect(404).unwrap();
    client.post("/api/v1/fingerprint").json(&json!({ "asset_id": UNKNOWN })).send().await.unwrap().expect(404).unwrap();
    let wrong = client.post("/api/v1/fingerprint").json(&json!({ "asset_id": "zz" })).send().await.unwrap();
    assert!(matches!(wrong.status, 400 | 422), "{wrong}");
    for body in [json!({}), json!({ "asset_id": 7 }), json!([])] {
        client.post("/api/v1/fingerprint").json(&body).send().await.unwrap().expect(422).unwrap();
    }
}

#[tokio::test]
async fn without_fingerprinting_assets_are_ready_at_once() {
    let node = metastamp_tests::start(NodeOptions::new().env("ENABLE_FINGERPRINTING", "false"));
    let client = member(&node).await;
    let asset = accepted(&client, &media::text("plain.txt", "no fingerprint")).await;
    assert_eq!((asset.upload_status, asset.fingerprint_id), (UploadStatus::Ready, None));
    client.get(&format!("/api/v1/fingerprint/asset/{}", asset.id)).send().await.unwrap().expect(404).unwrap();
}
