//! Who is there, and who owns what.
//!
//! Placement is a hint: it says where to ask first. Whether a write counts is decided by the store. A node that runs
//! alone is its own only member, so the same code serves one node and many.

pub mod members;
pub mod placement;
pub mod router;

pub use members::Members;
pub use router::{Route, Router};
