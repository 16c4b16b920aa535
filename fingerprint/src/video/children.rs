//! Child processes that run now, so that a process that has to leave at once takes them along.

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};

/// Each leads a process group of its own.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

pub(super) fn note(child: Pid) {
    RUNNING.lock().push(child);
}

/// To be called before the id may belong to another process.
pub(super) fn forget(child: Pid) {
    RUNNING.lock().retain(|running| *running != child);
}

/// Ends all children of this process, with their groups, and waits for them: nobody else might take their remains away.
pub fn kill_children() {
    let children: Vec<Pid> = RUNNING.lock().drain(..).collect();
    for child in children {
        // both fail only when there is nobody left
        let _ = kill_process_group(child, Signal::KILL);
        let _ = waitpid(Some(child), WaitOptions::empty());
    }
}
