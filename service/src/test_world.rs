//! Embedded stores and the actors over them, for tests of use cases.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metastamp_actors::{Deps as ActorDeps, Settings as ActorSettings, System};
use metastamp_cluster::Cluster;
use metastamp_protocol::{FileKind, NodeRef, ObjectId};
use metastamp_store::Stores;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::objects::{LocalS3, Objects, ObjectsConfig};

use crate::Deps;
use crate::error::Result;
use crate::fair::Origin;
use crate::ingest::{self, About, Announced, Digesting, Ingest, Stored};
use crate::works::{self, Works};

const WITHIN: Duration = Duration::from_secs(30);

pub struct World {
    pub deps: Deps,
    pub ingest: Ingest,
    pub works: Works,
    pub s3: LocalS3,
    dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let s3 = LocalS3::start(&dir.path().join("objects")).await.unwrap();
        let deps = deps(&dir, &s3).await;
        let ingest = Ingest::new(&deps, ingest_settings(&dir));
        let works = Works::new(
            &deps,
            works::Settings { fingerprinting: false, link_secret: "a secret of at least 32 characters".to_owned() },
        );
        Self { deps, ingest, works, s3, dir }
    }

    /// The same stores under other rules.
    pub fn ingest_with(&self, change: impl FnOnce(&mut ingest::Settings)) -> Ingest {
        let mut settings = ingest_settings(&self.dir);
        change(&mut settings);
        Ingest::new(&self.deps, settings)
    }

    /// Sends a text as one file.
    pub async fn send(&self, user_id: ObjectId, name: &str, text: &'static str) -> Result<Stored> {
        let admission = self.ingest.admit(user_id, Origin::default())?;
        let mut incoming = admission.open(text_file(name))?;
        incoming.write(Bytes::from_static(text.as_bytes())).await?;
        incoming.finish().await?.commit(About::default()).await
    }

    /// Keys of objects that wait for their removal.
    pub async fn garbage(&self) -> Vec<String> {
        let rows = self.deps.stores.uploads.garbage(100).await.unwrap();
        rows.into_iter().map(|garbage| garbage.s3_key).collect()
    }

    pub async fn object_is_there(&self, key: &str) -> bool {
        self.deps.objects.head(key).await.unwrap().is_some()
    }

    pub async fn end(self) {
        self.deps.actors.drain(Duration::from_secs(1)).await;
        self.s3.shutdown().await;
    }
}

pub fn text_file(name: &str) -> Announced<'_> {
    Announced { name, kind: FileKind::Text, digesting: Digesting::AsItPasses }
}

/// Waits until `holds` does.
pub async fn eventually(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, waiting).await.unwrap();
}

async fn deps(dir: &tempfile::TempDir, s3: &LocalS3) -> Deps {
    let objects = Objects::new(ObjectsConfig {
        endpoint: Some(s3.endpoint().to_owned()),
        public_endpoint: None,
        region: "us-east-1".to_owned(),
        access_key: s3.access_key().to_owned(),
        secret_key: s3.secret_key().to_owned(),
        bucket: "test".to_owned(),
        op_timeout: Duration::from_secs(20),
    });
    objects.ensure_bucket().await.unwrap();
    let deps = ActorDeps {
        stores: Stores::of(EmbeddedDocuments::open(dir.path()).unwrap()),
        cache: Arc::new(EmbeddedCache::open(dir.path()).unwrap()),
        objects,
        cluster: Cluster::alone(NodeRef { node_id: "a".to_owned(), generation: 1 }),
        settings: ActorSettings {
            fingerprinting: false,
            // what is garbage must stay to be seen
            sweep_every: Duration::from_secs(3_600),
            ..ActorSettings::new(dir.path().to_owned())
        },
    };
    let actors = System::start(deps.clone()).await.unwrap();
    Deps { stores: deps.stores, cache: deps.cache, objects: deps.objects, actors }
}

fn ingest_settings(dir: &tempfile::TempDir) -> ingest::Settings {
    ingest::Settings {
        bytes_max: 64 << 20,
        direct_bytes_below: 10 << 20,
        allowed_extensions: vec!["txt".to_owned(), "png".to_owned()],
        temp_dir: dir.path().to_owned(),
        time_max: WITHIN,
    }
}
