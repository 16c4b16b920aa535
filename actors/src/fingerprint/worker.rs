//! Processes that compute fingerprints for this node.
//!
//! A decoder that crashes, hangs, or takes too much memory ends its own process and nothing else. A process does one
//! file after the other; one that had to be ended is replaced with the next job.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_fingerprint::worker::{LINE_BYTES_MAX, Message, Request};
use metrics::counter;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::metrics::FINGERPRINT_WORKERS_LOST_TOTAL;

/// A process without work leaves after this long.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// A process is replaced after this many files: what a decoder leaks is bounded.
const JOBS_MAX: u32 = 200;
/// After the end of its input a process ends its children and itself; later it is killed.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);
/// How often a running job looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The unit of times in /proc: a hundredth of a second, on every platform that Linux still runs on.
const TICK_MS: u64 = 10;
/// What is kept of what a process complains of.
const COMPLAINTS_BYTES_MAX: usize = 4 << 10;

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    /// Where it puts what does not fit into memory.
    pub temp_dir: PathBuf,
}

/// How a run ended without an answer of the process.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The file is not wanted any more.
    Cancelled,
    /// It took longer than it may.
    TooLong,
    /// The process could not be started.
    NotStarted(String),
    /// The process ended: the reason, as people may read it.
    Died(String),
}

/// The processes of this node that wait for work.
#[derive(Clone)]
pub(crate) struct Workers {
    program: Program,
    idle: Arc<Mutex<VecDeque<Worker>>>,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    complaints: Arc<Mutex<Vec<u8>>>,
    jobs: u32,
    idle_since: Instant,
}

impl Workers {
    pub fn new(program: Program) -> Self {
        Self { program, idle: Arc::default() }
    }

    /// Has `request` done; also says what that took of the processors. `hear` is told what the process says before the end; `wanted` is asked now and then.
    pub async fn run(
        &self,
        request: &Request,
        time_max: Duration,
        wanted: impl Fn() -> bool,
        mut hear: impl FnMut(Message),
    ) -> Result<(Message, Duration), Broken> {
        let mut worker = self.take()?;
        let started = Instant::now();
        let deadline = started + time_max;
        let used_before = worker.cpu();
        let answer = worker.ask(request, deadline, wanted, &mut hear).await;
        match answer {
            Ok(message) => {
                let used = worker.cpu().and_then(|used| used.checked_sub(used_before?));
                self.put_back(worker);
                Ok((message, used.unwrap_or_else(|| started.elapsed())))
            }
            Err(broken) => {
                let died = worker.end().await;
                end_strays(&request.pictures_dir).await;
                match broken {
                    Some(broken) => Err(broken),
                    None => {
                        counter!(FINGERPRINT_WORKERS_LOST_TOTAL).increment(1);
                        Err(Broken::Died(died))
                    }
                }
            }
        }
    }

    fn take(&self) -> Result<Worker, Broken> {
        while let Some(mut worker) = self.idle.lock().pop_back() {
            if matches!(worker.child.try_wait(), Ok(None)) {
                return Ok(worker);
            }
        }
        Worker::start(&self.program).map_err(|error| Broken::NotStarted(error.to_string()))
    }

    fn put_back(&self, mut worker: Worker) {
        worker.jobs += 1;
        worker.idle_since = Instant::now();
        if worker.jobs >= JOBS_MAX {
            tokio::spawn(worker.end());
            return;
        }
        self.idle.lock().push_back(worker);
        let idle = Arc::downgrade(&self.idle);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE_MAX).await;
            let Some(idle) = idle.upgrade() else { return };
            let mut leaving = Vec::new();
            {
                // the one that waits longest is in front
                let mut idle = idle.lock();
                while idle.front().is_some_and(|worker| worker.idle_since.elapsed() >= IDLE_MAX) {
                    leaving.extend(idle.pop_front());
                }
            }
            for worker in leaving {
                worker.end().await;
            }
        });
    }
}

impl Worker {
    fn start(program: &Program) -> std::io::Result<Self> {
        let keep = ["PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "RUST_BACKTRACE"];
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            // no secret of the node is in reach of a decoder
            .env_clear()
            .envs(keep.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("TMPDIR", &program.temp_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // signals to the node's group, as from a terminal, are the node's alone
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::with_capacity(64 << 10, child.stdout.take().ok_or_else(missing)?);
        let mut stderr = child.stderr.take().ok_or_else(missing)?;
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let kept = complaints.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                let mut kept = kept.lock();
                kept.extend_from_slice(&buffer[..count]);
                let surplus = kept.len().saturating_sub(COMPLAINTS_BYTES_MAX);
                kept.drain(..surplus);
            }
        });
        Ok(Self { child, input, output, complaints, jobs: 0, idle_since: Instant::now() })
    }

    /// What it and the processes that it started and that ended have used of the processors.
    fn cpu(&self) -> Option<Duration> {
        cpu_of(&std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()?)).ok()?)
    }

    /// `Err(None)`: the process does not answer any more.
    async fn ask(
        &mut self,
        request: &Request,
        deadline: Instant,
        wanted: impl Fn() -> bool,
        hear: &mut impl FnMut(Message),
    ) -> Result<Message, Option<Broken>> {
        let mut line = serde_json::to_vec(request).map_err(|error| Some(Broken::NotStarted(error.to_string())))?;
        line.push(b'\n');
        self.input.write_all(&line).await.map_err(|_| None)?;
        let mut answer = Vec::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            answer.clear();
            let mut limited = (&mut self.output).take(LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut answer);
            tokio::pin!(read);
            let read = loop {
                tokio::select! {
                    read = &mut read => break read,
                    _ = look.tick() => {
                        if !wanted() {
                            return Err(Some(Broken::Cancelled));
                        }
                        if Instant::now() >= deadline {
                            return Err(Some(Broken::TooLong));
                        }
                    }
                }
            };
            if !matches!(read, Ok(1..)) || answer.last() != Some(&b'\n') {
                return Err(None);
            }
            match serde_json::from_slice(&answer) {
                Ok(last @ (Message::Done { .. } | Message::Failed { .. })) => return Ok(last),
                Ok(message) => hear(message),
                Err(_) => return Err(None),
            }
        }
    }

    /// Ends it, gently at first, and says how it ended.
    async fn end(self) -> String {
        let Self { mut child, input, output, complaints, .. } = self;
        // the end of its input tells it to end its own children and to leave
        drop((input, output));
        let ended = match timeout(LEAVES_WITHIN, child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                let _ = child.start_kill();
                child.wait().await
            }
        };
        let complaints = String::from_utf8_lossy(&complaints.lock()).trim().to_owned();
        match ended {
            Ok(status) if status.success() => "the decoder left".to_owned(),
            Ok(status) => {
                let how = how(status);
                tracing::warn!(%status, complaints, "fingerprint process ended: {how}");
                how
            }
            Err(error) => error.to_string(),
        }
    }
}

/// Ends what a process that died had started for the files in `dir`: their names are on its command line.
async fn end_strays(dir: &Path) {
    let dir = dir.as_os_str().as_encoded_bytes().to_owned();
    let end = move || {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
            else {
                continue;
            };
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if command.windows(dir.len()).any(|part| part == dir) {
                // fails only when it has just ended
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    };
    // a panic in there would be a defect, and no harm
    let _ = tokio::task::spawn_blocking(end).await;
}

/// From the line in /proc: the times are four fields, eleven behind the name, which may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse().ok()).collect();
    (times.len() == 4).then(|| Duration::from_millis(times.iter().sum::<u64>() * TICK_MS))
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(6), _) => "the decoder gave up, most likely for lack of memory (signal 6)".to_owned(),
        (Some(signal), _) => format!("the decoder was ended by signal {signal}"),
        (None, Some(code)) => format!("the decoder ended with code {code}"),
        (None, None) => "the decoder ended".to_owned(),
    }
}

/// A directory of one job, gone with it.
pub(super) struct JobDir(tempfile::TempDir);

impl JobDir {
    pub fn new(parent: &Path) -> std::io::Result<Self> {
        tempfile::Builder::new().prefix("job-").tempdir_in(parent).map(Self)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 200 0 0 12 3 40 5 20 0 1 0 1000 1 1";
        assert_eq!(cpu_of(line), Some(Duration::from_millis(600)));
        assert_eq!(cpu_of("7 (a) S 1 2"), None);
        assert!(cpu_of(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
