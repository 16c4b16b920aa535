//! Links to the other members: dialled, accepted, watched, closed. Membership says to whom; this keeps them up.

mod accept;
mod dial;
mod hello;
mod link;
mod server;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_protocol::cluster::Failure;
use metastamp_protocol::cluster::wire::{Ask, Request, VERSION_MIN};
use metastamp_protocol::{NodeRef, StoreTags};
use metrics::counter;
use parking_lot::{Mutex, RwLock};
use ractor::{ActorId, ActorRef};
use ractor_cluster::node::NodeServerSessionInformation;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::members::LinkState;
use crate::metrics::CLUSTER_CONNECTIONS_REFUSED_TOTAL;
use crate::router;
use crate::secret::Secret;
use crate::throttle::Throttle;
pub use link::Link;
use server::{Event, Server};
pub use tls::Tls;

/// The member with the higher id waits this long for the other to dial before it does so itself.
const PATIENCE: Duration = Duration::from_secs(4);
/// A session that exists this long without being ready is given up.
const READY_WITHIN: Duration = Duration::from_secs(5);
const PINGS_MISSED_MAX: u32 = 3;
/// Unacknowledged bytes keep a connection alive no longer than this.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const REDIAL_MIN: Duration = Duration::from_millis(250);
const REDIAL_MAX: Duration = Duration::from_secs(2);
const SAY_EVERY: Duration = Duration::from_secs(10);
const SAID_MAX: usize = 64;

/// What a link needs of the socket: no waiting for delayed acknowledgements, no silent hanging.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
}

/// A member that there should be a link to.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub node: NodeRef,
    pub address: SocketAddr,
}

/// What [`Links::start`] needs.
pub struct Start<'a> {
    pub local: NodeRef,
    /// What this node works on.
    pub stores: Arc<RwLock<StoreTags>>,
    pub listener: TcpListener,
    pub tls: Tls,
    pub secret: &'a Secret,
    pub ping_interval: Duration,
    pub change: Arc<Notify>,
    pub ended: CancellationToken,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

struct Shared {
    local: NodeRef,
    server: Server,
    ping_interval: Duration,
    up: RwLock<HashMap<String, Link>>,
    wanted: Mutex<HashMap<String, Wanted>>,
    /// When each member last answered a ping.
    answered: Mutex<HashMap<String, Instant>>,
    half_open: Mutex<HashMap<ActorId, (Instant, ActorRef<ractor_cluster::NodeSessionMessage>)>>,
    said: Mutex<Throttle<String>>,
    change: Arc<Notify>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// How it stands with a link that is wanted and not up.
struct Wanted {
    node: NodeRef,
    since: Instant,
    /// Last sign of life over the former link, if there was one.
    unheard_since: Instant,
    dialling: bool,
    next: Instant,
    pause: Duration,
}

impl Links {
    /// Takes links on `listener`. `change` is told whenever one comes up or ends.
    ///
    /// # Errors
    /// When the node server does not start.
    pub async fn start(start: Start<'_>) -> anyhow::Result<Self> {
        let Start { local, stores, listener, tls, secret, ping_interval, change, ended } = start;
        let (server, events) = Server::start(local.clone(), stores, tls, secret).await?;
        let shared = Shared {
            local,
            server: server.clone(),
            ping_interval,
            up: RwLock::default(),
            wanted: Mutex::default(),
            answered: Mutex::default(),
            half_open: Mutex::default(),
            said: Mutex::new(Throttle::new(SAY_EVERY, SAID_MAX)),
            change,
            tasks: Mutex::default(),
        };
        let links = Self { shared: Arc::new(shared) };
        // Whichever of the two ends, and however: without it no link comes up any more.
        let (accept_guard, follow_guard) = (ended.clone().drop_guard(), ended.drop_guard());
        let accepting = tokio::spawn(async move {
            accept::run(listener, server).await;
            drop(accept_guard);
        });
        let following = tokio::spawn({
            let follow = links.clone().follow(events);
            async move {
                follow.await;
                drop(follow_guard);
            }
        });
        links.shared.tasks.lock().extend([accepting.abort_handle(), following.abort_handle()]);
        Ok(links)
    }

    /// The link to exactly this start of the member.
    pub fn to(&self, node: &NodeRef) -> Option<Link> {
        self.shared.up.read().get(&node.node_id).filter(|link| link.node == *node && !link.is_closed()).cloned()
    }

    pub fn all(&self) -> Vec<Link> {
        self.shared.up.read().values().filter(|link| !link.is_closed()).cloned().collect()
    }

    pub fn state(&self, node: &NodeRef) -> LinkState {
        if self.to(node).is_some() {
            return LinkState::Up;
        }
        match self.shared.wanted.lock().get(&node.node_id) {
            Some(wanted) if wanted.node == *node && wanted.since.elapsed() < PATIENCE => LinkState::Connecting,
            _ => LinkState::Down,
        }
    }

    /// For how long a member without a link has not been heard of over one.
    pub fn missing_for(&self, node: &NodeRef) -> Duration {
        let wanted = self.shared.wanted.lock();
        wanted
            .get(&node.node_id)
            .filter(|wanted| wanted.node == *node)
            .map_or(Duration::ZERO, |w| w.unheard_since.elapsed())
    }

    /// Brings links in line with who is alive: dials who is missing, closes what leads to the dead, to a former life,
    /// or to somebody who is not let in.
    pub fn reconcile(&self, targets: &[Target], died: &[NodeRef], refused: &[NodeRef]) {
        self.give_up_half_open();
        for link in self.all() {
            // On the transition to dead only: a link may be up before gossip knows of its member.
            if died.contains(&link.node) {
                link.close("dead");
            } else if refused.contains(&link.node) {
                link.close("refused");
            } else if targets
                .iter()
                .any(|t| t.node.node_id == link.node.node_id && t.node.generation > link.node.generation)
            {
                link.close("superseded");
            }
        }
        let now = Instant::now();
        let mut answered = self.shared.answered.lock();
        answered.retain(|id, _| targets.iter().any(|target| target.node.node_id == *id));
        let mut wanted = self.shared.wanted.lock();
        wanted.retain(|id, _| targets.iter().any(|target| target.node.node_id == *id));
        for target in targets {
            let id = &target.node.node_id;
            if self.to(&target.node).is_some() {
                wanted.remove(id);
                continue;
            }
            let fresh = || Wanted {
                node: target.node.clone(),
                since: now,
                unheard_since: answered.get(id).copied().unwrap_or(now),
                dialling: false,
                next: now,
                pause: REDIAL_MIN,
            };
            let entry = wanted.entry(id.clone()).or_insert_with(fresh);
            if entry.node != target.node {
                *entry = Wanted { dialling: entry.dialling, ..fresh() };
            }
            // One side dials first, so that two links rarely meet; the other one in case the first can't.
            let turn = self.shared.local.node_id < *id || now - entry.since >= PATIENCE;
            if turn && !entry.dialling && now >= entry.next {
                entry.dialling = true;
                tokio::spawn(self.clone().dial(target.clone()));
            }
        }
    }

    async fn dial(self, target: Target) {
        let result = dial::dial(&self.shared.server, &target.node, target.address).await;
        let mut wanted = self.shared.wanted.lock();
        if let Some(entry) = wanted.get_mut(&target.node.node_id) {
            entry.dialling = false;
            // After success the session still has to become ready; a second one would only compete with it.
            entry.next = Instant::now() + if result.is_ok() { READY_WITHIN } else { entry.pause };
            entry.pause = (entry.pause * 2).min(REDIAL_MAX);
        }
        drop(wanted);
        if let Err(error) = result
            && self.shared.said.lock().admit(format!("dial {}", target.node.node_id))
        {
            tracing::warn!(peer = %target.node, address = %target.address, %error, "can't link to a member");
        }
    }

    async fn follow(self, mut events: mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Opened(session) => {
                    self.shared.server.assign(&session);
                    let entry = (Instant::now(), session.actor.clone());
                    self.shared.half_open.lock().insert(session.actor.get_id(), entry);
                }
                Event::Ready(session) => self.ready(&session),
                Event::Ended(session) => self.ended(&session),
            }
        }
    }

    fn ready(&self, session: &NodeServerSessionInformation) {
        self.shared.half_open.lock().remove(&session.actor.get_id());
        let Some(node) = self.shared.server.identity(session) else {
            let claimed = session.peer_name.as_ref().map(|name| name.name.clone());
            tracing::warn!(?claimed, "a link says it is somebody else than its certificate: closed");
            session.actor.stop(Some("identity".to_owned()));
            return;
        };
        let Some(router) = router::remote(&node, session.node_id) else {
            tracing::warn!(peer = %node, "a member has no router: link closed");
            session.actor.stop(Some("no router".to_owned()));
            return;
        };
        if let Some(holder) = self.holder_of_the_name(&node) {
            counter!(CLUSTER_CONNECTIONS_REFUSED_TOTAL, "reason" => "name").increment(1);
            tracing::warn!(peer = %node, member = %holder, "somebody comes with the name of a member that lives: link closed");
            session.actor.stop(Some("name".to_owned()));
            return;
        }
        let link = Link::new(node.clone(), router, session.actor.clone());
        let former = self.shared.up.write().insert(node.node_id.clone(), link.clone());
        if let Some(former) = former {
            former.close("replaced");
        }
        tracing::info!(peer = %node, "link up");
        tokio::spawn(self.clone().watch(link));
        self.shared.change.notify_one();
    }

    /// An earlier start of the same name that is still linked: whoever came later is not let in while it lives.
    fn holder_of_the_name(&self, node: &NodeRef) -> Option<NodeRef> {
        let up = self.shared.up.read();
        let former = up.get(&node.node_id).filter(|link| !link.is_closed())?;
        (former.node.generation < node.generation).then(|| former.node.clone())
    }

    fn ended(&self, session: &NodeServerSessionInformation) {
        let id = session.actor.get_id();
        self.shared.half_open.lock().remove(&id);
        if let Some(node) = self.shared.server.forget(session)
            && let Some(wanted) = self.shared.wanted.lock().get_mut(&node.node_id)
        {
            wanted.next = wanted.next.min(Instant::now() + wanted.pause);
        }
        let mut up = self.shared.up.write();
        let gone: Vec<_> = up.values().filter(|link| link.session_id() == id).cloned().collect();
        up.retain(|_, link| link.session_id() != id);
        drop(up);
        for link in gone {
            link.close("ended");
            self.shared.change.notify_one();
        }
    }

    /// Gossip alone does not see a cut between just two members: each asks the other's router.
    async fn watch(self, link: Link) {
        let mut missed = 0;
        while !link.is_closed() {
            let asked = Instant::now();
            let within = self.shared.ping_interval;
            let ping = Request {
                version: VERSION_MIN,
                from: self.shared.local.clone(),
                key: 0,
                within_ms: u32::try_from(within.as_millis()).unwrap_or(u32::MAX),
                hop: 0,
                fallback: false,
                ask: Ask::Ping,
            };
            match link.exchange(&ping, within).await {
                Err(Failure::Timeout | Failure::Stopped) => missed += 1,
                // Whatever it says, it is there.
                _ => {
                    link.set_round_trip(asked.elapsed());
                    self.shared.answered.lock().insert(link.node.node_id.clone(), Instant::now());
                    missed = 0;
                }
            }
            if missed >= PINGS_MISSED_MAX {
                link.close("silent");
                self.shared.change.notify_one();
                return;
            }
            tokio::time::sleep(within.saturating_sub(asked.elapsed())).await;
        }
    }

    fn give_up_half_open(&self) {
        let late = |(since, _): &(Instant, _)| since.elapsed() > READY_WITHIN;
        let mut half_open = self.shared.half_open.lock();
        for (_, session) in half_open.values().filter(|entry| late(entry)) {
            session.stop(Some("not ready in time".to_owned()));
        }
        half_open.retain(|_, entry| !late(entry));
    }

    pub fn shutdown(&self) {
        for link in self.all() {
            link.close("leaving");
        }
        self.shared.server.stop();
        for task in self.shared.tasks.lock().drain(..) {
            task.abort();
        }
    }
}
