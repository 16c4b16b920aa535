//! `chaos run` breaks real nodes and judges them; `chaos replay` judges a recorded history again, or runs it again.
#![allow(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use metastamp_chaos::check::judge;
use metastamp_chaos::fleet::unfenced_binary;
use metastamp_chaos::history::{Event, Parameters, What};
use metastamp_chaos::scenario::{cluster, kill, logins};
use metastamp_chaos::{FleetOptions, NodeOptions, history, wallet};

/// Longest life of a node between two kills of the scenario without a cluster.
const LIFE_MAX: Duration = Duration::from_millis(1_500);
/// Name of that scenario.
const KILL: &str = "kill";
/// The one about money; it writes no history.
const WALLET: &str = "wallet";
/// The one about shares under an attack with logins; neither does it.
const LOGINS: &str = "logins";

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
        /// `kill` (nodes of no cluster), or one of a cluster: kill-owner, pause, isolate, cut, one-way, restart,
        /// restart-all, rolling, drain; or `wallet`: money under kill-owner and pause; or `logins`: one honest caller among many logins. The last
        /// two write no history.
        #[arg(long, default_value = KILL)]
        scenario: String,
        /// The same seed gives the same files and the same choices; a random one unless given.
        #[arg(long)]
        seed: Option<u64>,
        /// How long to go on breaking.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// How many clients upload at the same time.
        #[arg(long, default_value_t = 4)]
        uploaders: usize,
        /// How many node processes share the data directory: 1 for `kill`, 3 in a cluster unless given.
        #[arg(long)]
        nodes: Option<usize>,
        /// How long `pause` stops a node.
        #[arg(long, default_value_t = 3.0)]
        pause_seconds: f64,
        /// Run nodes whose conditional writes are switched off: the verdict should be `broken`.
        #[arg(long)]
        unfenced: bool,
        /// Where the history goes, as JSON lines.
        #[arg(long, default_value = "chaos-history.jsonl")]
        out: PathBuf,
    },
    /// Judge a recorded history again.
    #[command(alias = "check")]
    Replay {
        file: PathBuf,
        /// Run its scenario again, with the same seed and parameters, on the nodes of today. Moments depend on the
        /// machine, so what comes of it may differ.
        #[arg(long)]
        again: bool,
        /// Where the history of the new run goes.
        #[arg(long, default_value = "chaos-history-again.jsonl")]
        out: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run { scenario, seed, minutes, uploaders, nodes, pause_seconds, unfenced, out } => {
            let nodes = nodes.unwrap_or(if scenario == KILL { 1 } else { 3 });
            let parameters = Parameters {
                nodes,
                uploaders,
                rounds: usize::MAX,
                time_max_ms: millis("--minutes", minutes * 60.0)?,
                pause_ms: millis("--pause-seconds", pause_seconds)?,
                attempts_max: 0,
            };
            run(&scenario, seed.unwrap_or_else(rand::random), &parameters, unfenced, &out)
        }
        Command::Replay { file, again: false, .. } => Ok(pronounce(&read(&file)?)),
        Command::Replay { file, again: true, out } => {
            let events = read(&file)?;
            let header = events.iter().find_map(|event| match &event.what {
                What::Run { scenario, seed, parameters } => Some((scenario, *seed, parameters)),
                _ => None,
            });
            let (scenario, seed, parameters) = header.context("the history does not say what was run")?;
            run(scenario, seed, parameters, false, &out)
        }
    }
}

fn millis(what: &str, seconds: f64) -> Result<u64> {
    let duration = Duration::try_from_secs_f64(seconds).with_context(|| format!("{what} must be a positive number"))?;
    Ok(u64::try_from(duration.as_millis())?)
}

fn run(scenario: &str, seed: u64, parameters: &Parameters, unfenced: bool, out: &Path) -> Result<ExitCode> {
    let Parameters { nodes, uploaders, rounds, time_max_ms, pause_ms, .. } = *parameters;
    let (time_max, pause) = (Duration::from_millis(time_max_ms), Duration::from_millis(pause_ms));
    println!("scenario {scenario}, seed {seed}, {time_max:?}, {nodes} nodes, {uploaders} uploaders");
    if scenario == WALLET {
        return run_wallet(seed, parameters);
    }
    if scenario == LOGINS {
        return run_logins();
    }
    let file = File::create(out).with_context(|| format!("can't write {}", out.display()))?;
    let mut node = NodeOptions::new();
    if unfenced {
        node.binary = Some(unfenced_binary()?);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let progress = |line| println!("{line}");
    let events = if scenario == KILL {
        let plan = kill::Plan { seed, uploaders, nodes, kills: rounds, time_max, life_max: LIFE_MAX };
        runtime.block_on(kill::run(&plan, node, progress))?
    } else {
        let scenario = cluster::Scenario::from_str(scenario, false).map_err(anyhow::Error::msg)?;
        let plan = cluster::Plan { scenario, seed, nodes, uploaders, rounds, time_max, pause };
        let options = FleetOptions { node, ..FleetOptions::default() };
        runtime.block_on(cluster::run(&plan, options, progress))?
    };
    history::write(&events, BufWriter::new(file))?;
    println!("history: {}", out.display());
    Ok(pronounce(&events))
}

/// Clients are twice the uploaders: orders are smaller than files.
fn run_wallet(seed: u64, parameters: &Parameters) -> Result<ExitCode> {
    let (time, pause) = (Duration::from_millis(parameters.time_max_ms), Duration::from_millis(parameters.pause_ms));
    let plan = wallet::Plan { seed, nodes: parameters.nodes, clients: 2 * parameters.uploaders, time, pause };
    let runtime = tokio::runtime::Runtime::new()?;
    let verdict = runtime.block_on(wallet::run(&plan, FleetOptions::default(), |line| println!("{line}")))?;
    println!("{verdict}");
    Ok(ExitCode::from(u8::from(!verdict.holds())))
}

fn run_logins() -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(logins::run(logins::Plan::default(), NodeOptions::new()))?;
    println!("{report}");
    Ok(ExitCode::from(u8::from(!report.holds())))
}

fn read(path: &Path) -> Result<Vec<Event>> {
    let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    history::read(BufReader::new(file))
}

fn pronounce(events: &[Event]) -> ExitCode {
    let verdict = judge(events);
    println!("{verdict}");
    ExitCode::from(u8::from(!verdict.holds()))
}
