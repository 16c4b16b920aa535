//! How busy this node is, for the other members to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metastamp_cluster::{Cluster, Load};

use crate::fingerprint::{JobActor, Pool};
use crate::registry::Registry;
use crate::upload::Sessions;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct LoadReport {
    cluster: Cluster,
    /// `None` when fingerprinting is switched off here: such a node is never idle.
    pool: Option<Pool>,
    sessions: Sessions,
    jobs: Registry<JobActor>,
    /// Workers that were busy in the last report.
    busy: Arc<AtomicUsize>,
}

impl LoadReport {
    pub fn new(cluster: Cluster, pool: Option<Pool>, sessions: Sessions, jobs: Registry<JobActor>) -> Self {
        Self { cluster, pool, sessions, jobs, busy: Arc::default() }
    }

    /// At once when workers were taken or freed; the rest is for the next beat.
    pub fn publish_if_changed(&self) {
        let busy = self.pool.as_ref().map_or(0, Pool::busy);
        if self.busy.load(Ordering::Relaxed) != busy {
            self.publish();
        }
    }

    pub fn publish(&self) {
        let busy = self.pool.as_ref().map_or(0, Pool::busy);
        self.busy.store(busy, Ordering::Relaxed);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.cluster.set_load(Load {
            workers: count(self.pool.as_ref().map_or(0, Pool::workers)),
            busy: count(busy),
            entities: count(self.sessions.registry.active() + self.jobs.active()),
        });
    }
}
