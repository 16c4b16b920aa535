//! Fingerprint jobs: claimed from the store, run on a bounded pool, committed under the claim.

mod engine;
mod job;
mod pool;
mod queue;
pub mod state;
mod waits;
mod worker;

use std::sync::Arc;

use metastamp_protocol::{NodeRef, ObjectId};
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;

use crate::Settings;
use crate::registry::Registry;
pub(crate) use job::{JobActor, Message as JobMessage};
pub(crate) use pool::Pool;
pub(crate) use queue::{Message as QueueMessage, Queue};
pub use worker::Program;
pub(crate) use worker::Workers;

/// Cache key under which a running job tells how far it is.
pub fn progress_key(fingerprint_id: ObjectId) -> String {
    format!("progress:{fingerprint_id}")
}

/// Cache key of the first answer of a running job.
pub fn first_answer_key(fingerprint_id: ObjectId) -> String {
    format!("first:{fingerprint_id}")
}

/// What jobs work with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub stores: Stores,
    pub cache: SharedCache,
    pub objects: Objects,
    pub node: NodeRef,
    pub settings: Settings,
    /// None: jobs run in this process.
    pub workers: Option<Workers>,
    pub waits: Arc<waits::Waits>,
}

/// The jobs that run on this node, by job id.
pub(crate) fn jobs(tools: Tools) -> Registry<JobActor> {
    Registry::new(JobActor { tools })
}
