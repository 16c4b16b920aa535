//! Hostile and broken files: each gets the contract's error or a fingerprint that failed for a reason, and nothing more.

use metastamp_protocol::{ProcessingStatus, UploadStatus};
use metastamp_tests::{
    DONE_WITHIN, FingerprintInfo, NodeOptions, NodeProcess, SharedNode, UploadFile, accepted, media, member, refused,
};
use sha2::{Digest, Sha256};

/// What a node may take in memory, whatever it is fed.
const MEMORY_MIB_MAX: u64 = 700;

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

/// The node is up and has not grown beyond its bound.
async fn is_sound(node: &NodeProcess) {
    metastamp_tests::anonymous(node).get("/ready").send().await.unwrap().expect(200).unwrap();
    let peak = node.peak_memory_mib().unwrap();
    assert!(peak < MEMORY_MIB_MAX, "the node took {peak} MiB");
}

/// Uploads a file that is taken at first sight, and gives what became of it.
async fn outcome(file: &UploadFile) -> FingerprintInfo {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, file).await;
    let fingerprint = client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    let asset = client.asset(&asset.id).await.unwrap().as_asset().unwrap();
    if fingerprint.status == ProcessingStatus::Failed {
        let reason = fingerprint.error_message.as_deref().unwrap_or_default();
        assert!(!reason.is_empty(), "{}: failed without a reason", file.name);
        assert!(!reason.contains(&node.data_dir().display().to_string()), "a path of the server: {reason}");
        assert_eq!(asset.upload_status, UploadStatus::Failed);
        assert_eq!(asset.fingerprint_id, None);
        assert!(asset.error_message.is_some_and(|message| !message.is_empty()));
    } else {
        assert_eq!(asset.upload_status, UploadStatus::Ready);
    }
    is_sound(&node).await;
    fingerprint
}

async fn fails(file: &UploadFile) -> String {
    let fingerprint = outcome(file).await;
    assert_eq!(fingerprint.status, ProcessingStatus::Failed, "{}: {:?}", file.name, fingerprint.rest);
    let hashes = &fingerprint.rest["perceptual_hashes"];
    assert!(hashes.as_object().is_some_and(|hashes| hashes.is_empty()), "{}: {hashes}", file.name);
    fingerprint.error_message.unwrap()
}

#[tokio::test]
async fn programs_and_archives_in_disguise_are_refused() {
    let node = NODE.get();
    let client = member(&node).await;
    for (what, bytes) in media::dangerous() {
        for (route, name) in
            [("text", "a.txt"), ("text", "a.pdf"), ("image", "a.png"), ("video", "a.mp4"), ("audio", "a.mp3")]
        {
            let file = UploadFile::new(route, name, "application/octet-stream", bytes.clone());
            let answer = refused(&client, &file, 415, "DANGEROUS_FILE_TYPE").await;
            assert!(!answer.text("/message").unwrap().is_empty(), "{what}");
        }
    }
    assert_eq!(client.all_assets().await.unwrap(), []);
    is_sound(&node).await;
}

#[tokio::test]
async fn content_of_another_family_is_refused() {
    let node = NODE.get();
    let client = member(&node).await;
    let spoofed = [
        UploadFile { route: "text".into(), name: "a.txt".into(), ..media::png("", 1) },
        UploadFile { route: "text".into(), name: "a.pdf".into(), ..media::png("", 1) },
        UploadFile { route: "image".into(), name: "a.png".into(), ..media::text("", "just words") },
        UploadFile { route: "image".into(), name: "a.webp".into(), ..media::wav("") },
        UploadFile { route: "audio".into(), name: "a.wav".into(), ..media::avi("") },
        UploadFile { route: "video".into(), name: "a.avi".into(), ..media::wav("") },
        UploadFile { route: "text".into(), name: "a.md".into(), ..media::pdf("", 1, "pdf") },
        UploadFile::new("text", "a.txt", "text/plain", vec![0u8; 100]),
        UploadFile::new("image", "a.jpg", "image/jpeg", vec![0x13u8; 100]),
    ];
    for file in spoofed {
        refused(&client, &file, 415, "INVALID_FILE_TYPE").await;
    }
    assert_eq!(client.all_assets().await.unwrap(), []);
}

#[tokio::test]
async fn a_broken_png_fails_with_a_reason() {
    fails(&media::broken_png("broken.png")).await;
}

#[tokio::test]
async fn a_png_bomb_fails_before_it_goes_off() {
    fails(&media::png_bomb("bomb.png")).await;
}

#[tokio::test]
async fn a_truncated_jpeg_fails_with_a_reason() {
    fails(&media::truncated_jpeg("truncated.jpg")).await;
}

#[tokio::test]
async fn a_header_alone_is_no_picture() {
    fails(&UploadFile::new("image", "head.webp", "image/webp", b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0".to_vec())).await;
}

#[tokio::test]
async fn a_pdf_of_10000_pages_ends() {
    let file = media::pdf("many.pdf", 10_000, "the same words on every page");
    let fingerprint = outcome(&file).await;
    if fingerprint.status == ProcessingStatus::Completed {
        assert_eq!(fingerprint.rest["metadata"]["page_count"], 10_000);
    }
}

#[tokio::test]
async fn a_pdf_of_rubbish_ends() {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend(b"1 0 obj << /Type /Catalog /Pages 1 0 R >> endobj trailer << /Root 1 0 R >> startxref 9 %%EOF");
    outcome(&UploadFile::new("text", "rubbish.pdf", "application/pdf", bytes)).await;
}

#[tokio::test]
async fn text_in_another_alphabet_is_read_with_replacement() {
    let mut bytes = b"Caf\xe9 cr\xe8me, d\xe9j\xe0 vu: ".to_vec();
    bytes.extend("mostly plain words follow here, enough of them to be text. ".repeat(4).bytes());
    let read = String::from_utf8_lossy(&bytes).trim().to_owned();
    let fingerprint = outcome(&UploadFile::new("text", "latin.txt", "text/plain", bytes)).await;
    assert_eq!(fingerprint.status, ProcessingStatus::Completed, "{:?}", fingerprint.error_message);
    assert_eq!(fingerprint.rest["text_hash"], hex::encode(Sha256::digest(&read)));
    assert_eq!(fingerprint.rest["text_length"], read.chars().count());
}

#[tokio::test]
async fn one_endless_line_of_text_ends() {
    let fingerprint = outcome(&media::text("line.txt", &"word ".repeat(1_000_000))).await;
    assert_eq!(fingerprint.status, ProcessingStatus::Completed, "{:?}", fingerprint.error_message);
    assert_eq!(fingerprint.rest["word_count"], 1_000_000);
}
