//! The node server of ractor_cluster, fed only with connections that have proved who they are.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use metastamp_protocol::{NodeRef, Store, StoreTags};
use parking_lot::{Mutex, RwLock};
use ractor::{Actor, ActorId, ActorRef};
use ractor_cluster::node::NodeServerSessionInformation;
use ractor_cluster::{
    IncomingEncryptionMode, NetworkStream, NodeEventSubscription, NodeServer, NodeServerMessage, node,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::hello;
use super::tls::Tls;
use crate::secret::Secret;

/// Largest frame taken from a member. Ours are at most 64 KiB of message in a small envelope.
const FRAME_BYTES_MAX: u64 = 128 << 10;

/// What the node server tells.
pub enum Event {
    /// The session exists and has to become ready.
    Opened(NodeServerSessionInformation),
    Ready(NodeServerSessionInformation),
    Ended(NodeServerSessionInformation),
}

/// A connection whose other end is known.
pub enum Arrival {
    Accepted { stream: tokio_rustls::server::TlsStream<TcpStream>, from: SocketAddr, local: SocketAddr, node: NodeRef },
    Dialled { stream: tokio_rustls::client::TlsStream<TcpStream>, local: SocketAddr, node: NodeRef },
}

/// Who is at the other end: what certificates said, to hold the sessions' own words against.
#[derive(Default)]
struct Proved {
    /// Handed over and not yet a session, in that order, by address.
    arrived: VecDeque<(String, NodeRef)>,
    sessions: HashMap<ActorId, NodeRef>,
}

/// Arrivals remembered; the node server makes a session of each at once.
const ARRIVED_MAX: usize = 1_024;

/// Cheap to clone.
#[derive(Clone)]
pub struct Server {
    local: NodeRef,
    stores: Arc<RwLock<StoreTags>>,
    tls: Tls,
    actor: ActorRef<NodeServerMessage>,
    proved: Arc<Mutex<Proved>>,
}

impl Server {
    /// Starts the node server. Its events come out of the receiver.
    ///
    /// # Errors
    /// When its actor does not start.
    pub async fn start(
        local: NodeRef,
        stores: Arc<RwLock<StoreTags>>,
        tls: Tls,
        secret: &Secret,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Event>)> {
        // The host part makes the name unique over restarts: sessions with equal names are taken for one.
        let server = NodeServer::new(
            0,
            hex::encode(secret.derive::<32>("cookie", b"")),
            "metastamp".to_owned(),
            local.to_string(),
            // Its own listener is of no use to us: on loopback, on any free port, and it asks for certificates too.
            Some(IncomingEncryptionMode::Tls(tls.acceptor.clone())),
            Some(node::NodeConnectionMode::Isolated),
        )
        .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .with_max_inbound_frame_size(FRAME_BYTES_MAX);
        let (actor, _) = Actor::spawn(None, server, ()).await.context("node server")?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the subscription may not wait; one event per session and change"
        )]
        let (sender, events) = mpsc::unbounded_channel();
        let subscription = Box::new(Subscription(sender));
        actor
            .cast(NodeServerMessage::SubscribeToEvents { id: "links".to_owned(), subscription })
            .map_err(|error| anyhow::anyhow!("node server: {error}"))?;
        Ok((Self { local, stores, tls, actor, proved: Arc::default() }, events))
    }

    pub fn local(&self) -> &NodeRef {
        &self.local
    }

    /// Which stores this node works on, as it says in its hello.
    pub fn stores(&self) -> String {
        self.stores.read().to_string()
    }

    /// The store of whoever says this that is not ours. A cache is not judged here: it may just have lost its identity,
    /// and gossip knows how long that is ago.
    pub fn conflict(&self, stores: &str) -> Option<Store> {
        let theirs = StoreTags { cache: None, ..StoreTags::parse(stores) };
        self.stores.read().conflict(&theirs)
    }

    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Hands a connection over.
    pub fn opened(&self, arrival: Arrival) {
        let (stream, is_server, peer, node) = match arrival {
            Arrival::Accepted { stream, from, local, node } => {
                (NetworkStream::TlsServer { peer_addr: from, local_addr: local, stream }, true, from, node)
            }
            // Known by our own port, which no other connection has: the peer's is the same for every dial, and the end
            // of one session must not make us forget who is at the other end of the next.
            Arrival::Dialled { stream, local, node } => {
                (NetworkStream::TlsClient { peer_addr: local, local_addr: local, stream }, false, local, node)
            }
        };
        {
            let mut proved = self.proved.lock();
            if proved.arrived.len() >= ARRIVED_MAX {
                proved.arrived.pop_front();
            }
            proved.arrived.push_back((peer.to_string(), node));
        }
        let _ = self.actor.cast(NodeServerMessage::ConnectionOpened { stream: Box::new(stream), is_server });
    }

    /// The session of an arrival exists: from here on it is known by its own id, which is never used again.
    pub fn assign(&self, session: &NodeServerSessionInformation) {
        let mut proved = self.proved.lock();
        let at = proved.arrived.iter().position(|(address, _)| *address == session.peer_addr);
        if let Some((_, node)) = at.and_then(|at| proved.arrived.remove(at)) {
            proved.sessions.insert(session.actor.get_id(), node);
        }
    }

    /// Who is at the other end of a session: what it calls itself, if that is what its certificate says.
    pub fn identity(&self, session: &NodeServerSessionInformation) -> Option<NodeRef> {
        let name = &session.peer_name.as_ref()?.name;
        let claimed = hello::parse(name.split_once('@')?.1)?;
        let proved = self.proved.lock().sessions.get(&session.actor.get_id()).cloned()?;
        (proved == claimed).then_some(claimed)
    }

    /// The session has ended; tells who was at its other end.
    pub fn forget(&self, session: &NodeServerSessionInformation) -> Option<NodeRef> {
        self.proved.lock().sessions.remove(&session.actor.get_id())
    }

    pub fn stop(&self) {
        self.actor.stop(None);
    }
}

struct Subscription(mpsc::UnboundedSender<Event>);

impl NodeEventSubscription for Subscription {
    fn node_session_opened(&self, session: NodeServerSessionInformation) {
        let _ = self.0.send(Event::Opened(session));
    }

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        let _ = self.0.send(Event::Ended(session));
    }

    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}

    fn node_session_ready(&self, session: NodeServerSessionInformation) {
        let _ = self.0.send(Event::Ready(session));
    }
}
