//! Which process does what: leases, and the lives of nodes.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{NodeRef, Timestamp};

use crate::Result;

#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// This process is `node` from now on. What former lives of it left open in the store is ended.
    async fn come_up(&self, node: &NodeRef) -> Result<()>;
    /// Takes or renews the lease `name` for `holder`, until `now + ttl`; false while it is someone else's.
    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool>;
    /// Ends the lease if `holder` has it.
    async fn return_lease(&self, name: &str, holder: &str) -> Result<()>;
}
