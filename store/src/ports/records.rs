//! The store as a whole: whether it answers, bringing it up to date, and raw access to all that it keeps.

use async_trait::async_trait;

use metastamp_protocol::Store;

use crate::Result;
use crate::identity::StoreIdentity;
use crate::records::{Bson, Collection, Document};

/// Raw access is for backups, moves and repairs. Nodes may be running; whoever writes here while they do must know what
/// it does.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Answers when the store does.
    async fn ping(&self) -> Result<()>;
    /// Makes collections, validators and indexes and brings older data up to date. Idempotent; of several nodes that
    /// call it at once, one does the work and the others wait for it. Returns what was done, a line for each step.
    async fn prepare(&self) -> Result<Vec<String>>;
    /// A view that later writes do not change.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;
    /// Puts records as they are, in place of those of the same `_id`. Durable when it answers. Safe to repeat.
    async fn put_records(&self, collection: Collection, records: Vec<Document>) -> Result<()>;
    /// Removes records by `_id`; returns how many there were.
    async fn remove_records(&self, collection: Collection, ids: Vec<Bson>) -> Result<u64>;
    /// Removes every record of every collection; the collections stay, and so do the identities.
    async fn clear(&self) -> Result<()>;
    /// Keeps the identity of a store, these documents or another one that belongs to them, unless one is kept; answers
    /// the one that is.
    async fn keep_identity(&self, of: Store, fresh: StoreIdentity) -> Result<StoreIdentity>;
    /// Puts the identity of a store in place of the one that is kept.
    async fn put_identity(&self, of: Store, identity: StoreIdentity) -> Result<()>;
}

#[async_trait]
pub trait Snapshot: Send {
    /// Whether all collections are seen at one instant. Without it each is read in one pass, in the order of
    /// [`Collection::ALL`], and a record may refer to one that was removed meanwhile.
    fn is_of_one_instant(&self) -> bool;
    async fn count(&mut self, collection: Collection) -> Result<u64>;
    /// Up to `limit` records in the order of `_id`, starting after the one of `after`.
    async fn page(&mut self, collection: Collection, after: Option<Bson>, limit: u32) -> Result<Vec<Document>>;
}
