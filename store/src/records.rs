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

pub(crate) use codec::to_value;
pub use codec::{decode, encode};
pub use mongodb::bson::{self, Bson, Document};

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
