//! What the system asks of a document store: a trait for each subject, its value types beside it.
//!
//! Methods are whole domain steps, so that each backend can make them atomic in its own way. Placement of actors is a
//! hint: every step that must not happen twice is conditional on what the caller last read, and the loser learns it
//! as `Fenced` or as an outcome.
//!
//! | port | subject | shown from the cache, or drops what is |
//! | --- | --- | --- |
//! | [`Users`] | accounts | |
//! | [`Logins`] | who a token speaks for, and its end | a revocation, when the truth does not answer |
//! | [`Uploads`] | upload sessions and garbage | |
//! | [`Works`] | assets and fingerprints, from the commit of the upload to the end | assets, lists, fingerprints |
//! | [`Jobs`] | the queue | drops what shows the job's work |
//! | [`Ledger`] | journals of wallets and their views | |
//! | [`Partners`] | partners and their API keys | |
//! | [`Usage`] | usage events | drops the asset that gets a score |
//! | [`Analytics`] | calculations | drops the asset that gets a score |
//! | [`Leases`] | which process does what | |
//! | [`Records`] | the store as a whole | drops everything |
//!
//! A backend implements each in the file of the subject (`documents/embedded/users.rs`, `documents/mongo/users.rs`), the
//! cache those of the last column ([`cached`](crate::cached)). The contract suite in `tests/contract` holds all of them.

mod analytics;
mod jobs;
mod leases;
mod ledger;
mod logins;
mod partners;
mod records;
mod uploads;
mod usage;
mod users;
mod works;

use std::sync::Arc;

pub use analytics::Analytics;
pub use jobs::{Claiming, JobResult, Jobs};
pub use leases::Leases;
pub use ledger::{COMMIT_ROWS_MAX, HistoryPage, HistoryQuery, Ledger, Look, PAGE_ROWS_MAX, Sum};
pub use logins::{Logins, Principal};
pub use partners::Partners;
pub use records::{Records, Snapshot};
pub use uploads::{Garbage, Uploads};
pub(crate) use usage::finish as finish_usage;
pub use usage::{Usage, UsageClaim, UsagePage, UsageQuery};
pub use users::Users;
pub use works::{AssetPage, DeletedAsset, FingerprintRequest, UploadCommit, UploadOutcome, Works};

/// All ports of one document store. Clones share it.
#[derive(Clone)]
pub struct Stores {
    pub users: Arc<dyn Users>,
    pub logins: Arc<dyn Logins>,
    pub uploads: Arc<dyn Uploads>,
    pub works: Arc<dyn Works>,
    pub jobs: Arc<dyn Jobs>,
    pub ledger: Arc<dyn Ledger>,
    pub partners: Arc<dyn Partners>,
    pub usage: Arc<dyn Usage>,
    pub analytics: Arc<dyn Analytics>,
    pub leases: Arc<dyn Leases>,
    pub records: Arc<dyn Records>,
}

/// What a document store is: all ports at once.
pub trait Backend:
    Users + Logins + Uploads + Works + Jobs + Ledger + Partners + Usage + Analytics + Leases + Records
{
}

impl<B> Backend for B where
    B: Users + Logins + Uploads + Works + Jobs + Ledger + Partners + Usage + Analytics + Leases + Records
{
}

impl Stores {
    pub fn of(backend: impl Backend) -> Self {
        let backend = Arc::new(backend);
        Self {
            users: backend.clone(),
            logins: backend.clone(),
            uploads: backend.clone(),
            works: backend.clone(),
            jobs: backend.clone(),
            ledger: backend.clone(),
            partners: backend.clone(),
            usage: backend.clone(),
            analytics: backend.clone(),
            leases: backend.clone(),
            records: backend,
        }
    }
}
