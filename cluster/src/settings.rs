//! How a node takes part in a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use metastamp_protocol::StoreTags;

/// The operator's own certificates instead of those made from the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// PEM; its subject alternative name is the node's id.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// PEM; members whose certificates it signed are let in.
    pub authority: PathBuf,
}

/// When a silent member is taken for dead.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    pub gossip_interval: Duration,
    /// Threshold of the phi accrual failure detector (Hayashibara and others, 2004).
    pub phi: f64,
    /// Each peer's router is asked this often; three misses close the link.
    pub ping_interval: Duration,
}

impl Default for Detection {
    fn default() -> Self {
        let (gossip_interval, ping_interval) = (Duration::from_millis(250), Duration::from_millis(500));
        Self { gossip_interval, phi: 8.0, ping_interval }
    }
}

impl Detection {
    /// A node whose clockwork stood still for longer than half the time in which others take it for dead distrusts itself.
    pub fn sleep_max(&self) -> Duration {
        self.gossip_interval.mul_f64(self.phi / 2.0)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Takes links (TCP) and gossip (UDP). Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What others are told; `listen` unless given. `host:port`.
    pub advertise: Option<String>,
    /// `host:port` each; a name may stand for many addresses and is looked up again and again.
    pub seeds: Vec<String>,
    /// Everybody with the secret is a member.
    pub secret: String,
    pub certificates: Option<Certificates>,
    pub detection: Detection,
    /// Where this node serves HTTP, for others to show.
    pub http: String,
    /// What this node works on: members work on the same.
    pub stores: StoreTags,
    /// The newest version of the envelope to write and read: to hold back while nodes are upgraded one by one.
    pub protocol_max: u32,
}
