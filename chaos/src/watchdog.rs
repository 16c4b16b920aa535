//! Ends a process when the harness is gone, however the harness ended.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// A shell that waits for the end of its input. The kernel closes that input when the harness dies, even by SIGKILL;
/// then the shell kills the process it was given. Dropping the watchdog first calls it off.
pub(crate) struct Watchdog(Child);

impl Watchdog {
    pub fn over(pid: u32) -> Result<Self> {
        Self::over_with("read -r _; kill -9 \"$1\"", pid, Path::new(""))
    }

    /// Removes a directory of the process as well: what lives as long as the harness has nobody who drops it.
    pub fn over_with_dir(pid: u32, dir: &Path) -> Result<Self> {
        Self::over_with("read -r _; kill -9 \"$1\"; rm -rf \"$2\"", pid, dir)
    }

    fn over_with(script: &str, pid: u32, dir: &Path) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "watchdog", &pid.to_string()]).arg(dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Watchdog).context("can't start a watchdog")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_end_of_the_harness_ends_the_process() {
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        let mut watchdog = Watchdog::over(process.id()).unwrap();
        // what the kernel does when the harness dies
        drop(watchdog.0.stdin.take());
        assert_eq!(process.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn a_watchdog_called_off_does_nothing() {
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        drop(Watchdog::over(process.id()).unwrap());
        assert!(process.try_wait().unwrap().is_none());
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
