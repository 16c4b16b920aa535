//! Child processes that run now, so that a process that has to leave at once takes them along.

use std::io;
use std::process::{Child, Command};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};

/// Each leads a process group of its own. `None`: this process leaves, and starts no more.
static RUNNING: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

/// Starts a child and remembers it, at once: nobody leaves in between.
pub(super) fn start(mut command: Command) -> io::Result<Child> {
    let mut running = RUNNING.lock();
    let Some(running) = running.as_mut() else { return Err(io::Error::other("this process leaves")) };
    let child = command.spawn()?;
    running.push(Pid::from_child(&child));
    Ok(child)
}

/// To be called before the id may belong to another process.
pub(super) fn forget(child: Pid) {
    if let Some(running) = RUNNING.lock().as_mut() {
        running.retain(|running| *running != child);
    }
}

/// Ends all children of this process, with their groups, and waits for them: nobody else might take their remains away.
pub fn kill_children() {
    let children = RUNNING.lock().take();
    for child in children.into_iter().flatten() {
        // both fail only when there is nobody left
        let _ = kill_process_group(child, Signal::KILL);
        let _ = waitpid(Some(child), WaitOptions::empty());
    }
}
