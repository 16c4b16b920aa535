//! The metadata database: one writer thread with group commit, and a small pool of readers.
//!
//! Every write transaction also holds an advisory lock on a file, because SQLite's own busy waiting is not fair between
//! processes. `synchronous=FULL` makes what is acknowledged durable.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::blobs::{BlobGuard, Blobs};
use super::fault::Fault;

/// Read connections, and so reads at a time.
const READERS_MAX: usize = 4;
/// Writes that may share one transaction and its sync.
const BATCH_JOBS_MAX: usize = 64;
/// How often rows are read again because their blobs were replaced meanwhile.
const STALE_READS_MAX: usize = 5;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS buckets(name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects(
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    headers TEXT NOT NULL, modified_ms INTEGER NOT NULL, upload_id TEXT, UNIQUE(bucket, key));
CREATE TABLE IF NOT EXISTS segments(
    object_id INTEGER NOT NULL, idx INTEGER NOT NULL, blob TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    PRIMARY KEY(object_id, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads(
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, headers TEXT NOT NULL, created_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_key ON uploads(bucket, key, id);
CREATE TABLE IF NOT EXISTS parts(
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, PRIMARY KEY(upload_id, number)) WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// What a write leads to once it is committed.
pub(super) struct Change<T> {
    pub value: T,
    /// Blobs that rows own now.
    pub keep: Vec<BlobGuard>,
    /// Blobs that no row owns any more.
    pub garbage: Vec<String>,
}

impl<T> Change<T> {
    pub fn new(value: T) -> Self {
        Self { value, keep: Vec::new(), garbage: Vec::new() }
    }

    pub fn keep(mut self, guard: BlobGuard) -> Self {
        self.keep.push(guard);
        self
    }

    pub fn garbage(mut self, garbage: Vec<String>) -> Self {
        self.garbage.extend(garbage);
        self
    }
}

/// Runs inside the transaction (or not at all: `None`) and returns what to do when its outcome is known.
type Job = Box<dyn FnOnce(Option<&Connection>) -> Finish + Send>;
type Finish = Box<dyn FnOnce(Result<(), String>)>;

/// Handle on the metadata of one data directory.
pub(super) struct Meta {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    blobs: Arc<Blobs>,
}

impl Meta {
    /// Opens or creates the database; blocks. Must be called inside a runtime.
    pub fn open(dir: &Path, blobs: Arc<Blobs>) -> Result<Self, Fault> {
        let path = dir.join("objects.sqlite");
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("objects.lock"))?;
        lock.lock()?;
        let connection = connect(&path)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            // readers would block writers, and file systems without shared memory can't be shared anyway
            return Err(Fault::Busy(format!("file system allows journal mode {mode} only, not wal")));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        lock.unlock()?;
        super::blobs::sync_dir(dir)?;
        let (jobs, queue) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("objects-writer".into())
            .spawn(move || while run_batch(&connection, &lock, &queue) {})?;
        let permits = Arc::new(Semaphore::new(READERS_MAX));
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            path,
            readers: Mutex::default(),
            permits,
            blobs,
        })
    }

    /// Runs `work` in a write transaction, possibly together with others; returns after it is durable. Dropping the
    /// future does not undo the write.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Change<T>, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (answer, answered) = oneshot::channel();
        let blobs = Arc::clone(&self.blobs);
        let runtime = tokio::runtime::Handle::current();
        let job: Job = Box::new(move |connection| {
            let Some(connection) = connection else {
                drop(work);
                return Box::new(move |outcome| {
                    let reason = outcome.err().unwrap_or_default();
                    _ = answer.send(Err(Fault::Busy(reason)));
                });
            };
            let result = in_savepoint(connection, work);
            Box::new(move |outcome| {
                _ = answer.send(result.and_then(|change| {
                    // after a failed commit nobody knows which blobs are owned: the sweep will
                    change.keep.into_iter().for_each(BlobGuard::keep);
                    outcome.map_err(Fault::Busy)?;
                    if !change.garbage.is_empty() {
                        runtime.spawn_blocking(move || change.garbage.iter().for_each(|name| blobs.remove(name)));
                    }
                    Ok(change.value)
                }));
            })
        });
        let sent = self.jobs.lock().as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            return Err(Fault::Busy("stopped".into()));
        }
        answered.await.unwrap_or_else(|_| Err(Fault::Busy("stopped".into())))
    }

    /// Runs `work` on one consistent view of the metadata.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Busy("stopped".into()))?;
        let meta = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let pooled = meta.readers.lock().pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => reader(&meta.path)?,
            };
            let transaction = connection.unchecked_transaction()?;
            let result = work(&transaction);
            transaction.finish()?;
            meta.readers.lock().push(connection);
            result
        })
        .await?
    }

    /// As [`read`](Self::read), for work that opens blobs: when one was replaced and unlinked after the rows were
    /// read, they are read again.
    pub async fn read_with_blobs<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(&Connection) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> Result<T, Fault> {
        for _ in 1..STALE_READS_MAX {
            match self.read(work.clone()).await {
                Err(Fault::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        self.read(work).await
    }

    /// Ends the writer after the jobs already queued; later writes fail.
    pub async fn stop(&self) {
        self.jobs.lock().take();
        let writer = self.writer.lock().take();
        let joined = tokio::task::spawn_blocking(move || writer.map(std::thread::JoinHandle::join)).await;
        if !matches!(joined, Ok(None | Some(Ok(())))) {
            tracing::error!("object metadata writer failed");
        }
        self.readers.lock().clear();
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

/// Waits for jobs and runs those that are there in one transaction; false when there will be no more.
fn run_batch(connection: &Connection, lock: &File, queue: &mpsc::Receiver<Job>) -> bool {
    let Ok(first) = queue.recv() else { return false };
    let mut jobs = vec![first];
    let begun = lock
        .lock()
        .map_err(|error| error.to_string())
        .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string()));
    // those that came while we waited for the lock share this transaction
    jobs.extend(queue.try_iter().take(BATCH_JOBS_MAX - 1));
    let inside = begun.is_ok().then_some(connection);
    let finishes: Vec<Finish> = jobs.into_iter().map(|job| job(inside)).collect();
    let outcome = begun.and_then(|()| {
        connection.execute_batch("COMMIT").map_err(|error| {
            _ = connection.execute_batch("ROLLBACK");
            tracing::error!(%error, "object metadata commit failed");
            error.to_string()
        })
    });
    if let Err(error) = lock.unlock() {
        tracing::error!(%error, "object metadata lock not released");
    }
    for finish in finishes {
        finish(outcome.clone());
    }
    true
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<Change<T>, Fault>,
) -> Result<Change<T>, Fault> {
    connection.execute_batch("SAVEPOINT job")?;
    // A panic must not end the writer thread, and with it every write of this process.
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(connection)))
        .unwrap_or_else(|_| Err(Fault::Busy("the write broke off".to_owned())));
    match done {
        Ok(change) => {
            connection.execute_batch("RELEASE job")?;
            Ok(change)
        }
        Err(fault) => {
            connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            Err(fault)
        }
    }
}
