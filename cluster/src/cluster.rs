//! The handle to everything: ask the owner of an id, tell others, look at the members, leave.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use metastamp_protocol::cluster::wire::{Ask, Request, VERSION_MIN};
use metastamp_protocol::cluster::{Answer, Command, Failure, Notice};
use metastamp_protocol::{NodeRef, ObjectId, StoreTag, StoreTags};
use metrics::counter;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::entities::Entities;
use crate::gap::Gaps;
use crate::gossip::{Membership, Peer};
use crate::links::Links;
use crate::members::{LinkState, Load, Member, MemberState, MemberStatus, SharedView, View};
use crate::metrics::{CLUSTER_NOTICES_TOTAL, CLUSTER_PAUSES_TOTAL};
use crate::reconcile::Departures;
use crate::refusal::Refusal;
use crate::router::Receive;
use crate::settings::Settings;
use crate::sleep::SleepDetector;
use crate::{placement, start};

/// How long a member may take to take note of something.
const NOTICE_WITHIN: Duration = Duration::from_secs(1);
/// Notices exist from this version of the envelope on.
const NOTICES_SINCE: u32 = 2;

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

pub(crate) struct Inner {
    pub local: NodeRef,
    /// As others are told.
    pub address: Option<SocketAddr>,
    pub http: String,
    pub stores: Arc<RwLock<StoreTags>>,
    pub version_max: u32,
    pub entities: OnceLock<Arc<dyn Entities>>,
    pub view: watch::Sender<SharedView>,
    pub links: Option<Links>,
    pub membership: Option<Arc<dyn Membership>>,
    pub draining: AtomicBool,
    /// The process is about to end: there is no way back.
    pub leaving: AtomicBool,
    pub load: Mutex<Load>,
    pub departures: Mutex<Departures>,
    pub sleep: SleepDetector,
    pub gaps: Gaps,
    /// A look at the members is due.
    pub change: Arc<Notify>,
    pub ended: CancellationToken,
}

impl Cluster {
    /// A node by itself: it is the only member, for as long as it runs.
    pub fn alone(local: NodeRef) -> Self {
        Self { inner: Arc::new(Inner::alone(local)) }
    }

    /// Binds the port and joins whoever is there.
    ///
    /// # Errors
    /// When the port is taken, or certificates can't be used.
    pub async fn start(settings: Settings, local: NodeRef) -> anyhow::Result<Self> {
        Ok(Self { inner: start::start(settings, local).await? })
    }

    /// From now on commands reach `entities`; before, they are answered [`Failure::Busy`]. Only the first call counts.
    pub fn serve(&self, entities: Arc<dyn Entities>) {
        let _ = self.inner.entities.set(entities);
    }

    pub fn local(&self) -> &NodeRef {
        &self.inner.local
    }

    /// Where this node takes links and gossip, as others are told; `None` when it is alone.
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.address
    }

    pub fn view(&self) -> SharedView {
        self.inner.view()
    }

    /// Changes with members, their state, links and load.
    pub fn watch(&self) -> watch::Receiver<SharedView> {
        self.inner.view.subscribe()
    }

    /// Ends when this node can't know its peers any more, which should not happen while it runs.
    pub async fn ended(&self) {
        self.inner.ended.cancelled().await;
    }

    /// Asks the owner of the command's id, wherever it is, again if need be, and waits for its answer.
    ///
    /// # Errors
    /// [`Failure::Timeout`] and [`Failure::Stopped`] mean that nobody knows whether it was done.
    pub async fn ask(&self, command: Command, within: Duration) -> Result<Owned, Failure> {
        self.inner.ask(command, within).await
    }

    /// Tells others, off to the side; what gets lost is lost.
    pub fn tell(&self, notice: Notice, audience: Audience) {
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.tell(notice, audience).await });
    }

    /// How busy this node is, for others to see.
    pub fn set_load(&self, load: Load) {
        *self.inner.load.lock() = load;
        self.inner.refresh_local();
    }

    /// Takes this node out of placement, or back in. Others learn it at once.
    pub async fn drain(&self, on: bool) {
        self.inner.clone().drain(on).await;
    }

    /// Like [`Cluster::drain`], and there is no way back: the process is about to end.
    pub async fn leave(&self) {
        self.inner.leaving.store(true, Ordering::Relaxed);
        self.inner.clone().drain(true).await;
    }

    /// Out of placement, by an operator's wish or because the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    /// Why this node stands back, if it does: its stores, or its name, are not those of the cluster that it found.
    pub fn refusal(&self) -> Option<Refusal> {
        self.inner.view.borrow().refusal.clone()
    }

    /// Which cache this node works on. Unlike other stores it may lose its identity, and get another one, at any time.
    pub fn set_cache(&self, tag: Option<StoreTag>) {
        let mut stores = self.inner.stores.write();
        if stores.cache != tag {
            stores.cache = tag;
            self.inner.change.notify_one();
        }
    }

    /// Whether jobs may be begun here: not on a node that drains, unless nobody else is up, because the last one standing
    /// does everything; never when the process is about to end, or does not belong here.
    pub fn takes_work(&self) -> bool {
        if self.inner.view.borrow().refusal.is_some() {
            return false;
        }
        if !self.is_draining() {
            return true;
        }
        !self.view().others_up() && !self.inner.leaving.load(Ordering::Relaxed)
    }

    /// Has [`Cluster::ended`] end: this node can't go on.
    pub fn end(&self) {
        self.inner.ended.cancel();
    }

    /// Closes links and stops gossip.
    pub async fn shutdown(&self) {
        self.inner.ended.cancel();
        if let Some(links) = &self.inner.links {
            links.shutdown();
        }
        if let Some(membership) = &self.inner.membership {
            membership.shutdown().await;
        }
    }

    /// All members as this node sees them now.
    pub async fn members(&self) -> Vec<MemberStatus> {
        let peers = match &self.inner.membership {
            Some(membership) => membership.peers().await,
            None => Vec::new(),
        };
        let status = |member: &Member| {
            let peer = peers.iter().find(|peer| peer.node == member.node);
            let link = self.inner.links.as_ref().and_then(|links| links.to(&member.node));
            MemberStatus {
                member: member.clone(),
                heard: peer.map(|peer| peer.heard),
                round_trip: link.as_ref().and_then(|link| link.round_trip()),
                in_flight: link.map_or(0, |link| link.in_flight()),
            }
        };
        self.view().members.iter().map(status).collect()
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

impl Inner {
    pub fn alone(local: NodeRef) -> Self {
        let (view, _) = watch::channel(Arc::new(View::alone(local.clone())));
        Self {
            local,
            address: None,
            http: String::new(),
            stores: Arc::default(),
            version_max: metastamp_protocol::cluster::wire::VERSION_MAX,
            entities: OnceLock::new(),
            view,
            links: None,
            membership: None,
            draining: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            load: Mutex::default(),
            departures: Mutex::default(),
            // Nobody takes over from a node that is alone, so nothing it holds gets stale.
            sleep: SleepDetector::new(Duration::MAX),
            gaps: Gaps::default(),
            change: Arc::default(),
            ended: CancellationToken::new(),
        }
    }

    pub fn view(&self) -> SharedView {
        self.view.borrow().clone()
    }

    /// Does a command here.
    pub async fn perform(&self, command: Command, within: Duration) -> Result<Answer, Failure> {
        self.distrust_after_sleep();
        let entities = self.entities.get().ok_or(Failure::Busy)?;
        entities.perform(command, within).await
    }

    /// A node that was asleep may not be what it thinks it is.
    pub fn distrust_after_sleep(&self) {
        let Some(slept) = self.sleep.overslept() else { return };
        counter!(CLUSTER_PAUSES_TOTAL).increment(1);
        tracing::warn!(slept_ms = slept.as_millis() as u64, "this node was asleep: what it holds is loaded again");
        if let Some(entities) = self.entities.get() {
            entities.distrust();
        }
    }

    /// The version of the envelope to write to a member; `None` when there is none that both speak.
    pub fn version_for(&self, view: &View, node: &NodeRef) -> Option<u32> {
        let member = view.live(node)?;
        let version = self.version_max.min(member.protocol_max);
        (version >= member.protocol_min.max(VERSION_MIN)).then_some(version)
    }

    /// This node, as it tells others.
    pub fn local_member(&self) -> Member {
        let draining = self.draining.load(Ordering::Relaxed);
        Member {
            state: if draining { MemberState::Leaving } else { MemberState::Up },
            address: self.address,
            http: self.http.clone(),
            protocol_max: self.version_max,
            load: *self.load.lock(),
            ..Member::local(self.local.clone())
        }
    }

    pub fn announced_leaving(&self, peers: &[Peer]) -> HashSet<NodeRef> {
        self.departures.lock().still(peers)
    }

    async fn drain(self: Arc<Self>, on: bool) {
        if !on && self.leaving.load(Ordering::Relaxed) {
            tracing::info!("this node is about to end and takes no work again");
            return;
        }
        self.draining.store(on, Ordering::Relaxed);
        tracing::info!(on, "drain");
        self.refresh_local();
        if on {
            self.tell(Notice::Leaving, Audience::All).await;
        }
    }

    /// Makes what changed about this node show in its own view, and has others told.
    fn refresh_local(&self) {
        self.view.send_if_modified(|view| {
            let local = self.local_member();
            let differs =
                |member: &Member| member.node == local.node && (member.state, member.load) != (local.state, local.load);
            let Some(at) = view.members.iter().position(differs) else { return false };
            let mut changed = View::clone(view);
            (changed.members[at].state, changed.members[at].load) = (local.state, local.load);
            *view = Arc::new(changed);
            true
        });
        self.change.notify_one();
    }

    async fn tell(self: Arc<Self>, notice: Notice, audience: Audience) {
        let view = self.view();
        let wanted = |member: &&Member| match &audience {
            Audience::All => true,
            Audience::Idle => member.state == MemberState::Up && member.load.is_idle(),
            Audience::Member(id) => member.node.node_id == *id,
        };
        if let Audience::Member(id) = &audience
            && *id == self.local.node_id
        {
            self.clone().take_note(&self.local, notice);
            return;
        }
        let others = view.members.iter().filter(|member| member.link == LinkState::Up).filter(wanted);
        let others: Vec<_> = others.collect();
        if matches!(audience, Audience::Member(_)) && others.is_empty() {
            counter!(CLUSTER_NOTICES_TOTAL, "notice" => notice.name(), "outcome" => "lost").increment(1);
        }
        join_all(others.into_iter().map(|member| self.tell_one(&view, member, &notice))).await;
    }

    async fn tell_one(&self, view: &View, member: &Member, notice: &Notice) {
        let announced = async {
            let link = self.links.as_ref()?.to(&member.node)?;
            let version = self.version_for(view, &member.node).filter(|version| *version >= NOTICES_SINCE)?;
            let request = Request {
                version,
                from: self.local.clone(),
                key: rand::random(),
                within_ms: u32::try_from(NOTICE_WITHIN.as_millis()).unwrap_or(u32::MAX),
                hop: 0,
                fallback: false,
                ask: Ask::Notice(notice.clone()),
            };
            link.exchange(&request, NOTICE_WITHIN).await.ok()
        };
        let outcome = if announced.await.is_some() { "sent" } else { "lost" };
        counter!(CLUSTER_NOTICES_TOTAL, "notice" => notice.name(), "outcome" => outcome).increment(1);
    }

    fn take_note(self: Arc<Self>, from: &NodeRef, notice: Notice) {
        match &notice {
            Notice::Leaving => {
                self.departures.lock().add(from.clone());
                self.change.notify_one();
            }
            Notice::Drain { on } => {
                let on = *on;
                tracing::info!(%from, on, "an operator asks this node to drain");
                tokio::spawn(self.clone().drain(on));
            }
            Notice::JobsWaiting | Notice::JobCancelled(_) => {}
        }
        if let Some(entities) = self.entities.get() {
            entities.notice(from, notice);
        }
    }
}

/// What other members may ask.
impl Receive for Inner {
    fn command(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        let Ask::Command(command) = request.ask else { return std::future::ready(Err(Failure::Unsupported)).boxed() };
        async move {
            let owner = self.view().owner(command.entity());
            if owner.node_id != self.local.node_id && !request.fallback {
                return Err(Failure::NotOwner(Some(owner)));
            }
            self.perform(command, Duration::from_millis(u64::from(request.within_ms))).await
        }
        .boxed()
    }

    fn notice(self: Arc<Self>, request: Request) {
        if let Ask::Notice(notice) = request.ask {
            self.take_note(&request.from, notice);
        }
    }
}
