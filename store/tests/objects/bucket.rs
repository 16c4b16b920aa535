//! Settings of the bucket, age of objects, and walks.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use metastamp_protocol::Timestamp;
use metastamp_store::objects::{ListedObject, Objects, Setting};

use super::support::{Target, http, prefix};

pub async fn contract(objects: &Objects) {
    let prefix = prefix("walk");
    let begun = Timestamp::now();
    for number in 0..5 {
        objects.put(&format!("{prefix}{number}"), "a/b", Bytes::from_static(b"x")).await.unwrap();
    }
    let walked: Vec<ListedObject> = objects.walk(&prefix).try_collect().await.unwrap();
    assert_eq!(walked.iter().map(|object| &object.key[prefix.len()..]).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
    for object in walked {
        // whole seconds, and clocks of one machine
        let age_ms = object.modified.unwrap().millis() - begun.millis();
        assert!((-2_000..60_000).contains(&age_ms), "{age_ms} ms");
        objects.delete(&object.key).await.unwrap();
    }
    assert_eq!(objects.walk(&prefix).try_collect::<Vec<_>>().await.unwrap(), []);
}

/// For a server that has such settings.
pub async fn settings(target: &Target, objects: &Objects) {
    let origins = ["http://localhost:3000".to_owned(), "https://example.org".to_owned()];
    assert_eq!(objects.ensure_cors(&origins).await.unwrap(), Setting::Set);
    assert_eq!(objects.ensure_cors(&origins).await.unwrap(), Setting::Kept);
    assert_eq!(objects.ensure_policy().await.unwrap(), Setting::Set);
    assert_eq!(objects.ensure_policy().await.unwrap(), Setting::Kept);
    let rules = target.sdk().get_bucket_cors().bucket(&target.bucket).send().await.unwrap();
    assert!(rules.cors_rules().iter().any(|rule| rule.allowed_origins() == origins), "{rules:?}");
    for key in ["public/a", "uploads/a"] {
        objects.put(key, "a/b", Bytes::from_static(b"x")).await.unwrap();
    }
    let url = |key: &str| format!("{}/{}/{key}", target.endpoint, target.bucket);
    assert_eq!(http("GET", &url("public/a"), &[], b"").await.status, 200);
    assert_eq!(http("GET", &url("uploads/a"), &[], b"").await.status, 403);
    for (method, key) in [("PUT", "public/a"), ("DELETE", "public/a"), ("GET", "?list-type=2")] {
        let length = [("content-length", "1".to_owned())];
        let status = http(method, &url(key), &length, b"y").await.status;
        assert_eq!(status, 403, "{method} {key}");
    }
    assert_eq!(objects.get_range("public/a", 0..9).await.unwrap(), "x");
}

/// For a server that has none.
pub async fn no_settings(objects: &Objects) {
    assert_eq!(objects.ensure_cors(&["http://localhost:3000".to_owned()]).await.unwrap(), Setting::Unsupported);
    assert_eq!(objects.ensure_policy().await.unwrap(), Setting::Unsupported);
}
