//! The embedded engine: one SQLite file that several processes may open.
//!
//! Reads run on a few connections of their own. All writes of a process go through one thread that carries whatever
//! has queued up in one transaction (group commit), each piece in its own savepoint, and answers after the commit.
//! An advisory lock around the transaction keeps several processes fair: with a busy timeout alone, one of them
//! starves for seconds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::metrics::observe;
use crate::{Result, StoreError};

/// Writes waiting for the writer thread; beyond it callers wait in line.
const QUEUE_WRITES_MAX: usize = 1_024;
/// Writes carried by one transaction.
const GROUP_WRITES_MAX: usize = 256;
const READERS_MAX: usize = 8;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a write, in line and under way.
const WRITE_WITHIN: Duration = Duration::from_secs(8);

/// What a commit must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Power loss: fsync at every commit.
    Full,
    /// The end of the process only: for what may be lost, such as a cache.
    Process,
}

/// One work item: runs inside the transaction and leaves behind what tells its caller the outcome.
type Work = Box<dyn FnOnce(&Connection) -> Outcome + Send>;
struct Outcome {
    keep: bool,
    reply: Box<dyn FnOnce(Option<StoreError>) + Send>,
}

#[derive(Clone)]
pub(crate) struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    store: &'static str,
    path: PathBuf,
    durability: Durability,
    readers: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    writer: mpsc::Sender<Work>,
}

impl Sqlite {
    /// Opens or creates the file and applies `schema`, which must be idempotent. `store` is its name in metrics.
    pub fn open(store: &'static str, path: &Path, durability: Durability, schema: &str) -> Result<Self> {
        Self::open_and_upgrade(store, path, durability, schema, |_| Ok(()))
    }

    /// The same; `upgrade` then changes what older versions left behind, in the same transaction. It runs at every start.
    pub fn open_and_upgrade(
        store: &'static str,
        path: &Path,
        durability: Durability,
        schema: &str,
        upgrade: impl FnOnce(&Connection) -> Result<()>,
    ) -> Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| StoreError::Internal(format!("{}: {e}", dir.display())))?;
        }
        let lock_path = path.with_extension("lock");
        let lock =
            File::create(&lock_path).map_err(|e| StoreError::Internal(format!("{}: {e}", lock_path.display())))?;
        let mut connection = connect(path, durability, true)?;
        with_lock(&lock, || {
            let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
            tx.execute_batch(schema).map_err(failed)?;
            upgrade(&tx)?;
            tx.commit().map_err(failed)
        })?;
        let (writer, queue) = mpsc::channel(QUEUE_WRITES_MAX);
        std::thread::Builder::new()
            .name(format!("{store}-writer"))
            .spawn(move || write_loop(connection, &lock, queue))
            .map_err(|e| StoreError::Internal(format!("can't start the writer thread: {e}")))?;
        let readers = Mutex::new(Vec::new());
        let inner = Inner {
            store,
            path: path.to_owned(),
            durability,
            readers,
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            writer,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `f` on a read connection, off the async threads. `op` names it in metrics.
    pub async fn read<T, F>(&self, op: &'static str, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let started = Instant::now();
        let inner = self.inner.clone();
        let permit = inner.permits.clone().acquire_owned().await.map_err(|_| gone())?;
        let result = tokio::task::spawn_blocking(move || {
            // Held until the read has really ended, whether anybody waits for it or not.
            let _permit = permit;
            inner.with_reader(f)
        })
        .await
        .unwrap_or_else(|e| Err(StoreError::Internal(format!("read {op} broke off: {e}"))));
        observe(self.inner.store, op, started, &result);
        result
    }

    /// A connection of one's own on which all reads see one instant. It keeps the write-ahead log from being cut while it
    /// is open.
    pub async fn view(&self, op: &'static str) -> Result<ReadView> {
        let inner = self.inner.clone();
        let view = ReadView { store: inner.store, connection: Arc::new(Mutex::new(None)) };
        let slot = view.connection.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let connection = connect(&inner.path, inner.durability, false)?;
            // the instant is that of the first read
            connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;").map_err(failed)?;
            *slot.lock() = Some(connection);
            Ok(())
        });
        opened.await.unwrap_or_else(|e| Err(StoreError::Internal(format!("read {op} broke off: {e}"))))?;
        Ok(view)
    }

    /// Runs a look-up by key right here. It touches a handful of pages that are nearly always in memory, and a reader
    /// never waits for a writer, so handing it to another thread would cost several times what it takes.
    pub fn look_up<T>(&self, op: &'static str, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = self.inner.with_reader(f);
        observe(self.inner.store, op, started, &result);
        result
    }

    /// Runs `f` in a write transaction, alone or together with others. An `Err` undoes what `f` did, and nothing else.
    /// Answers after the commit.
    pub async fn write<T, F>(&self, op: &'static str, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let started = Instant::now();
        let (answer, outcome) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let result = f(connection);
            let keep = result.is_ok();
            let reply = Box::new(move |commit_error: Option<StoreError>| {
                let _ = answer.send(match (result, commit_error) {
                    (Ok(_), Some(error)) => Err(error),
                    (result, _) => result,
                });
            });
            Outcome { keep, reply }
        });
        let answered = async {
            match self.inner.writer.send(work).await {
                Ok(()) => outcome.await.unwrap_or_else(|_| Err(gone())),
                Err(_) => Err(gone()),
            }
        };
        // Another process may hold the lock and be stopped: then the outcome stays unknown.
        let result = tokio::time::timeout(WRITE_WITHIN, answered).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the embedded store did not take the write in time".to_owned()))
        });
        observe(self.inner.store, op, started, &result);
        result
    }
}

/// See [`Sqlite::view`].
pub(crate) struct ReadView {
    store: &'static str,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl ReadView {
    /// Runs `f` off the async threads. `op` names it in metrics.
    pub async fn read<T, F>(&self, op: &'static str, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let started = Instant::now();
        let connection = self.connection.clone();
        let result =
            tokio::task::spawn_blocking(move || connection.lock().as_ref().map_or_else(|| Err(gone()), f)).await;
        let result = result.unwrap_or_else(|e| Err(StoreError::Internal(format!("read {op} broke off: {e}"))));
        observe(self.store, op, started, &result);
        result
    }
}

impl Inner {
    fn with_reader<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, self.durability, false)?,
        };
        let result = f(&connection);
        let mut readers = self.readers.lock();
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        result
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the embedded store is shutting down".to_owned())
}

/// Maps an engine error. Busy, full and I/O errors may pass; the rest is our mistake.
pub(crate) fn failed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen) => {
            StoreError::Unavailable(error.to_string())
        }
        _ => StoreError::Internal(error.to_string()),
    }
}

fn connect(path: &Path, durability: Durability, writable: bool) -> Result<Connection> {
    let flags = match writable {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        // A WAL reader needs write access to the shared-memory file.
        false => OpenFlags::SQLITE_OPEN_READ_WRITE,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Process => "OFF",
    };
    let pragmas = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; PRAGMA cache_size=-4096; \
         PRAGMA journal_size_limit=67108864; PRAGMA query_only={};",
        if writable { "OFF" } else { "ON" }
    );
    connection.execute_batch(&pragmas).map_err(failed)?;
    Ok(connection)
}

fn with_lock<T>(lock: &File, f: impl FnOnce() -> Result<T>) -> Result<T> {
    lock.lock().map_err(|e| StoreError::Unavailable(format!("lock: {e}")))?;
    let result = f();
    let _ = lock.unlock();
    result
}

fn write_loop(connection: Connection, lock: &File, mut queue: mpsc::Receiver<Work>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_WRITES_MAX {
            match queue.try_recv() {
                Ok(work) => group.push(work),
                Err(_) => break,
            }
        }
        let mut replies = Vec::with_capacity(group.len());
        let committed = with_lock(lock, || write_group(&connection, group, &mut replies));
        for reply in replies {
            reply(committed.as_ref().err().cloned());
        }
    }
}

type Reply = Box<dyn FnOnce(Option<StoreError>) + Send>;

/// On an error nothing of the group is stored; callers whose work had not begun see their channel dropped.
fn write_group(connection: &Connection, group: Vec<Work>, replies: &mut Vec<Reply>) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let result = (|| {
        for work in group {
            connection.execute_batch("SAVEPOINT one").map_err(failed)?;
            // A panic must not end the writer: its caller sees a dropped channel, the rest of the group goes on.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(connection))).ok();
            let keep = outcome.as_ref().is_some_and(|o| o.keep);
            replies.extend(outcome.map(|o| o.reply));
            let end = if keep { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
            connection.execute_batch(end).map_err(failed)?;
        }
        connection.execute_batch("COMMIT").map_err(failed)
    })();
    if result.is_err() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Sqlite {
        Sqlite::open("test", &dir.join("t.db"), Durability::Full, "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY)")
            .unwrap()
    }

    async fn count(db: &Sqlite) -> i64 {
        db.read("count", |c| c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).map_err(failed)).await.unwrap()
    }

    #[tokio::test]
    async fn a_failed_piece_of_a_group_undoes_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let writes = (0..100).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write("insert", move |c| {
                    c.execute("INSERT INTO t VALUES (?1)", [i]).map_err(failed)?;
                    if i % 2 == 0 { Ok(()) } else { Err(StoreError::Conflict { index: "odd" }) }
                })
                .await
            })
        });
        let mut ok = 0;
        for write in writes.collect::<Vec<_>>() {
            ok += i64::from(write.await.unwrap().is_ok());
        }
        assert_eq!((ok, count(&db).await), (50, 50));
    }

    #[tokio::test]
    async fn two_writers_on_one_file_both_get_through() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (open(dir.path()), open(dir.path()));
        let insert = |db: Sqlite, base: i64| async move {
            for i in 0..50 {
                db.write("insert", move |c| c.execute("INSERT INTO t VALUES (?1)", [base + i]).map_err(failed))
                    .await
                    .unwrap();
            }
        };
        tokio::join!(insert(a.clone(), 0), insert(b.clone(), 1_000));
        assert_eq!(count(&a).await, 100);
    }
}
