//! `metastamp restore`: puts a backup in place of everything that is there.

mod objects;
mod records;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metastamp_actors::SWEEPER_LEASE;
use metastamp_protocol::Timestamp;
use metastamp_setup::config::{Config, DocumentStore};
use metastamp_setup::exit::{ARCHIVE, OrExit};
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_setup::table::columns;
use metastamp_setup::{out, telemetry};
use metastamp_store::Stores;
use metastamp_store::archive::{CollectionSum, RecordsDigest, Verified, verify};
use metastamp_store::ports::Snapshot;
use metastamp_store::records::{Bson, Collection};

pub(crate) use self::records::move_bucket;
use crate::backup::blocking;

/// How long we hold the lease of whoever sweeps: a running node has it, and nobody must sweep while we write.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(900);
const PAGE: u32 = 500;

#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// An archive of metastamp backup, its dump.gz, or an archive of mongodump
    file: PathBuf,
    /// Only read it from beginning to end and say whether it is intact
    #[arg(long)]
    verify: bool,
    /// Do not ask before what is there is replaced
    #[arg(short, long)]
    yes: bool,
    /// Database within the archive, when there are several
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
    /// Say nothing but warnings
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

/// # Errors
/// With exit code 4 when the archive is damaged; nothing was touched then.
pub async fn run(config: Config, args: RestoreArgs) -> anyhow::Result<()> {
    telemetry::logs::install(if args.verbose { "info" } else { "warning" }, false);
    let progress = Progress::new(args.quiet);
    if args.verify {
        return verify_only(&args.file, args.database, &progress).await;
    }
    let verified = read_through(&args.file, args.database.clone(), &progress).await?;
    describe(&verified, &progress);
    let stores = Opened::open(&config).await?;
    let restored = restore(&config, &args, &stores, verified, &progress).await;
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    restored
}

/// Reads the file from beginning to end.
///
/// # Errors
/// With exit code 4 when anything in it is not right.
pub async fn verify_only(file: &Path, database: Option<String>, progress: &Progress) -> anyhow::Result<()> {
    let verified = read_through(file, database, progress).await?;
    describe(&verified, progress);
    for line in table(&verified.collections, None) {
        progress.note(&line);
    }
    out::line(&format!("{} is intact", file.display()));
    Ok(())
}

async fn read_through(file: &Path, database: Option<String>, progress: &Progress) -> anyhow::Result<Arc<Verified>> {
    let size = std::fs::metadata(file).or_exit(ARCHIVE, &file.display().to_string())?.len();
    let meter = progress.step("verifying", size, Unit::Bytes);
    let (path, name) = (file.to_owned(), file.display().to_string());
    let verified = blocking(move || verify(&path, database.as_deref(), &|bytes| meter.add(bytes))).await;
    verified.map(Arc::new).or_exit(ARCHIVE, &name)
}

fn describe(verified: &Verified, progress: &Progress) {
    match &verified.manifest {
        Some(manifest) => {
            let source = &manifest.source;
            progress.note(&format!("backup of {} ({}), {}", source.database, source.documents, manifest.created_at));
            match &manifest.objects {
                Some(sum) => progress.note(&format!("with {} objects", sum.kept)),
                None => progress.note("records only: the objects must be where they were"),
            }
        }
        None => progress.note(&format!("archive of mongodump, database {}", verified.database)),
    }
    for name in &verified.skipped {
        progress.warn(&format!("{name} is nothing that this system keeps, and is skipped"));
    }
    if verified.senseless > 0 {
        progress.warn(&format!("{} records make no sense", verified.senseless));
    }
}

async fn restore(
    config: &Config,
    args: &RestoreArgs,
    stores: &Opened,
    verified: Arc<Verified>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let holder = format!("restore-{}", std::process::id());
    let documents = &stores.documents;
    let alone = documents.leases.take_lease(SWEEPER_LEASE, &holder, Timestamp::now(), LEASE_TTL).await?;
    let there = count(&mut *documents.records.snapshot().await?).await?;
    if !alone {
        progress
            .warn("a node seems to be running on these stores: stop all nodes first, or what they write is mixed in");
    }
    let asked = (there > 0 || !alone) && !args.yes;
    if asked && let Err(refused) = agreed(config, there).await {
        documents.leases.return_lease(SWEEPER_LEASE, &holder).await?;
        return Err(refused);
    }
    let done = replace(stores, verified, &holder, progress).await;
    documents.leases.return_lease(SWEEPER_LEASE, &holder).await?;
    let Replaced { put, found, refused } = done?;
    for line in table(&put, Some(&found)) {
        progress.note(&line);
    }
    anyhow::ensure!(put == found, "what is there now is not what was restored: is a node running?");
    anyhow::ensure!(refused == 0, "restored, but for {refused} records that this store refuses");
    out::line("restored");
    Ok(())
}

type Sums = BTreeMap<Collection, CollectionSum>;

struct Replaced {
    put: Sums,
    found: Sums,
    /// Records that are left out.
    refused: u64,
}

/// Said with every failure from the moment on at which the old records are gone.
const HALF_WAY: &str = "broke off half-way, the stores are incomplete: run it again before a node starts";

/// Objects first: a row without its object would be a broken promise, an object without a row is only in the way.
async fn replace(
    stores: &Opened,
    verified: Arc<Verified>,
    holder: &str,
    progress: &Progress,
) -> anyhow::Result<Replaced> {
    objects::put_all(stores, verified.clone(), holder, progress).await.context("objects")?;
    stores.documents.records.clear().await.context("can't remove what is there").context(HALF_WAY)?;
    stores.documents.leases.take_lease(SWEEPER_LEASE, holder, Timestamp::now(), LEASE_TTL).await?;
    let (put, refused) = records::put_all(stores, verified, progress).await.context("records").context(HALF_WAY)?;
    let found = sums(&stores.documents, progress).await.context("can't read what was restored")?;
    // an archive of mongodump does not name them all
    let found = found.into_iter().filter(|(collection, sum)| sum.records > 0 || put.contains_key(collection)).collect();
    // whatever they belonged to before: now documents and bucket are of one restore
    let joined = stores.identities.adopt(&stores.documents, &stores.objects).await;
    joined.context(HALF_WAY)?;
    // records may be older than what was brought up to date here before
    stores.documents.records.prepare().await.context("can't bring the records up to date").context(HALF_WAY)?;
    Ok(Replaced { put, found, refused })
}

/// What a store keeps, by collection.
pub(crate) async fn sums(stores: &Stores, progress: &Progress) -> metastamp_store::Result<Sums> {
    let mut snapshot = stores.records.snapshot().await?;
    let meter = progress.step("comparing", count(&mut *snapshot).await?, Unit::Items);
    let mut sums = Sums::new();
    for collection in Collection::ALL {
        let mut digest = RecordsDigest::default();
        let mut after = None::<Bson>;
        loop {
            let records = snapshot.page(collection, after.take(), PAGE).await?;
            meter.add(records.len() as u64);
            for record in &records {
                digest.add(collection, record)?;
            }
            match records.last().and_then(|record| record.get("_id")) {
                Some(id) => after = Some(id.clone()),
                None => break,
            }
        }
        sums.insert(collection, CollectionSum { records: digest.count(), digest: digest.hex() });
    }
    Ok(sums)
}

/// All records of a store.
pub(crate) async fn count(snapshot: &mut dyn Snapshot) -> metastamp_store::Result<u64> {
    let mut total = 0;
    for collection in Collection::ALL {
        total += snapshot.count(collection).await?;
    }
    Ok(total)
}

/// Counts, and whether the store agrees.
fn table(wanted: &Sums, found: Option<&Sums>) -> Vec<String> {
    let rows: Vec<Vec<String>> = wanted
        .iter()
        .filter(|(_, sum)| sum.records > 0)
        .map(|(collection, sum)| {
            let mut row = vec![collection.name().to_owned(), sum.records.to_string()];
            if let Some(found) = found {
                let there = found.get(collection);
                row.push(there.map_or(0, |sum| sum.records).to_string());
                row.push(if there == Some(sum) { "equal" } else { "DIFFERENT" }.to_owned());
            }
            row
        })
        .collect();
    let header: &[&str] =
        if found.is_some() { &["collection", "restored", "now", "digest"] } else { &["collection", "records"] };
    columns(header, &rows, &[1, 2])
}

/// Asks whoever sits at the terminal.
async fn agreed(config: &Config, there: u64) -> anyhow::Result<()> {
    let place = place(config);
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "{place} holds {there} records, which would be replaced: say --yes as well"
    );
    let question = format!("This replaces all {there} records in {place}, for good. Type yes to go on: ");
    anyhow::ensure!(ask(question).await?.trim() == "yes", "nothing was done");
    Ok(())
}

/// Where documents are, for people.
pub(crate) fn place(config: &Config) -> String {
    match &config.stores.documents {
        DocumentStore::Embedded => config.data_dir.display().to_string(),
        DocumentStore::Mongo(mongo) => format!("database {}", mongo.database),
    }
}

async fn ask(question: String) -> anyhow::Result<String> {
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{question}")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    Ok(answer.await??)
}
