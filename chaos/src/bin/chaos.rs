//! `chaos run` breaks real nodes and judges them; `chaos check` judges a recorded history again.
#![allow(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use metastamp_chaos::check::judge;
use metastamp_chaos::scenario::kill;
use metastamp_chaos::{NodeOptions, history};

/// Starts real META-STAMP nodes, breaks them and judges what they acknowledged.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario; the exit code is 1 when a promise was broken.
    Run {
        #[arg(long, value_enum, default_value_t = Scenario::Kill)]
        scenario: Scenario,
        /// The same seed gives the same files and moments; a random one unless given.
        #[arg(long)]
        seed: Option<u64>,
        /// How long to go on breaking.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// How many clients upload at the same time.
        #[arg(long, default_value_t = 4)]
        uploaders: usize,
        /// How many node processes share the data directory.
        #[arg(long, default_value_t = 1)]
        nodes: usize,
        /// Where the history goes, as JSON lines.
        #[arg(long, default_value = "chaos-history.jsonl")]
        out: PathBuf,
    },
    /// Judge a recorded history again.
    Check { file: PathBuf },
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// kill -9 at random moments while uploaders work.
    Kill,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run { scenario: Scenario::Kill, seed, minutes, uploaders, nodes, out } => {
            let time_max =
                Duration::try_from_secs_f64(minutes * 60.0).context("--minutes must be a positive number")?;
            let seed = seed.unwrap_or_else(rand::random);
            let life_max = Duration::from_millis(1_500);
            run(&kill::Plan { seed, uploaders, nodes, kills: usize::MAX, time_max, life_max }, &out)
        }
        Command::Check { file } => check(&file),
    }
}

fn run(plan: &kill::Plan, out: &Path) -> Result<ExitCode> {
    let kill::Plan { seed, time_max, uploaders, nodes, .. } = plan;
    println!("scenario kill, seed {seed}, {time_max:?}, {nodes} nodes, {uploaders} uploaders");
    let file = File::create(out).with_context(|| format!("can't write {}", out.display()))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let events = runtime.block_on(kill::run(plan, NodeOptions::new(), |line| println!("{line}")))?;
    history::write(&events, BufWriter::new(file))?;
    println!("history: {}", out.display());
    Ok(pronounce(&events))
}

fn check(path: &Path) -> Result<ExitCode> {
    let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(pronounce(&history::read(BufReader::new(file))?))
}

fn pronounce(events: &[history::Event]) -> ExitCode {
    let verdict = judge(events);
    println!("{verdict}");
    ExitCode::from(u8::from(!verdict.holds()))
}
