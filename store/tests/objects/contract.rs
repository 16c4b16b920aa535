//! What every object store must do for [`Objects`].

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::StreamExt as _;
use metastamp_store::StoreError;
use metastamp_store::identity::{IDENTITY_KEY, StoreIdentity, keep_objects, put_objects};
use metastamp_store::objects::Objects;

use super::support::{noise, prefix};

pub async fn contract(objects: Objects, strict: bool) {
    bucket_is_made_once(&objects).await;
    put_get_head_delete(&objects).await;
    overwrite_replaces(&objects).await;
    a_bucket_keeps_who_it_is(&objects, strict).await;
    ranges(&objects).await;
    stream_and_download(&objects).await;
    listing_pages(&objects).await;
    weird_keys(&objects, strict).await;
    missing_things_are_named(&objects).await;
}

async fn bucket_is_made_once(objects: &Objects) {
    let (first, second) = tokio::join!(objects.ensure_bucket(), objects.ensure_bucket());
    first.unwrap();
    second.unwrap();
    objects.ensure_bucket().await.unwrap();
    objects.ping().await.unwrap();
}

async fn put_get_head_delete(objects: &Objects) {
    let key = prefix("basic") + "object";
    assert_eq!(objects.head(&key).await.unwrap(), None);
    let stored = objects.put(&key, "image/png", Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(stored.size, 5);
    assert_eq!(stored.etag, "5d41402abc4b2a76b9719d911017c592");
    let info = objects.head(&key).await.unwrap().unwrap();
    assert_eq!((info.size, info.etag.as_str()), (5, stored.etag.as_str()));
    assert_eq!(info.content_type.as_deref(), Some("image/png"));
    assert_eq!(read(objects, &key).await, b"hello");
    objects.delete(&key).await.unwrap();
    objects.delete(&key).await.unwrap();
    assert_eq!(objects.head(&key).await.unwrap(), None);
    objects.put(&key, "text/plain; charset=utf-8", Bytes::new()).await.unwrap();
    let info = objects.head(&key).await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (0, Some("text/plain; charset=utf-8")));
    assert_eq!(read(objects, &key).await, b"");
}

async fn overwrite_replaces(objects: &Objects) {
    let key = prefix("overwrite") + "object";
    for round in 0..3 {
        let bytes = noise(round, 1000 + round as usize);
        objects.put(&key, "a/b", bytes.clone()).await.unwrap();
        assert_eq!(read(objects, &key).await, bytes);
    }
}

/// Not every server knows the condition; where it does, it holds.
async fn a_bucket_keeps_who_it_is(objects: &Objects, strict: bool) {
    let documents = StoreIdentity::of_documents("test");
    let fresh = || StoreIdentity::belonging_to(&documents, "test");
    let first = keep_objects(objects, &fresh()).await.unwrap();
    assert_eq!(keep_objects(objects, &fresh()).await.unwrap(), first);
    let put = objects.put_if_absent(IDENTITY_KEY, "text/plain", Bytes::from_static(b"?")).await.unwrap();
    assert!(!(put && strict), "the condition does not hold");
    let other = fresh();
    put_objects(objects, &other).await.unwrap();
    assert_eq!(keep_objects(objects, &fresh()).await.unwrap(), other);
}

async fn ranges(objects: &Objects) {
    let key = prefix("range") + "object";
    let bytes = noise(7, 100_000);
    objects.put(&key, "a/b", bytes.clone()).await.unwrap();
    for (start, end) in [(0, 1), (0, 4096), (99_999, 100_000), (50_000, 60_000), (99_990, 200_000), (0, 100_000)] {
        let got = objects.get_range(&key, start..end).await.unwrap();
        assert_eq!(got, bytes.slice(start as usize..end.min(100_000) as usize), "{start}..{end}");
    }
    assert_eq!(objects.get_range(&key, 100_000..100_001).await.unwrap(), Bytes::new());
    assert_eq!(objects.get_range(&key, 5..5).await.unwrap(), Bytes::new());
    let whole_memory = objects.get_range(&key, 0..u64::MAX).await;
    assert!(matches!(whole_memory, Err(StoreError::Limit(_))), "{whole_memory:?}");
    objects.put(&key, "a/b", Bytes::new()).await.unwrap();
    assert_eq!(objects.get_range(&key, 0..4096).await.unwrap(), Bytes::new());
}

async fn stream_and_download(objects: &Objects) {
    let key = prefix("download") + "object";
    let bytes = noise(11, 3_000_001);
    objects.put(&key, "video/mp4", bytes.clone()).await.unwrap();
    let stream = objects.open(&key).await.unwrap();
    assert_eq!((stream.info().size, stream.info().content_type.as_deref()), (3_000_001, Some("video/mp4")));
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    let downloaded = objects.download(&key, &dest, 3_000_001).await.unwrap();
    assert_eq!((downloaded.size, downloaded.sha256.len()), (3_000_001, 64));
    assert_eq!(std::fs::read(&dest).unwrap(), bytes);
    let refused = objects.download(&key, &dest, 3_000_000).await;
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    assert!(!dest.exists());
    let missing = objects.download(&(key + "x"), &dest, 1).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    assert!(!dest.exists());
}

async fn listing_pages(objects: &Objects) {
    let prefix = prefix("list");
    let keys: BTreeSet<String> = (0..1100).map(|number| format!("{prefix}{number:05}")).collect();
    let puts = keys.iter().map(|key| objects.put(key, "a/b", Bytes::from_static(b"x")));
    let puts: Vec<_> = futures_util::stream::iter(puts).buffer_unordered(16).collect().await;
    puts.into_iter().for_each(|put| drop(put.unwrap()));
    // a neighbour that only looks alike
    objects.put(&format!("{}0", prefix.trim_end_matches('/')), "a/b", Bytes::new()).await.unwrap();
    for limit in [1000, 333] {
        let (mut found, mut pages, mut next) = (Vec::new(), 0, None);
        loop {
            let page = objects.list(&prefix, next.as_deref(), limit).await.unwrap();
            assert!(page.objects.len() <= limit as usize);
            assert!(page.objects.iter().all(|object| object.size == 1 && !object.etag.contains('"')));
            found.extend(page.objects.into_iter().map(|object| object.key));
            pages += 1;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(found, keys.iter().cloned().collect::<Vec<_>>());
        assert_eq!(pages, 1100_u32.div_ceil(limit));
    }
    assert_eq!(objects.list(&format!("{prefix}none"), None, 10).await.unwrap().objects, vec![]);
    for key in &keys {
        objects.delete(key).await.unwrap();
    }
    assert_eq!(objects.list(&prefix, None, 10).await.unwrap().objects, vec![]);
}

/// Keys are names, not paths. Servers on top of file trees can't keep some of them.
async fn weird_keys(objects: &Objects, strict: bool) {
    let prefix = prefix("keys");
    let mut names =
        vec!["with space", "ünïcode/日本語/🎵", "plus+and&amp;?=#%41", "tilde~(1)'!*", "semi;colon,comma:@$"];
    if strict {
        names.extend(["a", "a/b", "a/", "../../x", "./y", "a//b", ".", "..", "back\\slash", "%2e%2e/z"]);
    }
    let mut keys: BTreeSet<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    if strict {
        keys.insert(format!("{prefix}{}", "k".repeat(1024 - prefix.len())));
    }
    for key in &keys {
        objects.put(key, "a/b", Bytes::from(key.clone())).await.unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    for key in &keys {
        assert_eq!(read(objects, key).await, key.as_bytes(), "{key}");
    }
    let page = objects.list(&prefix, None, 100).await.unwrap();
    let listed: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
    assert_eq!(listed, keys.iter().cloned().collect::<Vec<_>>());
    for key in &keys {
        objects.delete(key).await.unwrap();
        assert_eq!(objects.head(key).await.unwrap(), None, "{key}");
    }
    let too_long = objects.put(&"k".repeat(1025), "a/b", Bytes::new()).await;
    assert!(matches!(too_long, Err(StoreError::Internal(_))), "{too_long:?}");
}

async fn missing_things_are_named(objects: &Objects) {
    let key = prefix("missing") + "object";
    let got = objects.get_range(&key, 0..1).await;
    assert!(matches!(got, Err(StoreError::NotFound { what: "object" })), "{got:?}");
    let opened = objects.open(&key).await.map(drop);
    assert!(matches!(opened, Err(StoreError::NotFound { what: "object" })), "{opened:?}");
}

/// The whole object, through the stream.
pub async fn read(objects: &Objects, key: &str) -> Vec<u8> {
    let mut stream = objects.open(key).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    bytes
}
