//! `metastamp backup`: everything that is kept, in one file.

mod objects;
mod offsite;
mod retention;

use std::path::{Path, PathBuf};

use anyhow::Context;
use metastamp_protocol::Timestamp;
use metastamp_setup::config::{Config, DocumentStore};
use metastamp_setup::exit::{ARCHIVE, DUMP, ExitWith, INCOMPLETE, OFFSITE, OrExit, USAGE};
use metastamp_setup::identity::private_dir;
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_setup::{out, telemetry};
use metastamp_store::archive::{
    BundleWriter, Dumped, FORMAT, Manifest, ObjectsSum, SCHEMA_VERSION, Source, dump, program, write_checksum,
};
use metastamp_store::records::Collection;

use crate::restore;

/// What archives and the directories in them are called, before the time.
const NAME: &str = "metastamp_backup_";

#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// Send the archive to BACKUP_S3_BUCKET as well
    #[arg(short = 's', long)]
    s3: bool,
    /// Include the objects, not only the records
    #[arg(long)]
    full: bool,
    /// Remove archives older than so many days; at least BACKUP_MIN_COUNT stay
    #[arg(short, long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    retention: Option<u32>,
    /// Where archives are kept
    #[arg(short, long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Database to back up, in place of MONGODB_DATABASE
    #[arg(short = 'b', long, value_name = "NAME")]
    pub database: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
    /// Say nothing but warnings and the path of the archive
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Read an archive from beginning to end and say whether it is intact; nothing is backed up
    #[arg(long, value_name = "FILE", conflicts_with_all = ["s3", "full", "dry_run"])]
    verify: Option<PathBuf>,
}

/// What one run is to do.
struct Job {
    name: String,
    now: Timestamp,
    dir: PathBuf,
    retention_days: u32,
    upload: bool,
    args: BackupArgs,
    progress: Progress,
}

impl Job {
    fn archive(&self) -> PathBuf {
        self.dir.join(day(self.now)).join(format!("{}.tar.gz", self.name))
    }
}

/// # Errors
/// With exit code 3 when the records can't be read, 4 when the archive can't be written, 5 when it can't be sent away, 7
/// when it is there, and objects are missing in it or are not what their records say.
pub async fn run(config: Config, args: BackupArgs) -> anyhow::Result<()> {
    telemetry::logs::install(if args.verbose { "info" } else { "warning" }, false);
    let progress = Progress::new(args.quiet);
    if let Some(file) = &args.verify {
        return restore::verify_only(file, args.database.clone(), &progress).await;
    }
    let now = Timestamp::now();
    let job = Job {
        name: format!("{NAME}{}", stamp(now)),
        now,
        dir: args.dir.clone().unwrap_or_else(|| config.backup.dir.clone()),
        retention_days: args.retention.unwrap_or(config.backup.retention_days),
        upload: args.s3 || config.backup.upload,
        args,
        progress,
    };
    if job.upload && config.backup.offsite.bucket.is_none() {
        return Err(ExitWith { code: USAGE, message: "--s3 needs BACKUP_S3_BUCKET".to_owned() }.into());
    }
    if job.args.dry_run {
        return say_what_would_be_done(&config, &job);
    }
    let archive = job.archive();
    let parent = archive.parent().context("no directory")?.to_owned();
    private_dir(&parent).or_exit(ARCHIVE, "the directory of backups")?;
    let objects = write(&config, &job, &archive, &parent).await?;
    if job.upload {
        offsite::send(&config, &job.name, &day(now), &archive, &job.progress)
            .await
            .or_exit(OFFSITE, "copy elsewhere")?;
    }
    retention::remove_leftovers(&job.dir)?;
    if let Some(ObjectsSum { lost, differing, .. }) = objects.filter(|sum| sum.lost + sum.differing > 0) {
        // older archives stay: what this one lacks may be in them
        out::line(&archive.display().to_string());
        let message = format!(
            "the archive is there, but {lost} objects could not be saved and {differing} are not what their records say: \
             see metastamp fsck --deep. No older archive was removed"
        );
        return Err(ExitWith { code: INCOMPLETE, message }.into());
    }
    for old in retention::outdated(&job.dir, now, job.retention_days, config.backup.count_min)? {
        retention::remove(&old)?;
        job.progress.note(&format!("removed {}, it was older than {} days", old.display(), job.retention_days));
    }
    out::line(&archive.display().to_string());
    Ok(())
}

fn say_what_would_be_done(config: &Config, job: &Job) -> anyhow::Result<()> {
    let what = if job.args.full { "records and objects" } else { "records" };
    out::line(&format!("would write {what} of {} to {}", source(config).documents, job.archive().display()));
    if job.upload {
        let bucket = config.backup.offsite.bucket.as_deref().unwrap_or_default();
        out::line(&format!("would send it to {bucket} as {}", offsite::key(config, &job.name, &day(job.now))));
    }
    for old in retention::outdated(&job.dir, job.now, job.retention_days, config.backup.count_min.saturating_sub(1))? {
        out::line(&format!("would remove {}", old.display()));
    }
    Ok(())
}

/// Gives what became of the objects, if they were asked for.
async fn write(config: &Config, job: &Job, archive: &Path, parent: &Path) -> anyhow::Result<Option<ObjectsSum>> {
    let work = tempfile::Builder::new().prefix(".work-").tempdir_in(parent).or_exit(ARCHIVE, "temporary files")?;
    let stores = Opened::open(config).await.or_exit(DUMP, "stores")?;
    let written = write_with(config, job, &stores, archive, work.path()).await;
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    written
}

async fn write_with(
    config: &Config,
    job: &Job,
    stores: &Opened,
    archive: &Path,
    work: &Path,
) -> anyhow::Result<Option<ObjectsSum>> {
    let (dump_path, assets) = (work.join("dump.gz"), work.join("assets.jsonl"));
    let source = source(config);
    let dumped = dump_records(job, stores, &source.database, &dump_path, &assets).await.or_exit(DUMP, "records")?;
    if !dumped.one_instant {
        job.progress.warn("this server shows no view of one instant: records may be seconds apart");
    }
    let parent = archive.parent().context("no directory")?;
    let mut bundle = BundleWriter::create(parent, &job.name, seconds(job.now)).or_exit(ARCHIVE, "archive")?;
    bundle =
        blocking(move || bundle.add_file("dump.gz", &dump_path).map(|_| bundle)).await.or_exit(ARCHIVE, "archive")?;
    let mut sum = None;
    if job.args.full {
        let count = dumped.collections.get(Collection::Assets.name()).map_or(0, |sum| sum.records);
        let added = objects::add_all(bundle, stores, &assets, count, work, &job.progress).await;
        let (with_objects, objects) = added.or_exit(ARCHIVE, "objects")?;
        (bundle, sum) = (with_objects, Some(objects));
    }
    let manifest = manifest(job, source, &dumped, sum.clone());
    let text = serde_json::to_vec_pretty(&manifest)?;
    let to = archive.to_owned();
    let finished = blocking(move || {
        bundle.add("manifest.json", text.len() as u64, text.as_slice())?;
        let size = bundle.finish(&to)?;
        write_checksum(&to).map(|_| size)
    });
    let size = finished.await.or_exit(ARCHIVE, "archive")?;
    report(job, &dumped, sum.as_ref(), size);
    Ok(sum)
}

async fn dump_records(
    job: &Job,
    stores: &Opened,
    database: &str,
    to: &Path,
    assets: &Path,
) -> metastamp_store::Result<Dumped> {
    let mut snapshot = stores.documents.records.snapshot().await?;
    let mut total = 0;
    for collection in Collection::ALL {
        total += snapshot.count(collection).await?;
    }
    let meter = job.progress.step("records", total, Unit::Items);
    let seen = parking_lot::Mutex::new((Collection::Users, 0));
    let list = job.args.full.then_some(assets);
    dump(&mut *snapshot, database, to, list, |collection, count| {
        let mut seen = seen.lock();
        let before = if seen.0 == collection { seen.1 } else { 0 };
        *seen = (collection, count);
        meter.add(count.saturating_sub(before));
    })
    .await
}

fn manifest(job: &Job, source: Source, dumped: &Dumped, objects: Option<ObjectsSum>) -> Manifest {
    Manifest {
        format: FORMAT,
        created_at: job.now,
        program: program(),
        source,
        schema_version: SCHEMA_VERSION,
        one_instant: dumped.one_instant,
        dump: dumped.dump.clone(),
        collections: dumped.collections.clone(),
        objects,
    }
}

fn report(job: &Job, dumped: &Dumped, objects: Option<&ObjectsSum>, size: u64) {
    let records: u64 = dumped.collections.values().map(|sum| sum.records).sum();
    let with = objects.map_or(String::new(), |sum| format!(" and {} objects", sum.kept));
    job.progress.note(&format!("{records} records{with} in {}", indicatif::HumanBytes(size)));
    if job.args.verbose {
        for (name, sum) in &dumped.collections {
            job.progress.note(&format!("  {name}: {}", sum.records));
        }
    }
    let Some(sum) = objects else { return };
    if sum.deleted > 0 {
        job.progress.note(&format!("{} assets were deleted meanwhile and are left out on restore", sum.deleted));
    }
}

fn source(config: &Config) -> Source {
    let (documents, database) = match &config.stores.documents {
        // the name under which mongorestore would put it
        DocumentStore::Embedded => ("embedded", "metastamp".to_owned()),
        DocumentStore::Mongo(settings) => ("mongodb", settings.database.clone()),
    };
    Source { documents: documents.to_owned(), database, bucket: config.stores.bucket.clone() }
}

/// `20251126_143022`, in UTC.
fn stamp(at: Timestamp) -> String {
    let text: String = at.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{}_{}", &text[..8], &text[8..])
}

/// `20251126`, in UTC.
fn day(at: Timestamp) -> String {
    at.day().replace('-', "")
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.millis() / 1_000).unwrap_or_default()
}

/// Runs work that waits for the disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> metastamp_store::Result<T> + Send + 'static,
) -> metastamp_store::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(metastamp_store::StoreError::Internal(format!("work broke off: {e}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_time() {
        let at = Timestamp(1_764_167_422_123);
        assert_eq!((stamp(at).as_str(), day(at).as_str()), ("20251126_143022", "20251126"));
    }
}
