//! Who owns what while it happens: upload sessions and fingerprint jobs as supervised actors.
//!
//! State lives in the stores; an actor is a cache with a queue in front. Any of them can be killed at any instant and
//! be brought up again from the store. Each has its rules in a pure state machine apart (`state.rs`).

pub mod error;
mod failover;
pub mod fingerprint;
mod load;
pub mod metrics;
mod registry;
mod supervisor;
mod sweeper;
pub mod system;
pub mod upload;
pub mod usage;
pub mod wallet;

pub use error::ActorError;
pub use sweeper::LEASE as SWEEPER_LEASE;
pub use system::{Deps, Settings, System};
