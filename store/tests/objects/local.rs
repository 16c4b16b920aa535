//! What only the embedded service promises: sharing a directory, surviving crashes, cleaning up.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use metastamp_chaos::client::eventually;
use metastamp_store::StoreError;
use metastamp_store::objects::{LocalS3, Objects, Swept};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::contract::read;
use super::support::{Target, noise};

const HOUR: Duration = Duration::from_secs(3600);

pub async fn start(dir: &Path) -> (LocalS3, Objects) {
    let service = LocalS3::start(dir).await.unwrap();
    let objects = Target::local(&service, "bucket").objects();
    objects.ensure_bucket().await.unwrap();
    (service, objects)
}

/// Every blob file under the directory.
pub fn blobs(dir: &Path) -> Vec<PathBuf> {
    let below = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    below(dir.join("blobs")).flat_map(below).flat_map(below).collect()
}

/// Unlinking happens after the answer.
async fn blob_count_becomes(dir: &Path, count: usize) {
    let unlinked = || async { Ok((blobs(dir).len() == count).then_some(())) };
    eventually(&format!("{count} blobs"), Duration::from_secs(5), unlinked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_made_once_and_private() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("objects");
    let services = futures_util::future::join_all((0..4).map(|_| LocalS3::start(&dir))).await;
    let services: Vec<LocalS3> = services.into_iter().map(Result::unwrap).collect();
    assert!(services.iter().all(|service| service.access_key() == services[0].access_key()));
    assert!(services.iter().all(|service| service.secret_key() == services[0].secret_key()));
    assert!(services[0].secret_key().len() >= 40);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("credentials.json"))), (0o700, 0o600));
    let other = tempfile::tempdir().unwrap();
    assert_ne!(LocalS3::start(other.path()).await.unwrap().secret_key(), services[0].secret_key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_share_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (first, a) = start(dir.path()).await;
    let (second, b) = start(dir.path()).await;
    let write = |objects: Objects, other: Objects, name: &'static str| async move {
        let puts = (0..60).map(|number| {
            let (objects, other) = (objects.clone(), other.clone());
            async move {
                let (key, bytes) = (format!("{name}/{number}"), noise(number, 2000 + number as usize));
                objects.put(&key, "a/b", bytes.clone()).await.unwrap();
                // acknowledged here is visible there
                assert_eq!(read(&other, &key).await, bytes);
                objects.put("contended", "a/b", bytes).await.unwrap();
            }
        });
        futures_util::stream::iter(puts).buffer_unordered(8).for_each(|()| async {}).await;
    };
    tokio::join!(write(a.clone(), b.clone(), "a"), write(b.clone(), a.clone(), "b"));
    assert_eq!(a.list("", None, 1000).await.unwrap().objects.len(), 121);
    let contended = read(&a, "contended").await;
    assert_eq!(contended, noise(contended.len() as u64 - 2000, contended.len()));
    blob_count_becomes(dir.path(), 121).await;
    first.shutdown().await;
    assert!(matches!(a.ping().await, Err(StoreError::Unavailable(_))));
    b.put("after", "a/b", Bytes::from_static(b"x")).await.unwrap();
    second.shutdown().await;
    let (_third, c) = start(dir.path()).await;
    assert_eq!(c.list("", None, 1000).await.unwrap().objects.len(), 122);
    assert_eq!(read(&c, "a/7").await, noise(7, 2007));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_and_deleted_bytes_go_away() {
    let (dir, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_service, objects) = start(dir.path()).await;
    let mut writer = objects.writer("big", "a/b", spool.path());
    writer.write(noise(1, 11 << 20)).await.unwrap();
    blob_count_becomes(dir.path(), 2).await;
    writer.finish().await.unwrap();
    blob_count_becomes(dir.path(), 3).await;
    objects.put("big", "a/b", Bytes::from_static(b"small")).await.unwrap();
    blob_count_becomes(dir.path(), 1).await;
    let id = objects.create_multipart("other", "a/b").await.unwrap();
    objects.abort_multipart("other", &id).await.unwrap();
    objects.delete("big").await.unwrap();
    blob_count_becomes(dir.path(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_outlives_the_object() {
    let dir = tempfile::tempdir().unwrap();
    let (_service, objects) = start(dir.path()).await;
    let bytes = noise(9, 8 << 20);
    objects.put("object", "a/b", bytes.clone()).await.unwrap();
    let mut stream = objects.open("object").await.unwrap();
    objects.delete("object").await.unwrap();
    blob_count_becomes(dir.path(), 0).await;
    let mut got = Vec::new();
    while let Some(chunk) = stream.next().await {
        got.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(got, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_swept_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (service, objects) = start(dir.path()).await;
    let (second, _) = start(dir.path()).await;
    for number in 0..20 {
        objects.put(&format!("{number}"), "a/b", noise(number, 100)).await.unwrap();
    }
    let leftover = |name: &str, age: Duration| {
        let path = dir.path().join("blobs").join(&name[..1]).join(&name[1..2]).join(name);
        let file = File::create_new(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        path
    };
    let old = leftover("00000000000000000000000000000001", HOUR * 2);
    let young = leftover("f0000000000000000000000000000002", Duration::ZERO);
    for path in blobs(dir.path()).iter().filter(|path| **path != young) {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - HOUR * 2).unwrap();
    }
    let (one, two) = tokio::join!(service.sweep_orphan_blobs(HOUR), second.sweep_orphan_blobs(HOUR));
    // both may have seen it; it is removed once or twice, which is the same
    assert!(one.unwrap().blobs + two.unwrap().blobs >= 1);
    assert!(!old.exists() && young.exists());
    let swept = service.sweep_orphan_blobs(Duration::ZERO).await.unwrap();
    assert_eq!(swept, Swept { blobs: 1, uploads: 0 });
    assert_eq!(blobs(dir.path()).len(), 20);
    for number in 0..20 {
        assert_eq!(read(&objects, &format!("{number}")).await, noise(number, 100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_uploads_are_given_up() {
    let (dir, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (service, objects) = start(dir.path()).await;
    let mut writer = objects.writer("object", "a/b", spool.path());
    writer.write(noise(1, 6 << 20)).await.unwrap();
    assert_eq!(service.sweep_orphan_blobs(Duration::ZERO).await.unwrap(), Swept::default());
    let database = rusqlite::Connection::open(dir.path().join("objects.sqlite")).unwrap();
    let day_ms = 86_400_000;
    database.execute("UPDATE uploads SET created_ms = created_ms - ?1", [day_ms + 1]).unwrap();
    // a part came in since: still alive
    assert_eq!(service.sweep_orphan_blobs(HOUR).await.unwrap().uploads, 0);
    database.execute("UPDATE parts SET modified_ms = modified_ms - ?1", [day_ms + 1]).unwrap();
    assert_eq!(service.sweep_orphan_blobs(HOUR).await.unwrap().uploads, 1);
    blob_count_becomes(dir.path(), 0).await;
    let finished = writer.finish().await;
    assert!(matches!(finished, Err(StoreError::NotFound { what: "upload" })), "{finished:?}");
    assert_eq!(objects.head("object").await.unwrap(), None);
}

/// The server refuses before it has read the part: the client must still hear why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_refused_early_is_told_why() {
    let (dir, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_service, objects) = start(dir.path()).await;
    for _ in 0..10 {
        let mut writer = objects.writer("object", "a/b", spool.path());
        writer.write(noise(1, 6 << 20)).await.unwrap();
        assert_eq!(objects.abort_multiparts("object").await.unwrap(), 1);
        let written = writer.write(noise(1, 6 << 20)).await;
        assert!(matches!(written, Err(StoreError::NotFound { what: "upload" })), "{written:?}");
        let again = writer.write(Bytes::from_static(b"x")).await;
        assert!(matches!(again, Err(StoreError::Internal(_))), "{again:?}");
    }
}

/// A client that goes away in the middle of a body leaves neither an object nor a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_body_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (service, objects) = start(dir.path()).await;
    let url = objects.presign_put("broken", "a/b", 1 << 20, Duration::from_secs(60)).await.unwrap();
    let path = url.strip_prefix(service.endpoint()).unwrap();
    let host = service.endpoint().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: a/b\r\ncontent-length: 1048576\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&noise(1, 700_000)).await.unwrap();
    blob_count_becomes(dir.path(), 1).await;
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    _ = stream.read_to_end(&mut rest).await;
    blob_count_becomes(dir.path(), 0).await;
    assert_eq!(objects.head("broken").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let (service, objects) = start(dir.path()).await;
    service.shutdown().await;
    service.shutdown().await;
    let begun = std::time::Instant::now();
    let put = objects.put("key", "a/b", Bytes::new()).await;
    assert!(matches!(&put, Err(error) if error.is_transient()), "{put:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
