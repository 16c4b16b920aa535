//! Everything a handler needs, in one place.

use std::path::PathBuf;
use std::time::Duration;

use metastamp_actors::System;
use metastamp_cluster::Cluster;
use metastamp_service::{Deps, Service, Settings, accounts, ingest, works};
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use metastamp_setup::config::Config;

pub struct App {
    pub config: Config,
    pub cluster: Cluster,
    pub service: Service,
    pub metrics: Metrics,
    leaving: CancellationToken,
}

/// What [`App::new`] puts together.
pub struct Parts {
    pub config: Config,
    pub stores: Stores,
    pub cache: SharedCache,
    pub objects: Objects,
    pub actors: System,
    pub cluster: Cluster,
    pub metrics: Metrics,
    /// Signs tokens and links.
    pub signing_secret: String,
    /// Where uploads put what does not fit into memory.
    pub temp_dir: PathBuf,
    pub upload_time_max: Duration,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        let settings = settings(&parts);
        let Parts { config, stores, cache, objects, actors, cluster, metrics, .. } = parts;
        let service = Service::new(&Deps { stores, cache, objects, actors }, settings);
        Self { config, cluster, service, metrics, leaving: CancellationToken::new() }
    }

    /// From now on `/ready` says no, so that load balancers look elsewhere.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Ends when the node leaves: what would go on for ever ends with it, so that clients look elsewhere.
    #[allow(dead_code, reason = "ready for the first answer without an end")]
    pub fn leaving(&self) -> impl Future<Output = ()> + Send + 'static {
        self.leaving.clone().cancelled_owned()
    }
}

/// What an operator decides about use cases.
fn settings(parts: &Parts) -> Settings {
    let Parts { config, signing_secret, temp_dir, upload_time_max, .. } = parts;
    Settings {
        accounts: accounts::Settings {
            allow_registration: config.allow_registration,
            jwt_secret: signing_secret.clone(),
            token_life: config.token_life,
            hashes_at_once: config.threads.div_ceil(2),
        },
        ingest: ingest::Settings {
            bytes_max: config.upload_bytes_max,
            direct_bytes_below: config.direct_bytes_below,
            allowed_extensions: config.allowed_extensions.clone(),
            temp_dir: temp_dir.clone(),
            time_max: *upload_time_max,
        },
        works: works::Settings { fingerprinting: config.fingerprinting, link_secret: signing_secret.clone() },
    }
}
