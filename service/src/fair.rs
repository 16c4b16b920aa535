//! Fair shares of what is scarce, by caller: nobody gets all of it because they ask most.
//!
//! | part | for |
//! | --- | --- |
//! | [`Origin`] | who asks, as far as the network tells |
//! | [`Counts`] | how much of a bounded thing each caller holds |
//! | [`FairQueue`] | who comes next where callers wait: round-robin, newcomers first |
//!
//! Semaphores of tokio are fair between requests, first come, first served: whoever sends most is served most. These are
//! fair between callers.

mod counts;
mod origin;
mod queue;
mod schedule;

pub use self::counts::Counts;
pub use self::origin::Origin;
pub use self::queue::{FairQueue, Full, Turn};
pub use self::schedule::Bounds;
