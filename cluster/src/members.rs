//! The live members as this node sees them.

use std::sync::Arc;

use metastamp_protocol::NodeRef;
use tokio::sync::watch;

/// A view that changes as members come and go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Members {
    local: NodeRef,
    live: watch::Receiver<Arc<[NodeRef]>>,
}

impl Members {
    /// A node by itself: it is the only member, for as long as it runs.
    pub fn alone(local: NodeRef) -> Self {
        let (_, live) = watch::channel(Arc::from([local.clone()]));
        Self { local, live }
    }

    /// A view fed by `live`, which must always hold `local`: a node never doubts that it runs itself.
    pub fn watching(local: NodeRef, live: watch::Receiver<Arc<[NodeRef]>>) -> Self {
        Self { local, live }
    }

    pub fn local(&self) -> &NodeRef {
        &self.local
    }

    pub fn live(&self) -> Arc<[NodeRef]> {
        self.live.borrow().clone()
    }
}
