//! `metastamp audit`: proves from the stored records alone that the money in all wallets is right, or says what is not.

mod look;
mod report;
pub mod shown;

use anyhow::Context;
use metastamp_protocol::ObjectId;
use metastamp_setup::config::Config;
use metastamp_setup::exit::ExitWith;
use metastamp_setup::progress::Progress;
use metastamp_setup::{out, stores, telemetry};

/// Something was found.
const EXIT_FINDINGS: u8 = 1;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Reads only; nodes may be running, and need not. Exit code 0: nothing is wrong; 1: something is, one line for each: the \
invariant, the record, what it is (docs/LEDGER.md).")]
pub struct AuditArgs {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Only the wallet of this user or partner; usage events are left out
    #[arg(long, value_name = "ID")]
    wallet: Option<String>,
    /// Say nothing but the findings
    #[arg(short, long)]
    quiet: bool,
}

/// # Errors
/// With exit code 1 when something is wrong.
pub async fn run(config: Config, args: AuditArgs) -> anyhow::Result<()> {
    telemetry::logs::install("warning", false);
    let only = args.wallet.as_deref().map(str::parse::<ObjectId>).transpose().context("--wallet")?;
    let stores = stores::open_documents(&config).await?;
    let progress = Progress::new(args.quiet || args.json);
    let audited = look::look(&stores, only, &progress).await?;
    if args.json {
        out::line(&serde_json::to_string_pretty(&report::json(&audited))?);
    } else {
        report::print(&audited, args.quiet);
    }
    match audited.findings.total {
        0 => Ok(()),
        n => Err(ExitWith { code: EXIT_FINDINGS, message: format!("{n} findings") }.into()),
    }
}
