//! The embedded object store: an S3 service in this process, on loopback, on a directory several processes may share.
//!
//! Layout of the directory: `objects.sqlite` (metadata, WAL), `objects.lock` (held during write transactions),
//! `credentials.json` (the key pair), `blobs/x/y/<id>` (bytes). An upload is acknowledged after its bytes, its name and
//! its row are synced, in this order; so a crash can leave a blob without a row, never a row without a blob.

mod blobs;
mod buckets;
mod conditions;
mod credentials;
mod damage;
mod edge;
mod fault;
mod listing;
mod meta;
mod objects;
mod receive;
mod rows;
mod server;
mod service;
mod sweep;
mod uploads;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::blobs::Blobs;
use self::credentials::KeyPair;
pub use self::damage::Damage;
use self::fault::Fault;
use self::meta::Meta;
pub use self::sweep::Swept;
use crate::error::{Result, StoreError};

/// Age from which a blob without a row is a leftover rather than an upload under way.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);
/// Largest XML body: a completion of 10,000 parts, or 1,000 keys to delete.
const XML_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Everything behind the S3 operations.
#[derive(Clone)]
struct Store {
    meta: Arc<Meta>,
    blobs: Arc<Blobs>,
}

/// The running embedded service. Dropping it stops the listener without waiting.
pub struct LocalS3 {
    endpoint: String,
    keys: KeyPair,
    store: Store,
    stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl LocalS3 {
    /// Opens or creates the data directory and serves it on an ephemeral port of 127.0.0.1.
    pub async fn start(dir: &Path) -> Result<LocalS3> {
        let path = dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || open(&path)).await.map_err(Fault::from);
        let (store, keys) = opened.and_then(|opened| opened).map_err(|fault| internal(dir, &fault))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| internal(dir, &Fault::Io(error)))?;
        let address = listener.local_addr().map_err(|error| internal(dir, &Fault::Io(error)))?;

        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_auth(SimpleAuth::from_single(keys.access_key.clone(), keys.secret_key.clone()));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));

        let stop = CancellationToken::new();
        let serving = tokio::spawn(server::serve(listener, builder.build(), stop.clone()));
        let sweeping = tokio::spawn(sweep_at_start(store.clone(), stop.clone()));
        let tasks = Mutex::new(vec![serving, sweeping]);
        Ok(LocalS3 { endpoint: format!("http://{address}"), keys, store, stop, tasks })
    }

    /// Base URL for [`ObjectsConfig::endpoint`](super::ObjectsConfig::endpoint).
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn access_key(&self) -> &str {
        &self.keys.access_key
    }

    pub fn secret_key(&self) -> &str {
        &self.keys.secret_key
    }

    /// Removes blobs without a row that were last written at least `min_age` ago, and multipart uploads without
    /// activity for a day. Safe while other processes work; an upload under way whose blob is taken fails and can be
    /// repeated.
    pub async fn sweep_orphan_blobs(&self, min_age: Duration) -> Result<Swept> {
        self.store.sweep(min_age).await.map_err(|fault| StoreError::Unavailable(fault.to_string()))
    }

    /// What is wrong with the bytes of an object on the disk; none also when there is no such object.
    ///
    /// # Errors
    /// `Unavailable` when metadata or directory can't be read.
    pub async fn damage(&self, bucket: &str, key: &str) -> Result<Option<Damage>> {
        self.store.damage(bucket, key).await.map_err(|fault| StoreError::Unavailable(fault.to_string()))
    }

    /// Takes no more connections, lets requests under way end within a deadline, closes the metadata. May be called
    /// more than once.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            _ = task.await;
        }
        self.store.meta.stop().await;
    }
}

impl Drop for LocalS3 {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn open(dir: &Path) -> std::result::Result<(Store, KeyPair), Fault> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let keys = credentials::load_or_create(dir)?;
    let blobs = Arc::new(Blobs::open(dir.join("blobs"))?);
    let meta = Arc::new(Meta::open(dir, Arc::clone(&blobs))?);
    blobs::sync_dir(dir)?;
    Ok((Store { meta, blobs }, keys))
}

async fn sweep_at_start(store: Store, stop: CancellationToken) {
    let swept = tokio::select! {
        () = stop.cancelled() => return,
        swept = store.sweep(LEFTOVER_AGE) => swept,
    };
    match swept {
        Ok(swept) if swept == Swept::default() => {}
        Ok(swept) => tracing::info!(blobs = swept.blobs, uploads = swept.uploads, "object leftovers removed"),
        Err(fault) => tracing::warn!(%fault, "object leftovers not removed"),
    }
}

fn internal(dir: &Path, fault: &Fault) -> StoreError {
    StoreError::Internal(format!("object directory {}: {fault}", dir.display()))
}
