//! Opens the stores that the configuration names, and waits for those on servers.

mod backends;
mod identities;
mod waiting;

use std::path::Path;

use anyhow::Context;
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::local::LocalS3;
use metastamp_store::objects::{Objects, ObjectsConfig};
use tokio::sync::OnceCell;

pub use self::identities::{Identities, WAYS_ON};
pub use self::waiting::Waiting;
use self::waiting::{until_it_answers, until_prepared};
use crate::config::{Config, ObjectStore};
use crate::identity::private_dir;

pub struct Opened {
    pub documents: Stores,
    pub cache: SharedCache,
    pub objects: Objects,
    /// The S3 service of this process, when objects are embedded.
    pub local_s3: Option<LocalS3>,
    /// What was done to the documents to make them ready, a line for each step.
    pub prepared: Vec<String>,
    pub identities: Identities,
}

impl Opened {
    /// Opens all, in parallel, and has what is missing in them made. Servers that do not answer are waited for as long
    /// as the configuration allows; only the cache is never waited for.
    ///
    /// # Errors
    /// When a store can't be opened or created, or a server did not come; the error names it.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_watched(config, &Waiting::default()).await
    }

    /// The same; `waiting` always says which ones are there already.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub async fn open_watched(config: &Config, waiting: &Waiting) -> anyhow::Result<Self> {
        private_dir(&config.data_dir)?;
        let cache = backends::cache(config).context("cache")?;
        let asked = async {
            // only so that it can be said: nobody waits for the cache
            waiting.cache.set(cache.ping().await.is_ok());
            Ok(())
        };
        let documents = documents(config, cache.clone(), waiting);
        let objects = objects(config, &config.data_dir, waiting);
        let (documents, objects, ()) = tokio::try_join!(documents, objects, asked)?;
        let ((documents, prepared), (objects, local_s3)) = (documents, objects);
        let identities = Identities::settle(config, &documents, &objects).await?;
        Ok(Self { documents, cache, objects, local_s3, prepared, identities })
    }
}

/// The documents alone, for commands that need nothing else.
///
/// # Errors
/// As [`Opened::open`].
pub async fn open_documents(config: &Config) -> anyhow::Result<Stores> {
    private_dir(&config.data_dir)?;
    let cache = backends::cache(config).context("cache")?;
    Ok(documents(config, cache, &Waiting::default()).await?.0)
}

async fn documents(config: &Config, cache: SharedCache, waiting: &Waiting) -> anyhow::Result<(Stores, Vec<String>)> {
    let opened = OnceCell::new();
    let open = || opened.get_or_try_init(|| backends::documents(config, cache.clone()));
    match open().await {
        // a name that can't be looked up may be known later
        Err(error) if !error.is_transient() => return Err(error).context("documents"),
        _ => {}
    }
    let answering = until_it_answers("mongodb", &waiting.documents, config.stores.wait, async || {
        let stores = open().await?;
        stores.records.ping().await?;
        Ok(stores.clone())
    });
    let stores = answering.await?;
    let lines = until_prepared(&stores).await?;
    Ok((stores, lines))
}

async fn objects(config: &Config, dir: &Path, waiting: &Waiting) -> anyhow::Result<(Objects, Option<LocalS3>)> {
    let (local_s3, endpoint, access_key, secret_key) = match &config.stores.objects {
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
        public_endpoint: config.stores.s3_public_endpoint.clone(),
        region: config.stores.region.clone(),
        access_key,
        secret_key,
        bucket: config.stores.bucket.clone(),
        op_timeout: backends::OBJECT_OP_WITHIN,
    });
    until_it_answers("object store", &waiting.objects, config.stores.wait, async || {
        Ok(objects.ensure_bucket().await?)
    })
    .await?;
    Ok((objects, local_s3))
}
