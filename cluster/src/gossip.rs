//! Who is alive, by gossip: chitchat (scuttlebutt reconciliation with a phi accrual failure detector) over sealed
//! datagrams, behind a small trait.

mod seal;
mod seeds;
mod transport;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, spawn_chitchat};
use metastamp_protocol::NodeRef;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::secret::Secret;
use crate::settings::Detection;
use transport::SealedTransport;

/// What a member publishes of itself. Few and short: every change travels to everybody.
pub mod key {
    pub const STATE: &str = "state";
    pub const HTTP: &str = "http";
    pub const VERSION: &str = "version";
    pub const PROTOCOL: &str = "protocol";
    pub const LOAD: &str = "load";
    pub const SEES: &str = "sees";
    /// Which stores it works on.
    pub const STORES: &str = "stores";
    /// Why it stands back from others that it knows; empty when it does not.
    pub const REFUSED: &str = "refused";
}

/// One member as gossip knows it. A member that restarted may appear under each generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    pub node: NodeRef,
    pub address: SocketAddr,
    pub alive: bool,
    pub heard: Duration,
    pub published: HashMap<String, String>,
}

/// Who is there. The only thing the rest of this crate knows of gossip.
#[async_trait]
pub trait Membership: Send + Sync + 'static {
    /// Everybody heard of, without this node.
    async fn peers(&self) -> Vec<Peer>;
    /// Tells everybody something about this node.
    async fn publish(&self, key: &'static str, value: String);
    /// Ends when something changed that is worth a look.
    async fn changed(&self);
    /// Ends when gossip does, which it should not.
    async fn ended(&self) -> String;
    async fn shutdown(&self);
}

/// Dead members are forgotten after this time.
const DEAD_KEPT: Duration = Duration::from_secs(600);
const CLUSTER_ID: &str = "metastamp";

pub struct Gossip {
    handle: Arc<ChitchatHandle>,
    heard: Mutex<HashMap<ChitchatId, Heard>>,
    change: Arc<Notify>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

/// What was noticed of a member here.
struct Heard {
    /// The highest, and when it was first seen.
    heartbeat: u64,
    at: Instant,
    /// The failure detector needs two heartbeats before it calls anybody alive; until then nobody is dead either.
    ever_alive: bool,
}

/// What [`Gossip::start`] needs.
pub struct Start {
    pub local: NodeRef,
    pub advertise: SocketAddr,
    pub socket: UdpSocket,
    pub seeds: Vec<String>,
    pub secret: Secret,
    pub detection: Detection,
    pub published: Vec<(String, String)>,
}

impl Gossip {
    /// # Errors
    /// When chitchat does not start.
    pub async fn start(start: Start) -> anyhow::Result<Self> {
        let Start { local, advertise, socket, seeds, secret, detection, published } = start;
        let generation = local.generation.unsigned_abs();
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(local.node_id, generation, advertise),
            cluster_id: CLUSTER_ID.to_owned(),
            gossip_interval: detection.gossip_interval,
            listen_addr: socket.local_addr()?,
            // Ours are looked up more often than once a minute; see `seeds`.
            seed_nodes: Vec::new(),
            failure_detector_config: FailureDetectorConfig {
                phi_threshold: detection.phi,
                initial_interval: detection.gossip_interval * 2,
                dead_node_grace_period: DEAD_KEPT,
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: DEAD_KEPT,
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        let transport = SealedTransport::new(socket, secret);
        let handle = Arc::new(spawn_chitchat(config, published, &transport).await.context("gossip")?);
        let change = Arc::new(Notify::new());
        let mut watcher = handle.with_chitchat(|chitchat| chitchat.live_nodes_watcher()).await;
        let tell = change.clone();
        let watch = tokio::spawn(async move {
            while watcher.changed().await.is_ok() {
                tell.notify_one();
            }
        });
        let sowing = tokio::spawn(seeds::sow(seeds, advertise, handle.clone()));
        Ok(Self { handle, heard: Mutex::default(), change, tasks: [watch, sowing] })
    }

    fn peer(&self, id: &ChitchatId, state: &NodeState, alive: bool) -> Option<Peer> {
        let heartbeat: u64 = state.heartbeat().into();
        let now = Instant::now();
        let mut heard = self.heard.lock();
        let entry = heard.entry(id.clone()).or_insert(Heard { heartbeat, at: now, ever_alive: alive });
        if heartbeat > entry.heartbeat {
            (entry.heartbeat, entry.at) = (heartbeat, now);
        }
        entry.ever_alive |= alive;
        if !entry.ever_alive {
            return None;
        }
        let published = state.key_values().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let generation = i64::try_from(id.generation_id).unwrap_or(i64::MAX);
        let node = NodeRef { node_id: id.node_id.to_string(), generation };
        Some(Peer { node, address: id.gossip_advertise_addr, alive, heard: now - entry.at, published })
    }
}

#[async_trait]
impl Membership for Gossip {
    async fn peers(&self) -> Vec<Peer> {
        let chitchat = self.handle.chitchat();
        let chitchat = chitchat.lock().await;
        let own = chitchat.self_chitchat_id();
        let live: std::collections::HashSet<_> = chitchat.live_nodes().collect();
        let states = chitchat.node_states();
        self.heard.lock().retain(|id, _| states.contains_key(id));
        let others = states.iter().filter(|(id, _)| *id != own);
        // Somebody whose own words have not arrived yet can't be judged.
        let spoken = others.filter(|(_, state)| state.get(key::PROTOCOL).is_some());
        spoken.filter_map(|(id, state)| self.peer(id, state, live.contains(id))).collect()
    }

    async fn publish(&self, key: &'static str, value: String) {
        self.handle.with_chitchat(|chitchat| chitchat.self_node_state().set(key, &value)).await;
    }

    async fn changed(&self) {
        self.change.notified().await;
    }

    async fn ended(&self) -> String {
        match self.handle.termination_watcher().await {
            Ok(()) => "gossip was stopped".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    async fn shutdown(&self) {
        for task in &self.tasks {
            task.abort();
        }
        let _ = self.handle.initiate_shutdown();
    }
}
