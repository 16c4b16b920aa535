//! A server as an operating-system process that can be killed, started again on the same data and ports, and paused.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::watchdog::Watchdog;

/// How long a server may take until it serves. Generous: the machine may be busy compiling.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const LOG_BYTES_SHOWN_MAX: usize = 2_000;

/// How a server is started and how one sees that it serves.
pub(super) struct Recipe {
    pub program: &'static str,
    pub args: Vec<String>,
    pub env: Vec<(&'static str, &'static str)>,
    pub ready: Box<dyn Fn() -> Result<()> + Send + Sync>,
}

/// Killed when dropped, and also when the harness itself dies.
pub(super) struct ServerProcess {
    recipe: Recipe,
    dir: TempDir,
    running: Option<Running>,
}

struct Running {
    child: Child,
    _watchdog: Watchdog,
}

impl ServerProcess {
    /// Starts what `recipe` makes of the data directory, and waits until it serves.
    pub fn start(recipe: impl FnOnce(&Path) -> Recipe) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("metastamp-server-").tempdir()?;
        let mut server = Self { recipe: recipe(&dir.path().join("data")), dir, running: None };
        server.restart()?;
        Ok(server)
    }

    /// Starts the server again on the same data and ports, and waits until it serves. It must not be running.
    pub fn restart(&mut self) -> Result<()> {
        self.launch()?;
        self.wait()
    }

    /// Starts the server without waiting.
    pub fn launch(&mut self) -> Result<()> {
        let name = self.recipe.program;
        ensure!(self.running.is_none(), "{name} is running already");
        std::fs::create_dir_all(self.dir.path().join("data"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(find(name)?);
        command.args(&self.recipe.args).env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(self.recipe.env.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("can't start {name}"))?;
        let watchdog = Watchdog::over_with_dir(child.id(), self.dir.path())?;
        self.running = Some(Running { child, _watchdog: watchdog });
        Ok(())
    }

    /// Waits until the server serves.
    pub fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let running = self.running.as_mut().context("the server is not running")?;
            if let Some(status) = running.child.try_wait()? {
                self.kill();
                bail!("{} ended at start with {status}:\n{}", self.recipe.program, self.log_tail());
            }
            match (self.recipe.ready)() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    let name = self.recipe.program;
                    self.kill();
                    bail!("{name} did not serve within {READY_WITHIN:?}: {error:#}\n{}", self.log_tail());
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// SIGKILL, then waits for the end. Nothing happens to one that is not running.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // fails only when the process has ended, which is what is wanted
            _ = running.child.kill();
            _ = running.child.wait();
        }
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running.as_ref().context("the server is not running")?;
        let pid = i32::try_from(running.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("can't signal {}", self.recipe.program))
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES_SHOWN_MAX)..]).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program, from the first place that has it.
fn find(program: &str) -> Result<PathBuf> {
    let named = std::env::var_os("METASTAMP_TEST_SERVERS").map(PathBuf::from);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs = named.into_iter().chain([installed]).chain(std::env::split_paths(&path));
    let found = dirs.find_map(|dir| Some(dir.join(program)).filter(|path| path.is_file()));
    found.with_context(|| {
        format!(
            "no {program} in METASTAMP_TEST_SERVERS, target/servers/bin or PATH: scripts/test.sh installs it \
             (scripts/test.sh --servers installs it and does nothing else)"
        )
    })
}
