//! The binary `metastamp`: reads the configuration, then runs a node or a client command.

mod app;
mod command;
mod http;
mod membership;
mod metrics;
mod serve;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use metastamp_cli::client::{WalletArgs, WalletCommand};
use metastamp_cli::{client, demo, dev, works};
use metastamp_ops::{audit, backup, fsck, init, migrate, rebuild, restore};
use metastamp_setup::config::{Config, Problem, Reader};
use metastamp_setup::exit::ExitWith;
use metastamp_setup::out;
use tokio::sync::oneshot;

use crate::command::{Cli, Command};
use crate::serve::RunOptions;

/// The configuration was refused.
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    #[cfg(feature = "unfenced")]
    metastamp_store::unfenced::switch_off();
    let cli = Cli::parse();
    match cli.command.unwrap_or_default() {
        Command::Serve { exit_with_stdin } => with_config(|config| {
            let options = RunOptions { exit_with_stdin, ..RunOptions::default() };
            block_on(config.threads, serve::run(config, options))
        }),
        Command::Init(args) => {
            with_config(|config| block_on(config.threads, async move { init::run(&config, args).await }))
        }
        Command::Backup(args) => {
            let database = args.database.clone();
            with_config_and(named(database.as_deref()).as_slice(), |config| {
                block_on(config.threads, backup::run(config, args))
            })
        }
        Command::Restore(args) => with_config(|config| block_on(config.threads, restore::run(config, args))),
        Command::Migrate(args) => ended(block_on(2, migrate::run(args))),
        Command::Fsck(args) => with_config(|config| block_on(config.threads, fsck::run(config, args))),
        Command::Config { env_file: Some(file), .. } => print_env_file(&file),
        Command::Config { dump, .. } => with_config(|config| {
            if dump {
                print_config(&config);
            } else {
                out::line("configuration is fine; --dump prints it");
            }
            Ok(())
        }),
        Command::Login(args) => ended(block_on(1, client::login(args))),
        Command::Upload(args) => ended(block_on(1, client::upload(args))),
        Command::Assets(args) => ended(block_on(1, client::assets(args))),
        Command::Audit(args) => with_config(|config| block_on(config.threads, audit::run(config, args))),
        // on the stores, not through a node
        Command::Wallet(WalletArgs { command: Some(WalletCommand::Rebuild(args)), .. }) => {
            with_config(|config| block_on(config.threads, rebuild::run(config, args)))
        }
        Command::Wallet(args) => ended(block_on(1, client::wallet(args))),
        Command::Cluster(command) => ended(block_on(1, client::cluster(command))),
        Command::Fingerprint(args) => ended(works::fingerprint(&args)),
        Command::Compare(args) => ended(works::compare(&args)),
        Command::FingerprintWorker { memory_bytes } => ended(worker::run(memory_bytes)),
        Command::Dev(args) => with_config(|config| block_on(2, dev::run(config, args))),
        Command::Demo { url } => with_config(|config| block_on(config.threads, run_demo(config, url))),
    }
}

fn with_config(run: impl FnOnce(Config) -> anyhow::Result<()>) -> ExitCode {
    with_config_and(&[], run)
}

/// The database that the command line names.
fn named(database: Option<&str>) -> Vec<(&'static str, &str)> {
    database.map(|name| ("MONGODB_DATABASE", name)).into_iter().collect()
}

/// `given` stands in for what the environment says.
fn with_config_and(given: &[(&str, &str)], run: impl FnOnce(Config) -> anyhow::Result<()>) -> ExitCode {
    let dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    match Config::load_with(&dir, given) {
        Ok(config) => ended(run(config)),
        Err(problems) => refused(&problems),
    }
}

fn refused(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        complain(&format!("{} {}", problem.name, problem.message));
    }
    ExitCode::from(EXIT_CONFIG)
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            error.downcast_ref::<ExitWith>().map_or(ExitCode::FAILURE, |exit| ExitCode::from(exit.code))
        }
    }
}

fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}

fn block_on(threads: usize, future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let result = runtime.block_on(future);
    // A decoder that can't be interrupted must not hold up the exit: its job was handed back.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn print_config(config: &Config) {
    let mut entries = config.entries.clone();
    entries.sort_by_key(|entry| entry.name);
    for entry in entries {
        out::line(&format!("{}={}  # {}", entry.name, entry.value, entry.source));
    }
}

/// For the scripts: they have no reader of their own for the dialect.
fn print_env_file(file: &Path) -> ExitCode {
    match Reader::file_with_environment(file) {
        Ok(values) => {
            ended(out::raw(&values.iter().map(|(name, value)| format!("{name}={value}\0")).collect::<String>()))
        }
        Err(problems) => refused(&problems),
    }
}

/// Seeds the node at `url`; without one, the local node, which is started if nothing answers.
async fn run_demo(config: Config, url: Option<String>) -> anyhow::Result<()> {
    if let Some(url) = url {
        return demo::seed(&url).await;
    }
    let local = format!("http://127.0.0.1:{}", config.address.port());
    if tokio::net::TcpStream::connect(("127.0.0.1", config.address.port())).await.is_ok() {
        return demo::seed(&local).await;
    }
    out::line("no node is running here, starting one");
    let (started, url) = oneshot::channel::<String>();
    let seed = async {
        if let Ok(url) = url.await {
            demo::seed(&url.replace("localhost", "127.0.0.1")).await?;
            out::line("the node goes on running; stop it with Ctrl-C");
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        ended = serve::run(config, RunOptions { started: Some(started), ..RunOptions::default() }) => ended,
        failed = seed => failed,
    }
}
