//! The truth: the backends of [`ports`](crate::ports), beside each other, and what they have in common.

pub mod embedded;
mod journal;
pub mod mongo;
mod rules;
mod shares;

/// Rows that are removed in one write: nobody waits long for it.
const REMOVE_BATCH: u32 = 1_000;
const CALCULATIONS_LEFT: &str = "calculations of a deleted asset stay behind";
