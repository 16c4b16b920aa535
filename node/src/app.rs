//! Everything a handler needs, in one place.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metastamp_actors::System;
use metastamp_cluster::Cluster;
use metastamp_store::cache::SharedCache;
use metastamp_store::documents::SharedDocuments;
use metastamp_store::objects::Objects;

use crate::auth::passwords::Passwords;
use crate::auth::picture_links::PictureLinks;
use crate::auth::tokens::Tokens;
use crate::config::Config;
use crate::http::UploadSlots;
use crate::telemetry::metrics::Metrics;

/// Longest wait for the removal of an object; the sweeper has more patience.
const REMOVED_WITHIN: Duration = Duration::from_secs(4);

pub struct App {
    pub config: Config,
    pub documents: SharedDocuments,
    pub cache: SharedCache,
    pub objects: Objects,
    pub actors: System,
    pub cluster: Cluster,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub pictures: PictureLinks,
    /// Sessions known to be revoked. Revocation is final, so this may be remembered for as long as we like.
    pub revoked: moka::sync::Cache<String, ()>,
    pub metrics: Metrics,
    /// Where uploads put what does not fit into memory.
    pub temp_dir: PathBuf,
    pub upload_time_max: Duration,
    pub upload_slots: UploadSlots,
    leaving: AtomicBool,
}

/// What [`App::new`] puts together.
pub struct Parts {
    pub config: Config,
    pub documents: SharedDocuments,
    pub cache: SharedCache,
    pub objects: Objects,
    pub actors: System,
    pub cluster: Cluster,
    pub metrics: Metrics,
    pub temp_dir: PathBuf,
    pub upload_time_max: Duration,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        let Parts { config, documents, cache, objects, actors, cluster, metrics, temp_dir, upload_time_max } = parts;
        let tokens = Tokens::new(&config.jwt_secret, config.token_life);
        let pictures = PictureLinks::new(&config.jwt_secret);
        let passwords = Passwords::new(config.threads.div_ceil(2));
        let revoked = moka::sync::Cache::new(100_000);
        let leaving = AtomicBool::new(false);
        Self {
            config,
            documents,
            cache,
            objects,
            actors,
            cluster,
            tokens,
            passwords,
            pictures,
            revoked,
            metrics,
            temp_dir,
            upload_time_max,
            upload_slots: UploadSlots::default(),
            leaving,
        }
    }

    /// From now on `/ready` says no, so that load balancers look elsewhere.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Removes an object whose row is gone; on failure its garbage row stays and the sweeper tries again.
    pub async fn remove_object(&self, s3_key: &str) -> bool {
        match tokio::time::timeout(REMOVED_WITHIN, self.objects.delete(s3_key)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "object not removed yet");
                return false;
            }
            Err(_) => {
                tracing::warn!("object not removed yet: no answer within {REMOVED_WITHIN:?}");
                return false;
            }
        }
        if let Err(error) = self.documents.forget_garbage(s3_key).await {
            tracing::warn!(%error, "garbage row stays");
        }
        true
    }
}
