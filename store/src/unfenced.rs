//! Test only: what a node built with the feature `unfenced` breaks, on purpose.
//!
//! Safety rests on conditional writes. Tests that stay green without them prove nothing, so a node can be built with
//! them off: a commit ignores the state of its session and the check for repeats, claim tokens are not looked at, and
//! running jobs are handed out twice. The tests must notice. Only the binary `metastamp-unfenced` ever calls
//! [`switch_off`], before anything else, and it says so at start. It is no feature of this crate, so that the binary costs
//! a build of the node's own crate and not of all that are above the stores.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metastamp_protocol::Timestamp;

static SWITCHED_OFF: AtomicBool = AtomicBool::new(false);

/// From here on conditional writes of the embedded document store are off, in this process.
pub fn switch_off() {
    SWITCHED_OFF.store(true, Ordering::Relaxed);
}

/// Whether they are.
pub fn is_unfenced() -> bool {
    SWITCHED_OFF.load(Ordering::Relaxed)
}

/// What a node built so has to say at start.
pub const WARNING: &str =
    "BUILT UNFENCED: conditional writes are off and data will be corrupted. For tests of the tests only";

/// Age of a live claim of another node at which it is no longer respected.
const RESPECTED_FOR: Duration = Duration::from_secs(1);

/// One more reason to hand out a running job: its claim ends before this instant. Nothing in a normal build.
pub(crate) fn claimable_too(now: Timestamp, lease: Duration) -> Option<Timestamp> {
    is_unfenced().then(|| now.plus(lease).minus(RESPECTED_FOR))
}
