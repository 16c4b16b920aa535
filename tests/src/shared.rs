//! One node for many tests.

use std::sync::{Arc, Weak};

use metastamp_chaos::{NodeOptions, NodeProcess};
use parking_lot::Mutex;

/// A node that lives as long as some test uses it. Statics are never dropped, so it holds the node weakly: the last
/// test to end, well or badly, ends the node. A later test starts another.
pub struct SharedNode {
    options: fn() -> NodeOptions,
    node: Mutex<Weak<NodeProcess>>,
}

impl SharedNode {
    pub const fn new(options: fn() -> NodeOptions) -> Self {
        Self { options, node: Mutex::new(Weak::new()) }
    }

    /// The running node, started if there is none.
    pub fn get(&self) -> Arc<NodeProcess> {
        let mut node = self.node.lock();
        node.upgrade().unwrap_or_else(|| {
            let started = Arc::new(NodeProcess::start((self.options)()).unwrap());
            *node = Arc::downgrade(&started);
            started
        })
    }
}
