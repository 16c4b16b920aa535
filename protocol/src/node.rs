//! Who wrote something: a node and its generation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A running node. The generation rises at every start, so a node that comes back is not taken for its former self.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeRef {
    pub node_id: String,
    /// Start time, milliseconds since 1970.
    pub generation: i64,
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node_id, self.generation)
    }
}
