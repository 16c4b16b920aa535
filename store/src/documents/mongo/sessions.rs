//! Which sessions run transactions for whom.
//!
//! A process that is killed within a transaction leaves it open, with everything that it wrote held against others, until
//! the server's own limit ends it: 60 seconds. So the session is noted before its first transaction, and whoever sees
//! the death of a node, or starts as its next life, ends what is noted of it. A node that only seemed dead finds its
//! transaction gone and runs it again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use metastamp_protocol::{NodeRef, Timestamp};
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, doc};
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

#[derive(Default)]
pub(super) struct Sessions(Mutex<Ours>);

#[derive(Default)]
struct Ours {
    node: Option<NodeRef>,
    noted: HashMap<Vec<u8>, Instant>,
}

impl Sessions {
    pub fn belong_to(&self, node: &NodeRef) {
        *self.0.lock() = Ours { node: Some(node.clone()), noted: HashMap::new() };
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
        let Some(Bson::Binary(id)) = session.id().get("id") else { return Ok(()) };
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
            let sessions: Vec<Document> = ids.iter().map(|id| doc! { "id": id.clone() }).collect();
            self.db.run_command(doc! { "killSessions": sessions }).await?;
            if forget {
                self.on().remove(TRANSACTION_SESSIONS, doc! { "_id": { "$in": ids } }).await?;
            }
        }
        Ok(ids.len() as u64)
    }
}
