//! Who is there, who owns what, and how to ask the owner.
//!
//! Placement is a hint: it says where to ask first. Whether a write counts is decided by the store. A node that runs
//! alone is its own only member, so the same code serves one node and many.

mod cluster;
mod entities;
pub mod members;
pub mod metrics;
pub mod placement;
mod settings;

pub use cluster::{Audience, Cluster, Owned, Ranked, Whereis};
pub use entities::Entities;
pub use members::{LinkState, Load, Member, MemberState, MemberStatus, SharedView, View};
pub use settings::{Certificates, Detection, Settings};
