//! A node as an operating-system process: started, killed, stopped and started again on the same data.

mod log;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
pub use rustix::process::{Pid, Signal, kill_process};
use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;

pub use self::log::{LogBook, Stream};
use crate::watchdog::Watchdog;
use crate::{Address, servers};

/// How long a node may take from start to ready. Generous: the machine may be busy compiling.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// How to start a node. Nothing of the caller's environment reaches it but `PATH`.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Where the node keeps its data; a directory below its own home unless given.
    pub data_dir: Option<PathBuf>,
    /// Settings beyond the harness's own; a later one of the same name wins.
    pub env: Vec<(String, String)>,
    /// Another binary than [`binary`].
    pub binary: Option<PathBuf>,
    /// The network namespace to run in; the harness's own unless given.
    pub namespace: Option<String>,
    /// What its `.env` says.
    pub env_file: Option<String>,
}

impl NodeOptions {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn data_dir(mut self, dir: &Path) -> Self {
        self.data_dir = Some(dir.to_owned());
        self
    }

    pub fn binary(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// Settings before those that were given, which win.
    pub fn defaults(mut self, env: Vec<(String, String)>) -> Self {
        self.env.splice(0..0, env);
        self
    }

    pub fn env_file(mut self, text: &str) -> Self {
        self.env_file = Some(text.to_owned());
        self
    }

    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    fn command(&self, home: &Path, args: &[&str]) -> Result<Command> {
        let binary = self.binary.clone().map_or_else(binary, Ok)?;
        let Some(namespace) = &self.namespace else { return Ok(command(&binary, home, args)) };
        // ip becomes the node by exec, so the process id is the node's
        let mut command = command(Path::new("ip"), home, &["netns", "exec", namespace]);
        command.arg(binary).args(args);
        Ok(command)
    }
}

/// One node. Ended by its process id when dropped, and also when the harness itself dies.
pub struct NodeProcess {
    options: NodeOptions,
    home: TempDir,
    address: Address,
    log: Arc<LogBook>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    socket: SocketAddr,
    readers: Vec<JoinHandle<()>>,
    _watchdog: Watchdog,
}

impl NodeProcess {
    /// Starts a node and waits until it is ready.
    pub fn start(options: NodeOptions) -> Result<Self> {
        let mut node = Self::launch(options)?;
        node.wait_until_ready(READY_WITHIN)?;
        Ok(node)
    }

    /// Starts a node and waits only until it listens.
    pub fn launch(options: NodeOptions) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("metastamp-node-").tempdir()?;
        if let Some(text) = &options.env_file {
            std::fs::write(home.path().join(".env"), text)?;
        }
        let mut node = Self { options, home, address: Address::default(), log: Arc::default(), running: None };
        node.relaunch()?;
        Ok(node)
    }

    /// Starts the node again on the same data, on another port unless the options name one, and waits until it is ready.
    /// It must not be running.
    pub fn restart(&mut self) -> Result<()> {
        self.relaunch()?;
        self.wait_until_ready(READY_WITHIN)
    }

    /// The same without waiting for more than a listener.
    pub fn relaunch(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the node is running already");
        let seen = self.log.len();
        let mut command = self.options.command(self.home.path(), &["serve"])?;
        command.env("HOST", "127.0.0.1").env("PORT", "0").env("LOG_FORMAT", "json");
        let data_dir = self.data_dir();
        command.envs(servers::env_of(&data_dir)?).env("DATA_DIR", data_dir).envs(self.options.env.iter().cloned());
        let mut child = command.spawn().context("can't start the node")?;
        let watchdog = Watchdog::over(child.id())?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let readers = vec![self.log.follow(Stream::Out, out), self.log.follow(Stream::Err, err)];
        let socket = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running = Running { child, socket, readers, _watchdog: watchdog };
        let deadline = Instant::now() + READY_WITHIN;
        while running.socket.port() == 0 {
            if let Some(status) = running.child.try_wait()? {
                running.end();
                bail!("the node ended at start with {status}; its last words:\n{}", self.log.tail(20));
            }
            if let Some(address) = self.log.find_from(seen, listening) {
                running.socket = address;
            } else if Instant::now() > deadline {
                running.end();
                bail!("the node did not listen within {READY_WITHIN:?}; its last words:\n{}", self.log.tail(20));
            } else {
                std::thread::sleep(POLL);
            }
        }
        self.address.set(format!("http://{}", running.socket));
        self.running = Some(running);
        Ok(())
    }

    /// Waits until the running node is ready.
    pub fn wait_until_ready(&mut self, within: Duration) -> Result<()> {
        let (socket, deadline) = (self.socket()?, Instant::now() + within);
        while ready_status(socket).ok() != Some(200) {
            let ended = self.running.as_mut().is_some_and(|running| matches!(running.child.try_wait(), Ok(Some(_))));
            if ended || Instant::now() > deadline {
                let what = if ended {
                    "ended before it was ready".to_owned()
                } else {
                    format!("was not ready within {within:?}")
                };
                self.kill();
                bail!("the node {what}; its last words:\n{}", self.log.tail(20));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// What the node is told under this name, if the harness tells it anything.
    pub fn setting(&self, name: &str) -> Option<String> {
        let shared = servers::env_of(&self.data_dir()).unwrap_or_default();
        let mut variables = self.options.env.iter().rev().chain(&shared);
        variables.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Kills the node as a power cut would: SIGKILL, then waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }

    /// Asks the node to drain (SIGTERM) and waits for its end. After `within` it is killed, which is an error.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(within)
    }

    /// Sends a signal without waiting.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running.as_ref().context("the node is not running")?;
        kill_process(running.pid()?, signal).context("can't signal the node")
    }

    /// Waits for the node to end by itself.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let mut running = self.running.take().context("the node is not running")?;
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = running.child.try_wait()? {
                running.end();
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        running.end();
        bail!("the node did not end within {within:?}; its last words:\n{}", self.log.tail(20))
    }

    /// Where clients find the node; follows it over restarts.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    pub fn pid(&self) -> Result<Pid> {
        self.running.as_ref().context("the node is not running")?.pid()
    }

    /// The socket of the running node.
    pub fn socket(&self) -> Result<SocketAddr> {
        self.running.as_ref().map(|running| running.socket).context("the node is not running")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.options.data_dir.clone().unwrap_or_else(|| self.home.path().join("data"))
    }

    /// The directory the node was started in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// All lines the node has written, over all its lives.
    pub fn log(&self) -> &LogBook {
        &self.log
    }

    /// Whether the process is writing to an embedded database. One that does and is stopped holds everybody up who shares
    /// it: that is the embedded stores' nature, not the cluster's.
    pub fn holds_a_write_lock(&self) -> Result<bool> {
        let running = self.running.as_ref().context("the node is not running")?;
        let pid = running.child.id().to_string();
        let locks = std::fs::read_to_string("/proc/locks").context("can't read the kernel's list of locks")?;
        let is_it = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // the others of this process (FLOCK) are its name, held for life
            matches!(fields.as_slice(), [_, "POSIX", _, "WRITE", owner, ..] if *owner == pid)
        };
        Ok(locks.lines().any(is_it))
    }

    /// Largest resident memory of this life, in MiB, as the kernel counted it.
    pub fn peak_memory_mib(&self) -> Result<u64> {
        let running = self.running.as_ref().context("the node is not running")?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")
    }

    /// Ends the process unless it has ended, and reads what it wrote to the last line.
    fn end(&mut self) {
        // fails only when the process has ended, which is what is wanted
        _ = self.child.kill();
        _ = self.child.wait();
        for reader in self.readers.drain(..) {
            _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs the binary to its end in `home`, with nothing set but `env`: for `--help`, refusals at start and the like.
pub fn run_to_end(home: &Path, args: &[&str], env: &[(&str, &str)], within: Duration) -> Result<Output> {
    let mut command = command(&binary()?, home, args);
    if let Some((_, data_dir)) = env.iter().find(|(name, _)| *name == "DATA_DIR") {
        // what is done to the data of a node is done where that node keeps them
        command.envs(servers::env_of(Path::new(data_dir))?);
    }
    let mut child = command.envs(env.iter().copied()).spawn().context("can't start the node")?;
    let _watchdog = Watchdog::over(child.id())?;
    let read_all = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read_all(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read_all(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let deadline = Instant::now() + within;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => {
                child.kill()?;
                child.wait()?;
                break None;
            }
            None => std::thread::sleep(POLL),
        }
    };
    let output = |thread: std::thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    let (stdout, stderr) = (output(stdout), output(stderr));
    let Some(status) = status else {
        bail!("still running after {within:?}:\n{}", String::from_utf8_lossy(&stdout));
    };
    Ok(Output { status, stdout, stderr })
}

/// Lets this process have as many files and connections open as it is allowed to.
pub fn raise_file_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("can't raise the limit of open files")
}

/// The node's binary: `METASTAMP_BIN`, else beside the running executable in the target directory.
pub fn binary() -> Result<PathBuf> {
    let path = match std::env::var_os("METASTAMP_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let exe = std::env::current_exe()?;
            let dir = exe.parent().context("no directory")?;
            let dir = if dir.ends_with("deps") { dir.parent().context("no directory")? } else { dir };
            dir.join("metastamp")
        }
    };
    ensure!(
        path.is_file(),
        "no node binary at {}: build it with `cargo build --package metastamp-node`, or set METASTAMP_BIN",
        path.display()
    );
    Ok(path)
}

fn command(program: &Path, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("HOME", home).current_dir(home);
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The address in a log line that says the node listens.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
}

/// Status of `GET /ready`, asked without any client machinery.
fn ready_status(socket: SocketAddr) -> Result<u16> {
    let mut stream = TcpStream::connect_timeout(&socket, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let head = std::str::from_utf8(&head)?;
    head.strip_prefix("HTTP/1.1 ").ok_or_else(|| anyhow!("no status line: {head:?}"))?.parse().map_err(Into::into)
}
