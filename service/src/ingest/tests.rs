//! Uploads without HTTP, on embedded stores.

use bytes::Bytes;
use metastamp_protocol::UploadStatus;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::test_world::{World, eventually, text_file};

const TEXT: &str = "One more text that nobody has seen before.";

fn user() -> ObjectId {
    ObjectId::generate()
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A text of this many bytes.
fn long(len: usize) -> Bytes {
    TEXT.bytes().cycle().take(len).collect::<Vec<_>>().into()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn refusal<T>(result: Result<T>) -> (ErrorCode, u16, serde_json::Value) {
    let error = result.err().expect("it should have been refused");
    let body = serde_json::to_value(error.clone().body("r")).unwrap();
    (error.code, error.status_code(), body["error"]["details"].clone())
}

/// Nothing of an upload was ever stored.
async fn leaves_no_trace(world: &World) -> bool {
    world.garbage().await.is_empty() && world.deps.objects.list("", None, 10).await.unwrap().objects.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_opened_written_and_committed_is_an_asset() {
    let world = World::new().await;
    let ada = user();
    let file = long(200_001);
    for piece in [1_000, 4_096, 200_001] {
        let admission = world.ingest.admit(ada, Origin::default()).unwrap();
        let mut incoming = admission.open(text_file(&format!("../Notes of {piece}.txt"))).unwrap();
        for chunk in file.chunks(piece) {
            incoming.write(file.slice_ref(chunk)).await.unwrap();
        }
        let about = About { title: Some("Notes".to_owned()), description: None };
        let Stored { asset, repeat, owner } = incoming.finish().await.unwrap().commit(about).await.unwrap();
        assert_eq!((repeat, &owner), (false, world.deps.actors.node()));
        assert_eq!((asset.user_id, asset.file_size, asset.upload_status), (ada, 200_001, UploadStatus::Ready));
        assert_eq!((asset.sha256.as_str(), asset.mime_type.as_str()), (&*hex::encode(sha256(&file)), "text/plain"));
        assert_eq!(asset.title.as_deref(), Some("Notes"));
        assert!(!asset.file_name.contains('/') && asset.file_name.ends_with(".txt"), "{}", asset.file_name);
        assert_eq!(world.deps.objects.get_range(&asset.s3_key, 0..300_000).await.unwrap(), file, "by {piece}");
    }
    assert!(world.garbage().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_is_given_up() {
    let world = World::new().await;
    let admission = world.ingest.admit(user(), Origin::default()).unwrap();
    // Too little to begin with: nothing is stored that would have to be cleaned away.
    let mut incoming = admission.open(text_file("a.txt")).unwrap();
    incoming.write(bytes(TEXT)).await.unwrap();
    drop(incoming);
    assert!(leaves_no_trace(&world).await);
    // In the middle.
    let mut incoming = admission.open(text_file("a.txt")).unwrap();
    incoming.write(long(6 << 20)).await.unwrap();
    assert!(world.garbage().await.is_empty());
    drop(incoming);
    eventually(async || world.garbage().await.len() == 1).await;
    // With the object whole.
    let mut incoming = admission.open(text_file("a.txt")).unwrap();
    incoming.write(bytes(TEXT)).await.unwrap();
    drop(incoming.finish().await.unwrap());
    eventually(async || world.garbage().await.len() == 2).await;
    for key in world.garbage().await {
        assert!(!world.deps.stores.uploads.key_is_used(&key).await.unwrap(), "{key} has no session any more");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_than_were_stated_are_refused() {
    let world = World::new().await;
    let admission = world.ingest.admit(user(), Origin::default()).unwrap();
    let stated =
        |of: &str| Announced { digesting: Digesting::StatedBefore(sha256(of.as_bytes())), ..text_file("a.txt") };
    let mut incoming = admission.open(stated("another text")).unwrap();
    incoming.write(bytes(TEXT)).await.unwrap();
    let (code, status, details) = refusal(incoming.finish().await);
    assert_eq!((code, status), (ErrorCode::UploadFailed, 400));
    assert_eq!(details["sha256"], hex::encode(sha256(TEXT.as_bytes())));
    assert_eq!(details["stated_sha256"], hex::encode(sha256(b"another text")));
    eventually(async || world.garbage().await.len() == 1).await;
    assert!(!world.object_is_there(&world.garbage().await[0]).await);
    let mut incoming = admission.open(stated(TEXT)).unwrap();
    incoming.write(bytes(TEXT)).await.unwrap();
    assert!(!incoming.finish().await.unwrap().commit(About::default()).await.unwrap().repeat);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_have_limits() {
    let world = World::new().await;
    let ingest = world.ingest_with(|settings| (settings.direct_bytes_below, settings.bytes_max) = (1 << 20, 2 << 20));
    assert_eq!(ingest.direct_bytes_max(), 1 << 20);
    let admission = ingest.admit(user(), Origin::default()).unwrap();
    let write = async |len| admission.open(text_file("a.txt")).unwrap().write(long(len)).await;
    assert!(write((1 << 20) - 1).await.is_ok());
    let (code, status, details) = refusal(write(1 << 20).await);
    assert_eq!((code, status, &details["direct_limit"]), (ErrorCode::UsePresignedUpload, 400, &(1 << 20).into()));
    let (code, status, details) = refusal(write((2 << 20) + 1).await);
    assert_eq!((code, status, &details["max_size"]), (ErrorCode::FileTooLarge, 413, &(2 << 20).into()));
    assert!(ingest.check_announced((2 << 20) + 100, 100).is_ok());
    let (code, _, details) = refusal(ingest.check_announced((2 << 20) + 101, 100));
    assert_eq!((code, &details["file_size"]), (ErrorCode::FileTooLarge, &((2 << 20) + 101).into()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_at_the_door_leaves_no_trace() {
    let world = World::new().await;
    let admission = world.ingest.admit(user(), Origin::default()).unwrap();
    let open = |name| admission.open(text_file(name)).map(drop);
    assert_eq!(refusal(open("a.exe")).0, ErrorCode::DangerousFileType);
    assert_eq!(refusal(open("a.png")).0, ErrorCode::InvalidFileType);
    let finish = async |content: &'static [u8]| {
        let mut incoming = admission.open(text_file("a.txt")).unwrap();
        incoming.write(Bytes::from_static(content)).await.unwrap();
        incoming.finish().await.map(drop)
    };
    assert_eq!(refusal(finish(b"").await).0, ErrorCode::EmptyFile);
    assert_eq!(refusal(finish(b"MZ\x90\0\x03").await).0, ErrorCode::DangerousFileType);
    let (code, status, details) = refusal(finish(b"%PDF-1.7\n").await);
    assert_eq!((code, status), (ErrorCode::InvalidFileType, 415));
    assert!(details["reason"].as_str().unwrap().contains("does not match"), "{details}");
    // What follows a refusal is not the beginning of another file.
    let mut incoming = admission.open(text_file("a.txt")).unwrap();
    let disguised = Bytes::from([b"MZ\x90\0\x03".as_slice(), &long(5_000)].concat());
    assert_eq!(refusal(incoming.write(disguised).await).0, ErrorCode::DangerousFileType);
    assert!(incoming.write(long(5_000)).await.is_err());
    assert!(incoming.finish().await.is_err());
    assert!(leaves_no_trace(&world).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_file_again_is_the_same_asset() {
    let world = World::new().await;
    let ada = user();
    let first = world.send(ada, "a.txt", TEXT).await.unwrap();
    let again = world.send(ada, "a.txt", TEXT).await.unwrap();
    assert_eq!((again.asset.id, first.repeat, again.repeat), (first.asset.id, false, true));
    let other = world.send(ada, "b.txt", TEXT).await.unwrap();
    assert!(!other.repeat, "another name");
    assert!(!world.send(user(), "a.txt", TEXT).await.unwrap().repeat, "another user");
    // Of the repeat nothing stays.
    eventually(async || world.garbage().await.is_empty()).await;
    let objects = world.deps.objects.list("", None, 10).await.unwrap().objects;
    assert_eq!(objects.len(), 3);
    assert!(objects.iter().any(|object| object.key == first.asset.s3_key));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_has_its_time_and_its_slot() {
    let world = World::new().await;
    let ingest = world.ingest_with(|settings| settings.time_max = Duration::from_millis(20));
    let ada = user();
    let held: Vec<_> = (0..64).map(|_| ingest.admit(ada, Origin::default()).unwrap()).collect();
    assert_eq!(refusal(ingest.admit(ada, Origin::default())).0, ErrorCode::RateLimitExceeded);
    let (code, status, _) = refusal(held[0].in_time(std::future::pending::<Result<()>>()).await);
    assert_eq!((code, status), (ErrorCode::UploadFailed, 408));
    drop(held);
    assert!(ingest.admit(ada, Origin::default()).is_ok());
    world.end().await;
}
