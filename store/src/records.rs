//! Records: documents as they lie at rest in MongoDB and in archives, in BSON.
//!
//! A record has the shape of `docs/STORAGE.md`: `_id` and references are ObjectIds, instants are dates in UTC. The
//! domain types never see that shape; [`encode`] and [`decode`] translate. Moving data between backends, backups and
//! repairs work on records, so that what one backend wrote, any other can take.

mod codec;
mod legacy;
pub mod money;
mod shape;
pub mod wallet;

use async_trait::async_trait;
pub use codec::{decode, encode};
pub use mongodb::bson::{self, Bson, Document};

use crate::Result;

/// Everything that is kept, by the names that MongoDB and archives use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    Users,
    Assets,
    Fingerprints,
    Wallet,
    WalletJournal,
    WalletTransactions,
    Analytics,
    UsageEvents,
    Partners,
    ApiKeys,
    Jobs,
    Uploads,
    Repeats,
    Garbage,
    RevokedSessions,
}

impl Collection {
    /// In the order in which a reader without a snapshot loses least: what is referred to comes after what refers.
    pub const ALL: [Collection; 15] = [
        Collection::Jobs,
        Collection::Uploads,
        Collection::Repeats,
        Collection::Garbage,
        Collection::RevokedSessions,
        Collection::WalletTransactions,
        Collection::Wallet,
        Collection::WalletJournal,
        Collection::Analytics,
        Collection::UsageEvents,
        Collection::ApiKeys,
        Collection::Partners,
        Collection::Fingerprints,
        Collection::Assets,
        Collection::Users,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Collection::Users => "users",
            Collection::Assets => "assets",
            Collection::Fingerprints => "fingerprints",
            Collection::Wallet => "wallet",
            Collection::WalletJournal => "wallet_journal",
            Collection::WalletTransactions => "wallet_transactions",
            Collection::Analytics => "analytics",
            Collection::UsageEvents => "usage_events",
            Collection::Partners => "partners",
            Collection::ApiKeys => "api_keys",
            Collection::Jobs => "jobs",
            Collection::Uploads => "uploads",
            Collection::Repeats => "repeats",
            Collection::Garbage => "garbage",
            Collection::RevokedSessions => "revoked_sessions",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.name() == name)
    }
}

/// Raw access to all that a document store keeps, for backups, moves and repairs. Nodes may be running; whoever writes
/// here while they do must know what it does.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// A view that later writes do not change.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;
    /// Puts records as they are, in place of those of the same `_id`. Durable when it answers. Safe to repeat.
    async fn put_records(&self, collection: Collection, records: Vec<Document>) -> Result<()>;
    /// Removes records by `_id`; returns how many there were.
    async fn remove_records(&self, collection: Collection, ids: Vec<Bson>) -> Result<u64>;
    /// Removes every record of every collection; the collections stay.
    async fn clear(&self) -> Result<()>;
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
