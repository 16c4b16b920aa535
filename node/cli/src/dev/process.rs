//! One node as a child process: started, watched, told to leave, started again.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::plan::NodePlan;

/// A node that ended is started again after this.
pub const RESTART_AFTER: Duration = Duration::from_secs(5);
/// A log that is longer than this becomes the old one.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// A node and its process, if it has one.
pub struct NodeProcess {
    pub plan: NodePlan,
    env: Vec<(String, String)>,
    state: State,
}

enum State {
    Running {
        child: Child,
        pid: u32,
        /// The child leaves when it ends: with us, however we end.
        _stdin: Option<ChildStdin>,
        told: bool,
    },
    Ended {
        how: String,
        at: Instant,
    },
}

impl NodeProcess {
    /// Starts the node.
    ///
    /// # Errors
    /// When log or process can't be made.
    pub fn start(plan: NodePlan, env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let state = spawn(&plan, &env)?;
        Ok(Self { plan, env, state })
    }

    /// Starts it again if it ended long enough ago.
    ///
    /// # Errors
    /// When log or process can't be made.
    pub fn restart_if_due(&mut self) -> anyhow::Result<()> {
        if let State::Ended { at, .. } = &self.state
            && at.elapsed() >= RESTART_AFTER
        {
            self.state = spawn(&self.plan, &self.env)?;
        }
        Ok(())
    }

    /// Sees whether it still runs, and keeps its log short.
    pub fn look(&mut self) {
        if let State::Running { child, .. } = &mut self.state {
            let how = match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(in_words(status)),
                Err(error) => Some(format!("lost: {error}")),
            };
            if let Some(how) = how {
                self.state = State::Ended { how, at: Instant::now() };
            }
        }
        let _ = keep_short(&self.plan.log);
    }

    pub fn pid(&self) -> Option<u32> {
        match &self.state {
            State::Running { pid, .. } => Some(*pid),
            State::Ended { .. } => None,
        }
    }

    /// SIGTERM: it drains and ends.
    pub fn tell_to_leave(&mut self) {
        if let State::Running { child, told, .. } = &mut self.state {
            // The id of a child that was not waited for is nobody else's.
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
            *told = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let State::Running { child, .. } = &mut self.state {
            let _ = child.start_kill();
        }
    }

    /// For people: what the process does.
    pub fn in_words(&self, restarts: bool) -> String {
        match &self.state {
            State::Running { told: true, .. } => "leaving".to_owned(),
            State::Running { .. } => "running".to_owned(),
            State::Ended { how, at } if restarts => {
                let left = RESTART_AFTER.saturating_sub(at.elapsed()).as_secs_f64().ceil();
                format!("dead ({how}), back in {left} s")
            }
            State::Ended { how, .. } => format!("dead ({how})"),
        }
    }

    /// Like [`NodeProcess::in_words`], without what changes by itself.
    pub fn in_few_words(&self) -> String {
        match &self.state {
            State::Ended { how, .. } => format!("dead ({how})"),
            State::Running { .. } => self.in_words(false),
        }
    }
}

fn spawn(plan: &NodePlan, env: &[(String, String)]) -> anyhow::Result<State> {
    let program = std::env::current_exe().context("can't find this program")?;
    let log = log_file(&plan.log)?;
    let errors = log.try_clone()?;
    let mut child = Command::new(program)
        .args(["serve", "--exit-with-stdin"])
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C in the terminal reaches us alone; we tell them.
        .process_group(0)
        .spawn()
        .with_context(|| format!("can't start {}", plan.id))?;
    let stdin = child.stdin.take();
    let pid = child.id().unwrap_or_default();
    Ok(State::Running { child, pid, _stdin: stdin, told: false })
}

fn log_file(path: &Path) -> anyhow::Result<File> {
    // Appending, so that a log that was cut goes on at its new end.
    OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("can't write {}", path.display()))
}

/// Moves the text of a long log aside. The node goes on writing into the same file; lines of that very moment may be
/// lost, which a log for trying things out can bear.
fn keep_short(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path)?.len() <= LOG_BYTES_MAX {
        return Ok(());
    }
    let mut old = PathBuf::from(path);
    old.set_extension("log.1");
    std::fs::copy(path, old)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "left".to_owned(),
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_words() {
        for (raw, words) in [(0, "left"), (2 << 8, "code 2"), (9, "signal 9")] {
            assert_eq!(in_words(ExitStatus::from_raw(raw)), words);
        }
    }

    #[test]
    fn a_long_log_is_moved_aside() {
        let path = std::env::temp_dir().join(format!("metastamp-{:x}.log", rand::random::<u64>()));
        let mut old = path.clone();
        old.set_extension("log.1");
        let file = log_file(&path).unwrap();
        file.set_len(LOG_BYTES_MAX).unwrap();
        keep_short(&path).unwrap();
        assert!(!old.exists());
        file.set_len(LOG_BYTES_MAX + 1).unwrap();
        keep_short(&path).unwrap();
        assert_eq!(
            (std::fs::metadata(&path).unwrap().len(), std::fs::metadata(&old).unwrap().len()),
            (0, LOG_BYTES_MAX + 1)
        );
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(old).unwrap();
    }
}
