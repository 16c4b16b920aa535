//! Opens the stores that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metastamp_store::cache::SharedCache;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::SharedDocuments;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::objects::local::LocalS3;
use metastamp_store::objects::{Objects, ObjectsConfig};

use crate::config::{Config, ObjectStore};
use crate::identity::private_dir;

/// Longest single call to the object store.
const OBJECT_OP_WITHIN: Duration = Duration::from_secs(60);

pub struct Stores {
    pub documents: SharedDocuments,
    pub cache: SharedCache,
    pub objects: Objects,
    /// The S3 service of this process, when objects are embedded.
    pub local_s3: Option<LocalS3>,
}

impl Stores {
    /// # Errors
    /// When a store can't be opened or created.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let dir = &config.data_dir;
        private_dir(dir)?;
        let documents = EmbeddedDocuments::open(dir).context("documents")?;
        let cache = EmbeddedCache::open(dir).context("cache")?;
        let (local_s3, endpoint, access_key, secret_key) = match &config.objects {
            ObjectStore::Embedded => {
                let local = LocalS3::start(&dir.join("objects")).await.context("object service")?;
                let endpoint = Some(local.endpoint().to_owned());
                let keys = (local.access_key().to_owned(), local.secret_key().to_owned());
                (Some(local), endpoint, keys.0, keys.1)
            }
            ObjectStore::External { endpoint, access_key, secret_key } => {
                (None, endpoint.clone(), access_key.clone(), secret_key.clone())
            }
        };
        let objects = Objects::new(ObjectsConfig {
            endpoint,
            public_endpoint: config.s3_public_endpoint.clone(),
            region: config.region.clone(),
            access_key,
            secret_key,
            bucket: config.bucket.clone(),
            op_timeout: OBJECT_OP_WITHIN,
        });
        objects.ensure_bucket().await.context("bucket")?;
        Ok(Self { documents: Arc::new(documents), cache: Arc::new(cache), objects, local_s3 })
    }
}
