//! Child processes that run now, so that a process that has to leave at once takes them along.

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

/// Each leads a process group of its own.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

pub(super) fn note(child: Pid) {
    RUNNING.lock().push(child);
}

/// To be called before the id may belong to another process.
pub(super) fn forget(child: Pid) {
    RUNNING.lock().retain(|running| *running != child);
}

/// Ends all children of this process, with their groups.
pub fn kill_children() {
    for child in RUNNING.lock().drain(..) {
        // fails only when there is nobody left
        let _ = kill_process_group(child, Signal::KILL);
    }
}
