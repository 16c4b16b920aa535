//! The writer of a process: one thread that carries whatever has queued up in one transaction (group commit), each piece
//! in its own savepoint, and answers after the commit. An advisory lock around the transaction keeps several processes
//! fair: with a busy timeout alone, one of them starves for seconds.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failed;
use crate::StoreError;

/// Writes waiting for the writer thread; beyond it callers wait in line.
const QUEUE_WRITES_MAX: usize = 1_024;
/// Writes carried by one transaction.
const GROUP_WRITES_MAX: usize = 256;

/// One work item: runs inside the transaction, or is told why there is none, and leaves behind what tells its caller the
/// outcome.
type Work = Box<dyn FnOnce(crate::Result<&Connection>) -> Outcome + Send>;
/// Is told why the commit failed, if it did.
type Reply = Box<dyn FnOnce(Option<StoreError>)>;

struct Outcome {
    keep: bool,
    reply: Reply,
}

enum Message {
    Write(Work),
    Stop,
}

pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// `connection` and `lock` are the thread's own from now on.
    pub fn start(store: &str, connection: Connection, lock: File) -> crate::Result<Self> {
        let (queue, received) = mpsc::channel(QUEUE_WRITES_MAX);
        let thread = std::thread::Builder::new()
            .name(format!("{store}-writer"))
            .spawn(move || write_loop(&connection, &lock, received))
            .map_err(|e| StoreError::Internal(format!("can't start the writer thread: {e}")))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Queues `work` and answers what `settle` makes of its result when the outcome is known. `settle` runs whether
    /// anybody waits for it or not; with an error, nobody knows whether the result was stored.
    pub async fn write<T, R, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        settle: impl FnOnce(T, Option<StoreError>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        T: Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let work: Work = Box::new(move |connection: crate::Result<&Connection>| {
            let result = connection.map_err(E::from).and_then(|connection| run(connection, work));
            let keep = result.is_ok();
            let reply = Box::new(move |commit_error| {
                let _ = answer.send(result.and_then(|value| settle(value, commit_error)));
            });
            Outcome { keep, reply }
        });
        match self.queue.send(Message::Write(work)).await {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(gone().into())),
            Err(_) => Err(gone().into()),
        }
    }

    /// Ends the thread after what is queued already; later writes fail.
    pub async fn stop(&self) {
        // Fails when it has ended.
        let _ = self.queue.send(Message::Stop).await;
        let thread = self.thread.lock().take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
        if !matches!(joined, Ok(None | Some(Ok(())))) {
            tracing::error!("the writer of an embedded store failed");
        }
    }
}

/// A panic must not end the writer, and with it every write of this process.
fn run<T, E: From<StoreError>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let done = catch_unwind(AssertUnwindSafe(|| work(connection)));
    done.unwrap_or_else(|_| Err(StoreError::Internal("the write broke off".to_owned()).into()))
}

pub(super) fn gone() -> StoreError {
    StoreError::Unavailable("the embedded store is shutting down".to_owned())
}

pub(super) fn with_lock<T>(lock: &File, f: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    lock.lock().map_err(|e| StoreError::Unavailable(format!("lock: {e}")))?;
    let result = f();
    if let Err(error) = lock.unlock() {
        tracing::error!(%error, "the lock of an embedded store was not released");
    }
    result
}

fn write_loop(connection: &Connection, lock: &File, mut queue: mpsc::Receiver<Message>) {
    let mut stopped = false;
    while !stopped && let Some(Message::Write(first)) = queue.blocking_recv() {
        let mut group = VecDeque::from([first]);
        let mut replies = Vec::new();
        let committed = with_lock(lock, || {
            // Those that came while the lock was waited for share the transaction.
            stopped = join_others(&mut group, &mut queue);
            write_group(connection, &mut group, &mut replies)
        });
        let error = committed.err();
        if let Some(error) = &error {
            replies.extend(group.into_iter().map(|work| work(Err(error.clone())).reply));
        }
        for reply in replies {
            reply(error.clone());
        }
    }
}

/// Adds what else is queued, up to the limit of a group; whether it is the last one.
fn join_others(group: &mut VecDeque<Work>, queue: &mut mpsc::Receiver<Message>) -> bool {
    while group.len() < GROUP_WRITES_MAX {
        match queue.try_recv() {
            Ok(Message::Write(work)) => group.push_back(work),
            Ok(Message::Stop) => return true,
            Err(_) => break,
        }
    }
    false
}

/// On an error nothing of the group is stored; what had not begun is left in it.
fn write_group(connection: &Connection, group: &mut VecDeque<Work>, replies: &mut Vec<Reply>) -> crate::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let result = (|| {
        while let Some(work) = group.pop_front() {
            connection.execute_batch("SAVEPOINT one").map_err(failed)?;
            let Outcome { keep, reply } = work(Ok(connection));
            replies.push(reply);
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
