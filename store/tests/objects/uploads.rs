//! The writer, and multipart uploads by parts.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use metastamp_chaos::client::eventually;
use metastamp_store::StoreError;
use metastamp_store::objects::{Objects, PART_BYTES};

use super::contract::read;
use super::support::{Target, digest, http, noise, prefix};

const KIB: usize = 1024;
const PART: usize = PART_BYTES as usize;

pub async fn contract(target: &Target, objects: Objects, spool: &Path) {
    sizes(&objects, spool).await;
    nothing_without_finish(&objects, spool).await;
    abort_and_drop(target, &objects, spool).await;
    parts_by_presigned_urls(&objects).await;
    completion_may_be_repeated(&objects).await;
    abort_all_of_a_key(&objects).await;
}

async fn sizes(objects: &Objects, spool: &Path) {
    let around = |size: usize| [size - 1, size, size + 1];
    let mut sizes = vec![0, 1, 11 * KIB * KIB + 3, 2 * PART];
    sizes.extend(around(256 * KIB));
    sizes.extend(around(PART));
    for size in sizes {
        let key = prefix("writer") + "object";
        let bytes = noise(size as u64, size);
        let mut writer = objects.writer(&key, "audio/wav", spool);
        // pieces of every length, to meet the edges of the buffer at odd places
        let mut rest = bytes.clone();
        let mut step = 1;
        while !rest.is_empty() {
            writer.write(rest.split_to(step.min(rest.len()))).await.unwrap();
            step = (step * 3 + 1) % 300_007;
        }
        assert_eq!(writer.bytes_written(), size as u64);
        assert!(writer.buffered_bytes_max() <= 256 * KIB, "{} bytes in memory", writer.buffered_bytes_max());
        let stored = writer.finish().await.unwrap();
        assert_eq!(stored.size, size as u64);
        let info = objects.head(&key).await.unwrap().unwrap();
        assert_eq!((info.size, info.etag), (stored.size, stored.etag.clone()), "{size}");
        assert_eq!(info.content_type.as_deref(), Some("audio/wav"));
        assert_eq!(stored.etag.contains('-'), size > PART, "{size}: {}", stored.etag);
        assert_eq!(digest(&read(objects, &key).await), digest(&bytes), "{size}");
        if size > 2 * PART {
            let across = objects.get_range(&key, PART_BYTES - 10..PART_BYTES * 2 + 10).await.unwrap();
            assert_eq!(across, bytes.slice(PART - 10..PART * 2 + 10));
        }
        objects.delete(&key).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0);
}

async fn nothing_without_finish(objects: &Objects, spool: &Path) {
    let key = prefix("unfinished") + "object";
    objects.put(&key, "a/b", Bytes::from_static(b"before")).await.unwrap();
    let mut writer = objects.writer(&key, "a/b", spool);
    writer.write(noise(1, PART + 300 * KIB)).await.unwrap();
    assert_eq!(read(objects, &key).await, b"before");
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.size, (PART + 300 * KIB) as u64);
    assert_eq!(objects.head(&key).await.unwrap().unwrap().size, stored.size);
}

async fn abort_and_drop(target: &Target, objects: &Objects, spool: &Path) {
    let sdk = target.sdk();
    for size in [10, PART + 300 * KIB] {
        let key = prefix("abort") + "object";
        let mut writer = objects.writer(&key, "a/b", spool);
        writer.write(noise(2, size)).await.unwrap();
        writer.abort().await.unwrap();
        assert_eq!(objects.head(&key).await.unwrap(), None);
        assert_eq!(objects.abort_multiparts(&key).await.unwrap(), 0, "abort left an upload");
        let mut writer = objects.writer(&key, "a/b", spool);
        writer.write(noise(3, size)).await.unwrap();
        drop(writer);
        // the abort of a dropped writer runs on its own
        let aborted = || async {
            let listed = sdk.list_multipart_uploads().bucket(&target.bucket).prefix(&key).send().await?;
            Ok(listed.uploads().is_empty().then_some(()))
        };
        eventually("the upload of a dropped writer is gone", Duration::from_secs(10), aborted).await.unwrap();
        assert_eq!(objects.head(&key).await.unwrap(), None);
    }
}

async fn parts_by_presigned_urls(objects: &Objects) {
    let key = prefix("parts") + "ünï code";
    let id = objects.create_multipart(&key, "video/mp4").await.unwrap();
    let (first, second) = (noise(4, PART), noise(5, 1234));
    for (number, bytes) in [(2, &second), (1, &first)] {
        let length = Some(bytes.len() as u64);
        let url = objects.presign_part(&key, &id, number, length, Duration::from_secs(60)).await.unwrap();
        let answer = http("PUT", &url, &[("content-length", bytes.len().to_string())], bytes).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
    }
    let parts = objects.list_parts(&key, &id).await.unwrap();
    assert_eq!(parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), [(1, PART_BYTES), (2, 1234)]);
    let etag = objects.complete_multipart(&key, &id, &parts).await.unwrap();
    assert!(etag.ends_with("-2"));
    let mut whole = first.to_vec();
    whole.extend_from_slice(&second);
    assert_eq!(digest(&read(objects, &key).await), digest(&whole));
    let info = objects.head(&key).await.unwrap().unwrap();
    assert_eq!((info.etag, info.content_type.as_deref()), (etag, Some("video/mp4")));
}

async fn completion_may_be_repeated(objects: &Objects) {
    let key = prefix("repeat") + "object";
    let id = objects.create_multipart(&key, "a/b").await.unwrap();
    let url = objects.presign_part(&key, &id, 1, None, Duration::from_secs(60)).await.unwrap();
    assert_eq!(http("PUT", &url, &[("content-length", "3".into())], b"abc").await.status, 200);
    let parts = objects.list_parts(&key, &id).await.unwrap();
    let mut wrong = parts.clone();
    wrong[0].etag = "0".repeat(32);
    let refused = objects.complete_multipart(&key, &id, &wrong).await;
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
    let first = objects.complete_multipart(&key, &id, &parts).await.unwrap();
    assert_eq!(objects.complete_multipart(&key, &id, &parts).await.unwrap(), first);
    objects.abort_multipart(&key, &id).await.unwrap();
    assert_eq!(read(objects, &key).await, b"abc");
}

async fn abort_all_of_a_key(objects: &Objects) {
    let key = prefix("abortall") + "object";
    for _ in 0..3 {
        objects.create_multipart(&key, "a/b").await.unwrap();
    }
    let other = objects.create_multipart(&format!("{key}2"), "a/b").await.unwrap();
    assert_eq!(objects.abort_multiparts(&key).await.unwrap(), 3);
    assert_eq!(objects.abort_multiparts(&key).await.unwrap(), 0);
    assert_eq!(objects.list_parts(&format!("{key}2"), &other).await.unwrap(), vec![]);
    let gone = objects.list_parts(&key, "0123456789abcdef0123456789abcdef").await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. } | StoreError::Internal(_))), "{gone:?}");
    assert_eq!(objects.abort_multiparts(&format!("{key}2")).await.unwrap(), 1);
}
