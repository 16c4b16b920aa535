//! Runs `ffmpeg` and `ffprobe` as child processes that can't take more than their budget.
//!
//! The programs read hostile files, so each runs in a process group of its own, under limits of address space,
//! processor seconds, size of written files and open files, with standard input closed, an almost empty environment
//! and only the protocols `file` and `pipe`. The limits are set by the parent with `prlimit` right after the start:
//! the file is opened only after hundreds of libraries have been, and a limit counts for every later allocation. A
//! wrapper such as util-linux' `prlimit` would be one more program to have installed and one more id to kill.
//!
//! One thread suffices: `poll` on both outputs with a short timeout, in between the caller is asked whether to go on.
//! A child that hangs is killed with its group when the [`Child`] is dropped, whatever the reason.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::children;
use crate::{FingerprintError, Limits};

/// Bytes of standard error that are kept, the last ones.
const STDERR_BYTES_MAX: usize = 4 << 10;
/// Longest silence between two questions whether to go on.
const TICK: Duration = Duration::from_millis(100);
/// Bytes a child may write into one file; what is written here are signatures and lists of times.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Files a child may have open; libraries need some while they load.
const OPEN_FILES_MAX: u64 = 128;
/// Capacity of the pipe, so that a large frame takes few switches between the two processes.
const PIPE_BYTES: usize = 1 << 20;

/// Asked about ten times a second while a child runs; an error ends it.
pub(crate) type Watch<'a> = dyn FnMut() -> Result<(), FingerprintError> + 'a;

/// What one child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: u64,
    pub(crate) wall: Duration,
}

impl Budget {
    /// For decoding `media_seconds` of a file. Short files get less than the limits allow: eight processor seconds
    /// for each of theirs, and a minute. The wall clock gets twice that, for machines that do other things too.
    pub(crate) fn new(limits: &Limits, media_seconds: f64) -> Self {
        // Saturates: negative and NaN become 0.
        let cpu_seconds = (media_seconds * 8.0) as u64;
        let cpu_seconds = cpu_seconds.saturating_add(60).min(limits.ffmpeg_cpu_seconds_max);
        let wall = cpu_seconds.saturating_mul(2).min(limits.ffmpeg_wall_seconds_max);
        Self { memory_bytes: limits.ffmpeg_memory_bytes_max, cpu_seconds, wall: Duration::from_secs(wall) }
    }
}

/// Arguments before `-i` and the input itself, for both programs: no network, and only demuxers of `formats` (names
/// as ffmpeg spells them, separated by commas), so that a playlist or a script named `.mp4` opens nothing else.
pub(crate) fn input(path: &Path, formats: &str) -> io::Result<Vec<OsString>> {
    // With its protocol and from the root, a name such as `concat:a|b` or `-y` is a name.
    let mut file = OsString::from("file:");
    file.push(std::path::absolute(path)?);
    let mut arguments: Vec<OsString> =
        ["-protocol_whitelist", "file,pipe", "-format_whitelist", formats, "-i"].map(OsString::from).into();
    arguments.push(file);
    Ok(arguments)
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    /// Name of the program, for messages.
    name: &'static str,
    budget: Budget,
    started: Instant,
    stderr: Vec<u8>,
    /// The process has been waited for: its id may belong to another one by now.
    reaped: bool,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) status: ExitStatus,
    /// The last 4 KiB of standard error. May name files: not for creators.
    pub(crate) stderr: String,
    name: &'static str,
}

impl Child {
    /// Starts `program`, which messages call `name`.
    ///
    /// # Errors
    /// [`FingerprintError::Unsupported`] when it is not installed.
    pub(crate) fn spawn(
        program: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        budget: Budget,
    ) -> Result<Self, FingerprintError> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").process_group(0).env_clear();
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        // Each malloc arena reserves 64 MiB of address space, and every thread would get one.
        command.env("MALLOC_ARENA_MAX", "2").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = children::start(command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                FingerprintError::unsupported(format!("this file needs {name}, which is not installed here"))
            }
            _ => FingerprintError::Io(error),
        })?;
        let child = Self { process, name, budget, started: Instant::now(), stderr: Vec::new(), reaped: false };
        child.limit()?;
        Ok(child)
    }

    /// Sets the limits of the process; they can't be raised again by it.
    #[cfg(target_os = "linux")]
    fn limit(&self) -> Result<(), FingerprintError> {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let limits = [
            (Resource::As, self.budget.memory_bytes),
            (Resource::Fsize, FILE_BYTES_MAX),
            (Resource::Nofile, OPEN_FILES_MAX),
            (Resource::Core, 0),
            (Resource::Cpu, self.budget.cpu_seconds),
        ];
        for (resource, value) in limits {
            // One second from the signal that says why to the one that can't be caught.
            let grace = u64::from(resource == Resource::Cpu);
            // What this process may not take either, nobody may give to the child.
            let own = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Rlimit { current: Some(value.min(own)), maximum: Some(value.saturating_add(grace).min(own)) };
            match prlimit(Some(Pid::from_child(&self.process)), resource, limit) {
                // A child that has ended already needs no limit.
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(FingerprintError::Io(error.into())),
            }
        }
        if let Some(stdout) = &self.process.stdout {
            // Only makes it faster; users have a quota of pipe memory.
            let _ = rustix::pipe::fcntl_setpipe_size(stdout, PIPE_BYTES);
        }
        Ok(())
    }

    /// Other systems can't limit another process; time and the bounded pipe still hold.
    #[cfg(not(target_os = "linux"))]
    fn limit(&self) -> Result<(), FingerprintError> {
        Ok(())
    }

    /// Next bytes of standard output, 0 at its end. Waits for them, asking `watch` meanwhile.
    pub(crate) fn read(&mut self, buffer: &mut [u8], watch: &mut Watch<'_>) -> Result<usize, FingerprintError> {
        loop {
            watch()?;
            self.check_time()?;
            let (stdout_ready, stderr_ready) = self.ready()?;
            if stderr_ready {
                self.drain_stderr()?;
            }
            if stdout_ready {
                let Some(stdout) = &mut self.process.stdout else { return Ok(0) };
                match stdout.read(buffer) {
                    Ok(0) => {
                        self.process.stdout = None;
                        return Ok(0);
                    }
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(FingerprintError::Io(error)),
                }
            }
            if self.process.stdout.is_none() {
                return Ok(0);
            }
        }
    }

    /// Fills `buffer` from standard output; fewer bytes only at its end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], watch: &mut Watch<'_>) -> Result<usize, FingerprintError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..], watch)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// All of standard output when it is at most `bytes_max` long, `None` when it is longer.
    pub(crate) fn read_all(
        &mut self,
        bytes_max: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Vec<u8>>, FingerprintError> {
        let mut all = Vec::new();
        let mut buffer = [0; 8 << 10];
        loop {
            match self.read(&mut buffer, watch)? {
                0 => return Ok(Some(all)),
                count if all.len() + count > bytes_max => return Ok(None),
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Discards what is left of standard output and waits for the end.
    pub(crate) fn finish(mut self, watch: &mut Watch<'_>) -> Result<Ending, FingerprintError> {
        let mut buffer = [0; 8 << 10];
        while self.read(&mut buffer, watch)? > 0 {}
        let status = loop {
            watch()?;
            self.check_time()?;
            if let Some(status) = self.process.try_wait()? {
                children::forget(Pid::from_child(&self.process));
                self.reaped = true;
                break status;
            }
            // Standard error ends with the process, unless it closed it before.
            match self.ready()? {
                (_, true) => self.drain_stderr()?,
                _ if self.process.stderr.is_none() => thread::sleep(Duration::from_millis(1)),
                _ => {}
            }
        };
        self.drain_rest();
        Ok(Ending { status, stderr: String::from_utf8_lossy(&self.stderr).into_owned(), name: self.name })
    }

    fn check_time(&self) -> Result<(), FingerprintError> {
        if self.started.elapsed() < self.budget.wall {
            return Ok(());
        }
        Err(FingerprintError::limit("ffmpeg_wall_seconds_max", "the file takes too long to decode"))
    }

    /// Whether standard output and standard error have something to read or have ended; waits up to [`TICK`].
    fn ready(&self) -> Result<(bool, bool), FingerprintError> {
        let mut fds = Vec::with_capacity(2);
        fds.extend(self.process.stdout.as_ref().map(|stdout| PollFd::new(stdout, PollFlags::IN)));
        fds.extend(self.process.stderr.as_ref().map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        let timeout = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(FingerprintError::Io(error.into())),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let stdout = self.process.stdout.is_some() && ready.next() == Some(true);
        let stderr = self.process.stderr.is_some() && ready.next() == Some(true);
        Ok((stdout, stderr))
    }

    /// Takes what standard error has, without waiting when it is [`ready`](Self::ready).
    fn drain_stderr(&mut self) -> Result<(), FingerprintError> {
        let Some(stderr) = &mut self.process.stderr else { return Ok(()) };
        let mut buffer = [0; STDERR_BYTES_MAX];
        match stderr.read(&mut buffer) {
            Ok(0) => self.process.stderr = None,
            Ok(count) => {
                self.stderr.extend_from_slice(&buffer[..count]);
                let surplus = self.stderr.len().saturating_sub(STDERR_BYTES_MAX);
                self.stderr.drain(..surplus);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FingerprintError::Io(error)),
        }
        Ok(())
    }

    /// What the ended process left in its standard error; at most what a pipe holds.
    fn drain_rest(&mut self) {
        for _ in 0..64 {
            match self.ready() {
                Ok((_, true)) if self.drain_stderr().is_ok() => {}
                _ => return,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        children::forget(Pid::from_child(&self.process));
        // Fails only when there is nobody left to kill.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

impl Ending {
    /// Nothing when the child did its work, otherwise why not, in words for the creator. `what` names the file:
    /// "video could not be decoded".
    pub(crate) fn check(&self, what: &str) -> Result<(), FingerprintError> {
        if self.status.success() {
            return Ok(());
        }
        let signal = self.status.signal();
        if signal == Some(Signal::KILL.as_raw()) {
            // Not by us: a child that is killed here has no ending. The system kills what takes too much.
            return Err(FingerprintError::limit("ffmpeg_memory_bytes_max", format!("{what} needs too much memory")));
        }
        if signal == Some(Signal::XCPU.as_raw()) {
            return Err(FingerprintError::limit("ffmpeg_cpu_seconds_max", format!("{what} takes too long to decode")));
        }
        if self.stderr.contains("Cannot allocate memory") || self.stderr.contains("cannot allocate memory") {
            return Err(FingerprintError::limit("ffmpeg_memory_bytes_max", format!("{what} needs too much memory")));
        }
        if self.stderr.contains("error while loading shared libraries") {
            return Err(FingerprintError::unsupported(format!("{} does not start here", self.name)));
        }
        if self.stderr.contains("moov atom not found") {
            return Err(FingerprintError::malformed(format!("{what} ends too early or is damaged")));
        }
        if self.stderr.contains("not on the whitelist") || self.stderr.contains("not in allowed list") {
            return Err(FingerprintError::unsupported(format!("{what} is of a kind that is not supported")));
        }
        Err(FingerprintError::malformed(format!("{what} could not be decoded")))
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
