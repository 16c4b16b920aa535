//! What other S3 clients expect: conditions, copies, delimiters, checksums, presigned URLs, refusals.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, MetadataDirective, ObjectIdentifier};
use bytes::Bytes;
use metastamp_chaos::client::eventually;
use metastamp_store::StoreError;
use metastamp_store::objects::Objects;

use super::contract::read;
use super::support::{Target, http, prefix};

pub async fn contract(target: &Target, objects: Objects, strict: bool) {
    conditions(target, &objects).await;
    metadata_and_copies(target, &objects).await;
    delimiters(target, &objects).await;
    checksums(target, &objects).await;
    deletes_many(target, &objects).await;
    presigned_get_and_put(&objects).await;
    refusals(target, &objects, strict).await;
}

fn status<T, E>(result: Result<T, aws_sdk_s3::error::SdkError<E>>) -> u16 {
    result.err().and_then(|error| error.raw_response().map(|raw| raw.status().as_u16())).unwrap_or(200)
}

async fn conditions(target: &Target, objects: &Objects) {
    let (sdk, bucket, key) = (target.sdk(), &target.bucket, prefix("conditions") + "object");
    let put = || sdk.put_object().bucket(bucket).key(&key).body(ByteStream::from_static(b"one"));
    assert_eq!(status(put().if_none_match("*").send().await), 200);
    assert_eq!(status(put().if_none_match("*").send().await), 412);
    let etag = objects.head(&key).await.unwrap().unwrap().etag;
    assert_eq!(status(put().if_match("\"00000000000000000000000000000000\"").send().await), 412);
    assert_eq!(status(put().if_match(format!("\"{etag}\"")).send().await), 200);
    let get = || sdk.get_object().bucket(bucket).key(&key);
    assert_eq!(status(get().if_none_match(format!("\"{etag}\"")).send().await), 304);
    assert_eq!(status(get().if_match("\"00000000000000000000000000000000\"").send().await), 412);
    assert_eq!(status(get().if_match(format!("\"{etag}\"")).send().await), 200);
    let (hour_ago, in_an_hour) = (-3600, 3600);
    let date = |offset: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        aws_sdk_s3::primitives::DateTime::from_secs(now + offset)
    };
    assert_eq!(status(get().if_unmodified_since(date(hour_ago)).send().await), 412);
    assert_eq!(status(get().if_modified_since(date(hour_ago)).send().await), 200);
    assert_eq!(status(get().if_unmodified_since(date(in_an_hour)).send().await), 200);
}

async fn metadata_and_copies(target: &Target, objects: &Objects) {
    let (sdk, bucket, prefix) = (target.sdk(), &target.bucket, prefix("copy"));
    let (from, to) = (format!("{prefix}from"), format!("{prefix}to"));
    let put = sdk.put_object().bucket(bucket).key(&from).metadata("owner", "me").content_type("text/html");
    put.cache_control("no-store").body(ByteStream::from_static(b"body")).send().await.unwrap();
    let source = format!("{bucket}/{from}");
    sdk.copy_object().bucket(bucket).key(&to).copy_source(&source).send().await.unwrap();
    objects.delete(&from).await.unwrap();
    assert_eq!(read(objects, &to).await, b"body");
    let head = sdk.head_object().bucket(bucket).key(&to).send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("owner").map(String::as_str), Some("me"));
    assert_eq!((head.content_type(), head.cache_control()), (Some("text/html"), Some("no-store")));
    let onto_itself = sdk.copy_object().bucket(bucket).key(&to).copy_source(format!("{bucket}/{to}"));
    let replaced = onto_itself.metadata_directive(MetadataDirective::Replace).content_type("a/b").metadata("n", "1");
    replaced.send().await.unwrap();
    let head = sdk.head_object().bucket(bucket).key(&to).send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap().len()), (Some("a/b"), 1));
    assert_eq!(read(objects, &to).await, b"body");
    assert_eq!(status(sdk.copy_object().bucket(bucket).key(&to).copy_source(&source).send().await), 404);
}

async fn delimiters(target: &Target, objects: &Objects) {
    let (sdk, bucket, prefix) = (target.sdk(), &target.bucket, prefix("delimiter"));
    for name in ["a", "b/1", "b/2", "c/d/e", "f", "g/1"] {
        objects.put(&format!("{prefix}{name}"), "a/b", Bytes::new()).await.unwrap();
    }
    for page_size in [100, 2, 1] {
        let (mut keys, mut prefixes, mut token) = (Vec::new(), Vec::new(), None);
        loop {
            let request = sdk.list_objects_v2().bucket(bucket).prefix(&prefix).delimiter("/").max_keys(page_size);
            let page = request.set_continuation_token(token).send().await.unwrap();
            assert!(page.key_count().unwrap() <= page_size);
            keys.extend(page.contents().iter().map(|object| object.key().unwrap()[prefix.len()..].to_owned()));
            let common = page.common_prefixes().iter();
            prefixes.extend(common.map(|common| common.prefix().unwrap()[prefix.len()..].to_owned()));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!((keys, prefixes), (vec!["a".into(), "f".into()], vec!["b/".into(), "c/".into(), "g/".into()]));
    }
    let after = sdk.list_objects_v2().bucket(bucket).prefix(&prefix).start_after(format!("{prefix}b/2"));
    assert_eq!(after.send().await.unwrap().contents().len(), 3);
}

async fn checksums(target: &Target, objects: &Objects) {
    let (sdk, bucket, key) = (target.sdk(), &target.bucket, prefix("checksum") + "object");
    let put = || sdk.put_object().bucket(bucket).key(&key).body(ByteStream::from_static(b"hello"));
    // by default the SDK sends a checksum behind the body
    assert_eq!(status(put().send().await), 200);
    for algorithm in
        [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32C, ChecksumAlgorithm::Sha1, ChecksumAlgorithm::Sha256]
    {
        assert_eq!(status(put().checksum_algorithm(algorithm).send().await), 200);
    }
    assert_eq!(status(put().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await), 200);
    assert_eq!(read(objects, &key).await, b"hello");
    assert_eq!(status(put().content_md5("XUFAKrxLKna5cZ2REBfFkA==").send().await), 400);
    assert_eq!(status(put().checksum_crc32("AAAAAA==").send().await), 400);
    assert_eq!(read(objects, &key).await, b"hello");
}

async fn deletes_many(target: &Target, objects: &Objects) {
    let (sdk, bucket, prefix) = (target.sdk(), &target.bucket, prefix("many"));
    let keys: Vec<String> = (0..5).map(|number| format!("{prefix}{number}")).collect();
    for key in &keys[..4] {
        objects.put(key, "a/b", Bytes::new()).await.unwrap();
    }
    let identifiers = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).collect();
    let delete = Delete::builder().set_objects(Some(identifiers)).build().unwrap();
    let output = sdk.delete_objects().bucket(bucket).delete(delete).send().await.unwrap();
    assert_eq!((output.deleted().len(), output.errors().len()), (5, 0));
    assert_eq!(objects.list(&prefix, None, 10).await.unwrap().objects, vec![]);
}

async fn presigned_get_and_put(objects: &Objects) {
    let (key, minute) = (prefix("presigned") + "a b+ü.png", Duration::from_secs(60));
    let url = objects.presign_put(&key, "image/png", 5, minute).await.unwrap();
    let headers = |kind: &str, length: usize| [("content-type", kind.into()), ("content-length", length.to_string())];
    assert_eq!(http("PUT", &url, &headers("image/jpeg", 5), b"hello").await.status, 403, "another type");
    assert_eq!(http("PUT", &url, &headers("image/png", 6), b"hello!").await.status, 403, "another length");
    assert_eq!(objects.head(&key).await.unwrap(), None);
    let answer = http("PUT", &url, &headers("image/png", 5), b"hello").await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    let url = objects.presign_get(&key, Some("naïve \"name\".png"), minute).await.unwrap();
    let answer = http("GET", &url, &[], b"").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()), "{}", answer.head);
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("attachment; filename*=utf-8''na%c3%afve%20%22name%22.png"), "{head}");
    assert!(head.contains("content-type: image/png"), "{head}");
    assert_eq!(http("GET", &url.replace("name", "nome"), &[], b"").await.status, 403, "changed URL");
    assert_eq!(http("DELETE", &url, &[], b"").await.status, 403, "another method");
    let short = objects.presign_get(&key, None, Duration::from_secs(1)).await.unwrap();
    let expired = || async { Ok((http("GET", &short, &[], b"").await.status == 403).then_some(())) };
    eventually("the URL expires", Duration::from_secs(10), expired).await.unwrap();
    assert!(objects.presign_get(&key, None, Duration::from_secs(8 * 86_400)).await.is_err());
}

async fn refusals(target: &Target, objects: &Objects, strict: bool) {
    let key = prefix("refused") + "object";
    objects.put(&key, "a/b", Bytes::from_static(b"secret")).await.unwrap();
    let wrong_secret = Target { secret_key: "0".repeat(50), ..target.clone() }.objects();
    let wrong_key = Target { access_key: "NOBODY0123456789".into(), ..target.clone() }.objects();
    for stranger in [wrong_secret, wrong_key] {
        let got = stranger.get_range(&key, 0..6).await;
        assert!(matches!(got, Err(StoreError::Internal(_))), "{got:?}");
        assert!(stranger.put(&key, "a/b", Bytes::from_static(b"mine")).await.is_err());
        assert!(stranger.delete(&key).await.is_err());
        assert!(stranger.ping().await.is_err());
    }
    let anonymous = http("GET", &format!("{}/{}/{key}", target.endpoint, target.bucket), &[], b"").await;
    assert_eq!(anonymous.status, 403);
    assert_eq!(read(objects, &key).await, b"secret");
    let bucket = format!("metastamp-none-{}", uuid::Uuid::new_v4().simple());
    let nowhere = Target { bucket, ..target.clone() }.objects();
    let pinged = nowhere.ping().await;
    assert!(matches!(pinged, Err(StoreError::NotFound { what: "bucket" })), "{pinged:?}");
    let got = nowhere.get_range("k", 0..1).await;
    assert!(matches!(got, Err(StoreError::NotFound { what: "bucket" })), "{got:?}");
    if !strict {
        // SeaweedFS makes the bucket
        return;
    }
    let put = nowhere.put("k", "a/b", Bytes::new()).await;
    assert!(matches!(put, Err(StoreError::NotFound { what: "bucket" })), "{put:?}");
}
