//! The process of a fingerprint worker: started by a node for its jobs, never by people.

use std::io::{BufReader, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context;
use metastamp_actors::fingerprint::Program;
use metastamp_fingerprint::{video, worker};
use metastamp_setup::config::FingerprintConfig;
use rlimit::Resource;

/// Name of the hidden command.
pub const COMMAND: &str = "fingerprint-worker";

/// How this node starts its workers: itself, once more.
pub fn program(config: &FingerprintConfig, temp_dir: &std::path::Path) -> anyhow::Result<Program> {
    // The running program itself, even if its file was replaced or removed meanwhile: another version may speak otherwise.
    let running = PathBuf::from("/proc/self/exe");
    let path = match running.exists() {
        true => running,
        false => std::env::current_exe().context("the path of this program is not known")?,
    };
    let arguments = vec![COMMAND.to_owned(), "--memory-bytes".to_owned(), config.memory_bytes_max.to_string()];
    Ok(Program { path, arguments, temp_dir: temp_dir.to_owned() })
}

/// Works on what standard input asks for until it ends.
pub fn run(memory_bytes: u64) -> anyhow::Result<()> {
    // what a decoder takes beyond that ends this process and no other
    let (_, hard) = rlimit::getrlimit(Resource::AS).context("the limit of memory is not known")?;
    let memory_bytes = memory_bytes.min(hard);
    rlimit::setrlimit(Resource::AS, memory_bytes, memory_bytes).context("memory can't be limited")?;
    rlimit::setrlimit(Resource::CORE, 0, 0).context("core dumps can't be switched off")?;
    worker::serve(BufReader::new(stdin()), stdout(), video::kill_children)?;
    Ok(())
}
