//! The embedded engine: one SQLite file that several processes may open.
//!
//! Reads run on a few connections of their own, all writes of a process on one ([`writer`]). Documents and cache use it
//! as it is, with metrics and a deadline; the metadata of objects, whose callers measure for themselves, through
//! [`Sqlite::write_and_settle`] and [`Sqlite::read_only`].

mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use self::writer::{Writer, gone, with_lock};
use crate::metrics::observe;
use crate::{Result, StoreError};

/// Read connections, and so reads at a time.
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
    writer: Writer,
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
        let mut connection = with_lock(&lock, || connect(path, durability, true))?;
        check_mode(path, &connection)?;
        with_lock(&lock, || {
            let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
            tx.execute_batch(schema).map_err(failed)?;
            upgrade(&tx)?;
            tx.commit().map_err(failed)
        })?;
        let writer = Writer::start(store, connection, lock)?;
        let (readers, permits) = (Mutex::default(), Arc::new(Semaphore::new(READERS_MAX)));
        Ok(Self { inner: Arc::new(Inner { store, path: path.to_owned(), durability, readers, permits, writer }) })
    }

    /// Runs `f` on a read connection, off the async threads. `op` names it in metrics.
    pub async fn read<T, F>(&self, op: &'static str, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let started = Instant::now();
        let result = self.read_only(f).await;
        observe(self.inner.store, op, started, &result);
        result
    }

    /// As [`Sqlite::read`], without metrics.
    pub async fn read_only<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
    {
        let inner = self.inner.clone();
        let permit = inner.permits.clone().acquire_owned().await.map_err(|_| gone())?;
        let read = tokio::task::spawn_blocking(move || {
            // Held until the read has really ended, whether anybody waits for it or not.
            let _permit = permit;
            inner.with_reader(f)
        });
        read.await.unwrap_or_else(|e| Err(StoreError::Internal(format!("a read broke off: {e}")).into()))
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
        let answered = self.write_and_settle(f, |value, commit_error| match commit_error {
            Some(error) => Err(error),
            None => Ok(value),
        });
        // Another process may hold the lock and be stopped: then the outcome stays unknown.
        let result = tokio::time::timeout(WRITE_WITHIN, answered).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the embedded store did not take the write in time".to_owned()))
        });
        observe(self.inner.store, op, started, &result);
        result
    }

    /// As [`Sqlite::write`], without deadline and metrics. Answers what `settle` makes of the result of `work` when the
    /// outcome is known, whether anybody waits for it or not; with an error, nobody knows whether the result was stored.
    pub async fn write_and_settle<T, R, E>(
        &self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
        settle: impl FnOnce(T, Option<StoreError>) -> std::result::Result<R, E> + Send + 'static,
    ) -> std::result::Result<R, E>
    where
        T: Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.writer.write(work, settle).await
    }

    /// Ends the writer after what is queued already; later writes fail.
    pub async fn stop(&self) {
        self.inner.writer.stop().await;
        self.inner.readers.lock().clear();
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
    fn with_reader<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
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

/// In any other mode readers would block writers; file systems without shared memory can't be shared anyway.
fn check_mode(path: &Path, connection: &Connection) -> Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    match mode.as_str() {
        "wal" => Ok(()),
        mode => {
            Err(StoreError::Internal(format!("{}: its file system allows journal mode {mode} only", path.display())))
        }
    }
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
