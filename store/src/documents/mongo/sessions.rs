//! Which sessions run transactions for whom.
//!
//! A process that is killed within a transaction leaves it open, with everything that it wrote held against others, until
//! the server's own limit ends it: 60 seconds. So the session is noted before its first transaction, and whoever sees
//! the death of a node, or starts as its next life, ends what is noted of it. A node that only seemed dead finds its
//! transaction gone and runs it again.
//!
//! A connection that breaks, or a call whose time is over, can do the same without any death: the driver sends an abort on
//! another connection, and the server may read it before what still came on the broken one, which then opens the
//! transaction again. So sessions with such a transaction are ended once more until nothing can be on its way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use metastamp_protocol::{NodeRef, Timestamp};
use mongodb::ClientSession;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use parking_lot::Mutex;

use super::call::Server;
use super::fault::Attempt;
use super::scope::date;

pub(super) const TRANSACTION_SESSIONS: &str = "transaction_sessions";

/// Notes are removed after a day (see the schema); one in use is renewed before.
const NOTED_FOR: Duration = Duration::from_secs(12 * 3_600);
/// More than a process has connections; beyond it all are noted again.
const NOTED_MAX: usize = 10_000;
/// Sessions ended by one command.
const ENDED_AT_ONCE: usize = 500;

/// How long what was sent on a broken connection may take to be worked on.
const UNHEARD_FOR: Duration = Duration::from_secs(5);
/// Time between two commands that end sessions.
const UNHEARD_PAUSE: Duration = Duration::from_millis(500);
/// Beyond it the server's own limit has to do.
const UNHEARD_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Sessions(Mutex<Ours>);

#[derive(Default)]
struct Ours {
    node: Option<NodeRef>,
    noted: HashMap<Vec<u8>, Instant>,
    /// Sessions whose transaction may be open, and since when. A task ends them while there are any.
    unheard: HashMap<Vec<u8>, Instant>,
}

impl Sessions {
    pub fn belong_to(&self, node: &NodeRef) {
        let mut ours = self.0.lock();
        ours.node = Some(node.clone());
        ours.noted.clear();
    }

    /// The note that is to be written before this session runs a transaction, if there is none yet.
    fn to_note(&self, id: &[u8]) -> Option<NodeRef> {
        let ours = self.0.lock();
        let fresh = ours.noted.get(id).is_some_and(|at| at.elapsed() < NOTED_FOR);
        if fresh { None } else { ours.node.clone() }
    }

    fn noted(&self, id: Vec<u8>) {
        let mut ours = self.0.lock();
        if ours.noted.len() >= NOTED_MAX {
            ours.noted.clear();
        }
        ours.noted.insert(id, Instant::now());
    }

    /// Whether it is the first of a row of them, which needs a task.
    fn unheard(&self, id: Vec<u8>) -> bool {
        let mut ours = self.0.lock();
        if ours.unheard.len() >= UNHEARD_MAX {
            return false;
        }
        let is_first = ours.unheard.is_empty();
        ours.unheard.insert(id, Instant::now());
        is_first
    }

    fn all_unheard(&self) -> Vec<(Vec<u8>, Instant)> {
        self.0.lock().unheard.iter().map(|(id, since)| (id.clone(), *since)).collect()
    }

    /// Forgets those that were ended late enough; returns whether any are left.
    fn forget(&self, ended: &[(Vec<u8>, Instant)], at: Instant) -> bool {
        let mut ours = self.0.lock();
        for (id, since) in ended {
            if at.duration_since(*since) >= UNHEARD_FOR && ours.unheard.get(id) == Some(since) {
                ours.unheard.remove(id);
            }
        }
        !ours.unheard.is_empty()
    }
}

/// Sees to it that a transaction is ended at the server, unless it is known to be when this is dropped.
pub(super) struct UnheardTransaction {
    server: Server,
    session_id: Option<Vec<u8>>,
    pub is_open: bool,
}

impl UnheardTransaction {
    pub fn of(server: &Server, session: &ClientSession) -> Self {
        Self { server: server.clone(), session_id: id_of(session).map(|id| id.bytes), is_open: true }
    }
}

impl Drop for UnheardTransaction {
    fn drop(&mut self) {
        let Some(id) = self.session_id.take().filter(|_| self.is_open) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.server.sessions.unheard(id) {
            runtime.spawn(end_unheard(self.server.clone()));
        }
    }
}

async fn end_unheard(server: Server) {
    loop {
        tokio::time::sleep(UNHEARD_PAUSE).await;
        let (unheard, now) = (server.sessions.all_unheard(), Instant::now());
        let mut ended = Vec::new();
        for some in unheard.chunks(ENDED_AT_ONCE) {
            let ids = some.iter().map(|(bytes, _)| uuid(bytes.clone()));
            match tokio::time::timeout(server.within, server.kill_sessions(ids)).await {
                Ok(Ok(())) => ended.extend_from_slice(some),
                Ok(Err(error)) => tracing::debug!(?error, "open transactions could not be ended yet"),
                Err(_) => tracing::debug!("open transactions could not be ended yet: no answer"),
            }
        }
        if !server.sessions.forget(&ended, now) {
            return;
        }
    }
}

fn uuid(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes })
}

fn id_of(session: &ClientSession) -> Option<Binary> {
    match session.id().get("id") {
        Some(Bson::Binary(id)) => Some(id.clone()),
        _ => None,
    }
}

/// Nodes that a note may be of.
pub(super) fn lives_before(node: &NodeRef) -> Document {
    doc! { "node_id": &node.node_id, "generation": { "$lt": node.generation } }
}

pub(super) fn lives_until(node: &NodeRef) -> Document {
    doc! { "node_id": &node.node_id, "generation": { "$lte": node.generation } }
}

impl Server {
    /// Notes whose session this is. Programs that are no node note nothing.
    pub(super) async fn note_session(&self, session: &ClientSession) -> Attempt<()> {
        let Some(id) = id_of(session) else { return Ok(()) };
        let Some(node) = self.sessions.to_note(&id.bytes) else { return Ok(()) };
        let note = doc! {
            "node_id": &node.node_id, "generation": node.generation, "at": date(Timestamp::now()),
        };
        self.on().upsert(TRANSACTION_SESSIONS, doc! { "_id": id.clone() }, doc! { "$set": note }).await?;
        self.sessions.noted(id.bytes.clone());
        Ok(())
    }

    /// Ends the transactions of the lives that `of` selects; returns how many sessions were noted of them. The notes are
    /// forgotten only if these lives are over for certain: one that was only taken for dead goes on with its sessions.
    pub(super) async fn end_sessions(&self, of: Document, forget: bool) -> Attempt<u64> {
        let notes = self.db.collection::<Document>(TRANSACTION_SESSIONS);
        let found: Vec<Document> = notes.find(of).await?.try_collect().await?;
        let ids: Vec<Bson> = found.into_iter().filter_map(|mut note| note.remove("_id")).collect();
        for ids in ids.chunks(ENDED_AT_ONCE) {
            self.kill_sessions(ids.iter().cloned()).await?;
            if forget {
                self.on().remove(TRANSACTION_SESSIONS, doc! { "_id": { "$in": ids } }).await?;
            }
        }
        Ok(ids.len() as u64)
    }

    async fn kill_sessions(&self, ids: impl Iterator<Item = Bson>) -> Attempt<()> {
        let sessions: Vec<Document> = ids.map(|id| doc! { "id": id }).collect();
        self.db.run_command(doc! { "killSessions": sessions }).await?;
        Ok(())
    }
}
