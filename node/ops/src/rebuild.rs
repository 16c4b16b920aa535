//! `metastamp wallet rebuild`: makes what is shown of wallets anew from their journals.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use metastamp_actors::wallet::audit::ChainAudit;
use metastamp_protocol::invariants::NEWER_VERSION;
use metastamp_protocol::ledger::Row;
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_setup::config::Config;
use metastamp_setup::exit::ExitWith;
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::{out, stores, telemetry};
use metastamp_store::records::{Bson, Collection};
use metastamp_store::{StoreError, Stores};

use crate::audit;

const PAGE: u32 = 1_000;
/// Some were left as they were.
const EXIT_REFUSED: u8 = 1;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Works on the stores that the configuration names, also while nodes run. A wallet whose journal does not hold is left as \
it is: what is shown may be all that tells what is missing (docs/LEDGER.md).")]
pub struct RebuildArgs {
    /// Ids or addresses of users, or ids of partners
    #[arg(value_name = "WALLET", required_unless_present = "all")]
    wallets: Vec<String>,
    /// All wallets
    #[arg(long, conflicts_with = "wallets")]
    all: bool,
    /// Also where the journal does not hold
    #[arg(long)]
    force: bool,
    /// Say nothing but what was left as it was
    #[arg(short, long)]
    quiet: bool,
}

/// # Errors
/// With exit code 1 when some were left as they were.
pub async fn run(config: Config, args: RebuildArgs) -> anyhow::Result<()> {
    telemetry::logs::install("warning", false);
    let stores = stores::open_documents(&config).await?;
    let wallets = if args.all { all(&stores).await? } else { named(&stores, &args.wallets).await? };
    let progress = Progress::new(args.quiet);
    let meter = progress.step("wallets", wallets.len() as u64, Unit::Items);
    let (mut rebuilt, mut rows, mut left) = (0_u64, 0, 0_u64);
    for wallet_id in wallets {
        match fault(&stores, wallet_id).await? {
            Some(Fault { why, by_force }) if !(args.force && by_force) => {
                progress.warn(&format!("{wallet_id} is left as it is: {why}"));
                left += 1;
            }
            fault => {
                if let Some(Fault { why, .. }) = fault {
                    progress.warn(&format!("{wallet_id} is rebuilt from a journal that does not hold: {why}"));
                }
                rows += stores.ledger.rebuild(wallet_id).await?;
                rebuilt += 1;
            }
        }
        meter.add(1);
    }
    drop(meter);
    if !args.quiet {
        out::line(&format!("rebuilt {rebuilt} wallets from {rows} rows"));
    }
    match left {
        0 => Ok(()),
        n => {
            let message =
                format!("{n} wallets were left as they were; `metastamp audit` says more, --force rebuilds them");
            Err(ExitWith { code: EXIT_REFUSED, message }.into())
        }
    }
}

/// Why what is shown is not made anew from a wallet's journal.
struct Fault {
    why: String,
    /// Whether `--force` makes it anew all the same.
    by_force: bool,
}

async fn fault(stores: &Stores, wallet_id: ObjectId) -> anyhow::Result<Option<Fault>> {
    match unbelievable(stores, wallet_id).await {
        Ok(why) => Ok(why.map(|why| Fault { why, by_force: true })),
        // What can't be read can't be shown. Newer software can.
        Err(error @ StoreError::NewerVersion { .. }) => {
            Ok(Some(Fault { why: format!("{NEWER_VERSION}  {error}"), by_force: false }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a wallet's journal is not to be believed.
async fn unbelievable(stores: &Stores, wallet_id: ObjectId) -> metastamp_store::Result<Option<String>> {
    // Before the journal: what it knows of is there already.
    let shown = stores.ledger.wallet(wallet_id, Timestamp::now()).await?;
    let mut audit = ChainAudit::new(wallet_id);
    let mut seq = 0;
    loop {
        let rows = stores.ledger.rows_after(wallet_id, seq, PAGE).await?;
        rows.iter().for_each(|row| audit.row(row));
        match rows.last() {
            Some(last) if last.seq > seq => seq = last.seq,
            _ => break,
        }
    }
    let findings = audit.end();
    if let Some(first) = findings.listed.first() {
        return Ok(Some(format!("{}  {}  {}", first.invariant, first.row, first.what)));
    }
    if shown.last_seq > seq {
        return Ok(Some(format!("its document ends in row number {}, its journal in {seq}", shown.last_seq)));
    }
    Ok(None)
}

/// Wallets that have rows, and those that are shown as if they had.
async fn all(stores: &Stores) -> anyhow::Result<BTreeSet<ObjectId>> {
    let mut wallets = BTreeSet::new();
    let mut snapshot = stores.records.snapshot().await?;
    let mut after = None;
    loop {
        let page = snapshot.page(Collection::WalletJournal, after.take(), 1).await?;
        let Some(Bson::String(id)) = page.first().and_then(|record| record.get("_id")) else { break };
        // over the rest of its rows; what is no place is the audit's to name
        after = Some(Bson::String(Row::place(id).map_or_else(
            || id.clone(),
            |(wallet_id, _)| {
                wallets.insert(wallet_id);
                Row::id_of(wallet_id, Row::SEQ_MAX)
            },
        )));
    }
    let mut after = None;
    loop {
        let page = snapshot.page(Collection::Wallet, after.take(), PAGE).await?;
        let Some(last) = page.last().and_then(|record| record.get("_id").cloned()) else { break };
        after = Some(last);
        let shown = page.iter().filter_map(|record| audit::shown::read(record).ok());
        wallets.extend(shown.filter(|wallet| wallet.last_seq > 0).map(|wallet| wallet.user_id));
    }
    Ok(wallets)
}

async fn named(stores: &Stores, names: &[String]) -> anyhow::Result<BTreeSet<ObjectId>> {
    let mut wallets = BTreeSet::new();
    for name in names {
        let id = match name.parse::<ObjectId>() {
            Ok(id) => id,
            Err(_) => {
                stores.users.user_by_email(name).await?.with_context(|| format!("no user has the address {name}"))?.id
            }
        };
        let has_rows = match stores.ledger.head(id).await {
            // said when its turn comes
            Err(StoreError::NewerVersion { .. }) => true,
            head => head?.is_some(),
        };
        let known = has_rows || stores.users.user(id).await?.is_some() || stores.partners.partner(id).await?.is_some();
        if !known {
            bail!("nobody has the wallet {id}");
        }
        wallets.insert(id);
    }
    Ok(wallets)
}
