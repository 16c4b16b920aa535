//! Who is there, who owns what, and how to ask the owner.
//!
//! Placement is a hint: it says where to ask first. Whether a write counts is decided by the store. A node that runs
//! alone is its own only member, so the same code serves one node and many.

mod ask;
mod cluster;
mod entities;
mod gap;
mod gossip;
mod links;
pub mod members;
pub mod metrics;
pub mod placement;
mod reconcile;
mod refusal;
mod router;
mod secret;
mod settings;
mod sleep;
mod start;
mod throttle;

pub use cluster::{Audience, Cluster, Owned, Ranked, Whereis};
pub use entities::Entities;
pub use members::{LinkState, Load, Member, MemberState, MemberStatus, SharedView, View};
pub use refusal::{Reason, Refusal, Refused};
pub use settings::{Certificates, Detection, Settings};
