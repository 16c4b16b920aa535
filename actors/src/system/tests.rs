//! All actors of two nodes on one set of stores, without a cluster between them: only the store keeps them apart.

use std::path::Path;

use metastamp_protocol::{Asset, FileKind, NewUpload, Received, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::objects::{LocalS3, ObjectsConfig};
use sha2::{Digest as _, Sha256};

use super::*;

const WITHIN: Duration = Duration::from_secs(30);

fn node(node_id: &str) -> NodeRef {
    NodeRef { node_id: node_id.to_owned(), generation: 1 }
}

async fn deps(dir: &Path, service: &LocalS3, node: NodeRef) -> Deps {
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
    Deps {
        stores: Stores::of(EmbeddedDocuments::open(dir).unwrap()),
        cache: Arc::new(EmbeddedCache::open(dir).unwrap()),
        objects,
        cluster: Cluster::alone(node),
        settings: Settings::new(dir.to_owned()),
    }
}

fn new_upload(file_name: &str) -> NewUpload {
    NewUpload {
        id: ObjectId::generate(),
        user_id: ObjectId::generate(),
        file_name: file_name.to_owned(),
        original_file_name: None,
        kind: FileKind::Text,
        receiver: node("edge"),
    }
}

fn received(text: &str) -> Received {
    Received {
        size: text.len() as u64,
        sha256: Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect(),
        digests: None,
        mime_type: "text/plain".to_owned(),
        title: None,
        description: None,
    }
}

/// Uploads through `first` and commits through `second`.
async fn upload(first: &System, second: &System, objects: &Objects, text: &str) -> Asset {
    let new = new_upload("a.txt");
    let id = new.id;
    let ticket = first.uploads.begin(new).await.unwrap();
    objects.put(&ticket.s3_key, "text/plain", text.to_owned().into()).await.unwrap();
    second.uploads.renew(id).await.unwrap();
    let stored = second.uploads.complete(id, received(text)).await.unwrap();
    let again = first.uploads.complete(id, received(text)).await.unwrap();
    assert_eq!((stored.asset.id, stored.repeat), (again.asset.id, again.repeat));
    assert!(first.uploads.abort(id).await.is_err(), "what is stored can not be given up");
    stored.asset
}

async fn ready(stores: &Stores, id: ObjectId) {
    let ready = async {
        while stores.works.asset(id).await.unwrap().unwrap().upload_status != UploadStatus::Ready {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, ready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_uploads_and_jobs_through_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let service = LocalS3::start(&dir.path().join("objects")).await.unwrap();
    let of_a = deps(dir.path(), &service, node("a")).await;
    let (stores, objects) = (of_a.stores.clone(), of_a.objects.clone());
    let a = System::start(of_a).await.unwrap();
    let b = System::start(deps(dir.path(), &service, node("b")).await).await.unwrap();
    let mut assets = Vec::new();
    for i in 0..10 {
        let asset = upload(&a, &b, &objects, &format!("text number {i}")).await;
        [&a, &b][i % 2].job_queued();
        a.distrust();
        assets.push(asset.id);
    }
    for id in assets {
        ready(&stores, id).await;
    }
    // One has left; the other looks when it is told to.
    a.drain(Duration::from_secs(5)).await;
    let asset = upload(&b, &b, &objects, "the last one").await;
    b.notice(&node("a"), Notice::JobsWaiting);
    ready(&stores, asset.id).await;
    b.drain(Duration::from_secs(5)).await;
    service.shutdown().await;
}
