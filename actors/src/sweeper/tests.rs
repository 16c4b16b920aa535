//! The search for orphans beside uploads, with ages at which every mistake would show.

use std::sync::Arc;

use bytes::Bytes;
use metastamp_protocol::{Asset, FileKind, NodeRef, ObjectId, UploadSession, UploadState, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::objects::{LocalS3, ObjectsConfig};
use metastamp_store::ports::UploadCommit;

use super::orphans::Orphans;
use super::*;

struct Stage {
    stores: Stores,
    objects: Objects,
    settings: Settings,
    _service: LocalS3,
    _dir: tempfile::TempDir,
}

async fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let service = LocalS3::start(&dir.path().join("objects")).await.unwrap();
    let objects = Objects::new(ObjectsConfig {
        endpoint: Some(service.endpoint().to_owned()),
        public_endpoint: None,
        region: "us-east-1".to_owned(),
        access_key: service.access_key().to_owned(),
        secret_key: service.secret_key().to_owned(),
        bucket: "test".to_owned(),
        op_timeout: Duration::from_secs(20),
    });
    objects.ensure_bucket().await.unwrap();
    let settings =
        Settings { orphans_every: Duration::ZERO, orphan_age: Duration::ZERO, ..Settings::new(dir.path().to_owned()) };
    let stores = Stores::of(EmbeddedDocuments::open(dir.path()).unwrap());
    Stage { stores, objects, settings, _service: service, _dir: dir }
}

impl Stage {
    async fn pass(&self, orphans: &mut Orphans) {
        // objects of this very moment are old enough
        let now = Timestamp::now().plus(Duration::from_secs(60));
        orphans.pass(&self.stores, &self.objects, &self.settings, now).await.unwrap();
    }

    async fn put(&self, key: &str) {
        self.objects.put(key, "text/plain", Bytes::from_static(b"text")).await.unwrap();
    }

    /// A whole upload, with pauses in which the search may come by.
    async fn upload(&self, name: &str) -> Asset {
        let (id, user_id, now) = (ObjectId::generate(), ObjectId::generate(), Timestamp::now());
        let session = UploadSession {
            id,
            user_id,
            file_name: name.to_owned(),
            original_file_name: None,
            kind: FileKind::Text,
            s3_key: format!("uploads/{name}"),
            state: UploadState::Receiving,
            owner: NodeRef { node_id: "a".to_owned(), generation: 1 },
            created_at: now,
            expires_at: now.plus(Duration::from_secs(60)),
        };
        self.stores.uploads.open_upload(&session).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.put(&session.s3_key).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let asset = asset(&session);
        let commit = UploadCommit { asset: asset.clone(), fingerprint: None, repeat_since: now };
        self.stores.works.commit_upload(commit).await.unwrap();
        asset
    }
}

fn asset(session: &UploadSession) -> Asset {
    Asset {
        id: session.id,
        user_id: session.user_id,
        file_name: session.file_name.clone(),
        original_file_name: None,
        file_type: session.kind,
        file_size: 4,
        mime_type: "text/plain".to_owned(),
        s3_key: session.s3_key.clone(),
        s3_bucket: "test".to_owned(),
        upload_status: UploadStatus::Ready,
        processing_status: None,
        fingerprint_id: None,
        error_message: None,
        url_source: None,
        title: None,
        description: None,
        sha256: session.id.to_hex(),
        digests: None,
        pictures: Vec::new(),
        ai_touch_score: None,
        metadata: Default::default(),
        created_at: session.created_at,
        updated_at: session.created_at,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_counted_and_uploads_are_not() {
    let stage = Arc::new(stage().await);
    for n in 0..5 {
        stage.put(&format!("uploads/orphan-{n}")).await;
    }
    stage.put("public/not-ours").await;
    let uploads: Vec<_> = (0..40)
        .map(|n| {
            let stage = stage.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(n * 7)).await;
                stage.upload(&format!("kept-{n}")).await
            })
        })
        .collect();
    let mut orphans = Orphans::default();
    let mut kept = Vec::new();
    for upload in uploads {
        while !upload.is_finished() {
            stage.pass(&mut orphans).await;
        }
        kept.push(upload.await.unwrap());
    }
    for _ in 0..4 {
        stage.pass(&mut orphans).await;
    }
    assert_eq!(orphans.suspected(), (0, 5));
    for asset in kept {
        assert!(stage.objects.head(&asset.s3_key).await.unwrap().is_some(), "{} is gone", asset.s3_key);
    }
    let left = stage.objects.list("uploads/", None, 1_000).await.unwrap().objects;
    assert_eq!(left.len(), 45, "nothing is removed without people");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_its_object_is_seen_and_left_alone() {
    let stage = stage().await;
    let asset = stage.upload("lost").await;
    stage.objects.delete(&asset.s3_key).await.unwrap();
    let mut orphans = Orphans::default();
    for _ in 0..6 {
        stage.pass(&mut orphans).await;
    }
    assert_eq!(orphans.suspected(), (1, 0));
    assert_eq!(stage.stores.works.asset(asset.id).await.unwrap(), Some(asset));
}
