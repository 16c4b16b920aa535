//! What the cluster needs of the node's own entities.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::{Answer, Command, Failure, Notice};

/// The entities of this node. The cluster decides where a command goes; this does it.
#[async_trait]
pub trait Entities: Send + Sync + 'static {
    /// Does the command here, whoever owns the id, and answers within the time given.
    async fn perform(&self, command: Command, within: Duration) -> Result<Answer, Failure>;

    /// News from another member. Must not block.
    fn notice(&self, from: &NodeRef, notice: Notice);

    /// This node was asleep: what entities hold in memory may be stale, and is to be loaded again.
    fn distrust(&self);
}
