//! `metastamp migrate`: moves everything from one set of stores to another.
//!
//! Safe to break off anywhere: run again, it goes on. A lease in the target says whose move it is.

mod objects;
mod places;

use std::time::Duration;

use metastamp_actors::SWEEPER_LEASE;
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_setup::config::Config;
use metastamp_setup::exit::{ExitWith, USAGE};
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_setup::{out, telemetry};
use metastamp_store::Stores;
use metastamp_store::records::{Bson, Collection};

use self::places::{Place, place};
use crate::restore::{LEASE_TTL, count, sums};

/// Held in the target from the first record until all is there.
const MARKER: &str = "migration";
/// A move that was broken off may be taken up again within this time.
const MARKER_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
const PAGE: u32 = 500;

#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    /// Where everything is: embedded, embedded:DIRECTORY, env (what the configuration names), or an .env file
    #[arg(long, value_name = "WHERE", default_value = "embedded")]
    from: String,
    /// Where it is to go
    #[arg(long, value_name = "WHERE", default_value = "env")]
    to: String,
    /// Go on although the target holds something else: it is replaced by what the source has
    #[arg(short, long)]
    yes: bool,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
    /// Say nothing but warnings
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

/// # Errors
/// When the target holds something else, a store fails, or digests differ in the end.
pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    telemetry::logs::install(if args.verbose { "info" } else { "warning" }, false);
    let progress = Progress::new(args.quiet);
    let (from, to) = (place(&args.from)?, place(&args.to)?);
    if from.identity == to.identity {
        let message = format!("--from and --to are the same place: {}", from.identity);
        return Err(ExitWith { code: USAGE, message }.into());
    }
    let (source, target) = (open_source(from.config.clone()).await?, Opened::open(&to.config).await?);
    let moved = begin(&args, &from, &to, &source, &target, &progress).await;
    for local in [source.local_s3, target.local_s3].into_iter().flatten() {
        local.shutdown().await;
    }
    moved
}

/// The objects are in the bucket that the records name, whatever the configuration of today says.
async fn open_source(mut config: Config) -> anyhow::Result<Opened> {
    let stores = Opened::open(&config).await?;
    let first = stores.documents.records.snapshot().await?.page(Collection::Assets, None, 1).await?;
    let bucket = first.first().and_then(|asset| asset.get_str("s3_bucket").ok()).unwrap_or_default();
    if bucket.is_empty() || bucket == config.stores.bucket {
        return Ok(stores);
    }
    config.stores.bucket = bucket.to_owned();
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    Opened::open(&config).await
}

async fn begin(
    args: &MigrateArgs,
    from: &Place,
    to: &Place,
    source: &Opened,
    target: &Opened,
    progress: &Progress,
) -> anyhow::Result<()> {
    let holder = format!("from {}", from.identity);
    let there = count(&mut *target.documents.records.snapshot().await?).await?;
    if there > 0 && !args.yes && !is_ours(&target.documents, &holder).await? {
        anyhow::bail!("the target holds {there} records that are not of this move: --yes replaces them");
    }
    anyhow::ensure!(
        target.documents.leases.take_lease(MARKER, &holder, Timestamp::now(), MARKER_TTL).await?,
        "another move into this target is not finished"
    );
    let sweeper = format!("migrate-{}", std::process::id());
    for (name, stores) in [("source", source), ("target", target)] {
        if !stores.documents.leases.take_lease(SWEEPER_LEASE, &sweeper, Timestamp::now(), LEASE_TTL).await? {
            progress.warn(&format!("a node seems to be running on the {name}: what it writes may be missed"));
        }
    }
    let same_records = from.documents == to.documents;
    let done = everything(source, target, same_records, &sweeper, progress).await;
    for stores in [source, target] {
        stores.documents.leases.return_lease(SWEEPER_LEASE, &sweeper).await?;
    }
    let lost = done?;
    target.identities.adopt(&target.documents, &target.objects).await?;
    target.documents.leases.return_lease(MARKER, &holder).await?;
    anyhow::ensure!(
        lost == 0,
        "moved, but for {lost} objects that the source does not give: see metastamp fsck --deep"
    );
    out::line("moved");
    Ok(())
}

/// Whether a move by `holder` was broken off here. Whoever can take the marker under any other name sees that there was
/// none.
async fn is_ours(target: &Stores, holder: &str) -> anyhow::Result<bool> {
    let probe = format!("probe-{}", ObjectId::generate());
    let now = Timestamp::now();
    if target.leases.take_lease(MARKER, &probe, now, Duration::from_secs(60)).await? {
        target.leases.return_lease(MARKER, &probe).await?;
        return Ok(false);
    }
    Ok(target.leases.take_lease(MARKER, holder, now, MARKER_TTL).await?)
}

/// Objects first, so that there is no row without its object at any time. Gives how many objects the source does not
/// have.
async fn everything(
    source: &Opened,
    target: &Opened,
    same_records: bool,
    sweeper: &str,
    progress: &Progress,
) -> anyhow::Result<u64> {
    let lost = objects::copy_all(source, target, sweeper, progress).await?;
    if same_records {
        // only the objects move
        return Ok(lost);
    }
    let wanted = sums(&source.documents, progress).await?;
    let found = sums(&target.documents, progress).await?;
    for collection in Collection::ALL {
        if wanted.get(&collection) == found.get(&collection) {
            continue;
        }
        // what an earlier attempt brought may be gone from the source by now
        clear(&target.documents, collection).await?;
        copy(source, target, collection, progress).await?;
    }
    let found = sums(&target.documents, progress).await?;
    for (collection, sum) in &wanted {
        let equal = found.get(collection) == Some(sum);
        anyhow::ensure!(equal, "{} differ: is a node running? Run it again", collection.name());
        if sum.records > 0 {
            progress.note(&format!("{}: {} records, digests are equal", collection.name(), sum.records));
        }
    }
    Ok(lost)
}

async fn clear(target: &Stores, collection: Collection) -> anyhow::Result<()> {
    loop {
        let records = target.records.snapshot().await?.page(collection, None, PAGE).await?;
        let ids: Vec<Bson> = records.iter().filter_map(|record| record.get("_id").cloned()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        target.records.remove_records(collection, ids).await?;
    }
}

async fn copy(source: &Opened, target: &Opened, collection: Collection, progress: &Progress) -> anyhow::Result<()> {
    let mut snapshot = source.documents.records.snapshot().await?;
    let meter = progress.step(collection.name(), snapshot.count(collection).await?, Unit::Items);
    let mut after = None::<Bson>;
    loop {
        let mut records = snapshot.page(collection, after.take(), PAGE).await?;
        let Some(last) = records.last().and_then(|record| record.get("_id").cloned()) else { return Ok(()) };
        after = Some(last);
        if collection == Collection::Assets {
            let bucket = target.objects.bucket();
            records.iter_mut().for_each(|record| crate::restore::move_bucket(record, bucket));
        }
        let count = records.len() as u64;
        target.documents.records.put_records(collection, records).await?;
        meter.add(count);
    }
}
