//! The words of the system: ids, time, domain types, file rules, error codes and HTTP bodies.
//!
//! Pure data and rules. No I/O, no async, no actors: everything here can be tested with a plain `assert_eq!`.

pub mod analytics;
pub mod asset;
pub mod cluster;
pub mod error;
pub mod files;
pub mod fingerprint;
pub mod http;
pub mod id;
pub mod invariants;
pub mod job;
pub mod ledger;
pub mod money;
pub mod node;
pub mod partner;
pub mod stores;
pub mod time;
pub mod upload;
pub mod user;

pub use asset::{Asset, AssetQuery, AssetSort, FileKind, Metadata, ProcessingStatus, SortDirection, UploadStatus};
pub use error::ErrorCode;
pub use fingerprint::{Fingerprint, MoreDigests, Picture};
pub use id::ObjectId;
pub use job::{Claim, Job, JobLane, JobState, Line, Turn};
pub use money::{Amount, Currency};
pub use node::NodeRef;
pub use stores::{Store, StoreTag, StoreTags};
pub use time::Timestamp;
pub use upload::{NewUpload, Received, UploadSession, UploadState};
pub use user::{Role, User};

/// Version of the service, as `/health` reports it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A JSON object with free members.
pub type Object = serde_json::Map<String, serde_json::Value>;
