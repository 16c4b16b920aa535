//! chitchat over sealed UDP datagrams.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use metastamp_protocol::Timestamp;
use metrics::counter;
use parking_lot::Mutex;
use tokio::net::UdpSocket;

use super::seal::{OVERHEAD, Opener, Rejected, Sealer};
use crate::metrics::CLUSTER_GOSSIP_REJECTED_TOTAL;
use crate::secret::Secret;
use crate::throttle::Throttle;

/// What UDP over IPv4 takes.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The same trouble with the same address is logged this often, and refusals are sent this often.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Lines in that time, whoever sends what.
const SAID_MAX: usize = 32;
const REFUSED_MAX: usize = 1_024;

/// Hands the bound socket to chitchat.
pub struct SealedTransport {
    socket: Mutex<Option<UdpSocket>>,
    secret: Secret,
}

impl SealedTransport {
    pub fn new(socket: UdpSocket, secret: Secret) -> Self {
        Self { socket: Mutex::new(Some(socket)), secret }
    }
}

#[async_trait]
impl Transport for SealedTransport {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = self.socket.lock().take();
        let socket = socket.ok_or_else(|| anyhow::anyhow!("the gossip socket is in use already"))?;
        let sealer = Sealer::new(&self.secret);
        Ok(Box::new(SealedSocket {
            socket,
            opener: Opener::new(self.secret.clone(), sealer.session()),
            sealer,
            buffer: vec![0; DATAGRAM_BYTES_MAX],
            said: Throttle::new(SAY_EVERY, SAID_MAX),
            refused: Throttle::new(SAY_EVERY, REFUSED_MAX),
        }))
    }
}

struct SealedSocket {
    socket: UdpSocket,
    sealer: Sealer,
    opener: Opener,
    buffer: Vec<u8>,
    said: Throttle<(IpAddr, Rejected)>,
    refused: Throttle<SocketAddr>,
}

#[async_trait]
impl Socket for SealedSocket {
    /// A datagram that can't be sent is lost, as datagrams are: only the failure detector judges peers.
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let mut payload = Vec::with_capacity(message.serialized_len());
        message.serialize(&mut payload);
        if payload.len() + OVERHEAD > DATAGRAM_BYTES_MAX {
            tracing::error!(bytes = payload.len(), "gossip does not fit into a datagram: too many members");
            return Ok(());
        }
        let datagram = self.sealer.seal(&payload, Timestamp::now().millis());
        if let Err(error) = self.socket.send_to(&datagram, to).await {
            tracing::debug!(%error, %to, "gossip not sent");
        }
        Ok(())
    }

    /// Never fails: an error of the socket concerns one peer or one moment.
    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            match self.socket.recv_from(&mut self.buffer).await {
                Ok((length, from)) => {
                    if let Some(message) = self.read(length, from) {
                        return Ok((from, message));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "gossip socket");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

impl SealedSocket {
    fn read(&mut self, length: usize, from: SocketAddr) -> Option<ChitchatMessage> {
        let opened = self.opener.open(&mut self.buffer[..length], Timestamp::now().millis());
        let rejected = match opened {
            Ok(mut payload) => match ChitchatMessage::deserialize(&mut payload) {
                Ok(message) => return Some(message),
                Err(_) => Rejected::Malformed,
            },
            Err(rejected) => rejected,
        };
        counter!(CLUSTER_GOSSIP_REJECTED_TOTAL, "reason" => rejected.as_str()).increment(1);
        if self.said.admit((from.ip(), rejected)) {
            match rejected {
                Rejected::Secret => tracing::warn!(
                    %from, "gossip refused: it is sealed with another CLUSTER_SECRET than ours"
                ),
                Rejected::Refusal => tracing::error!(
                    %from, "a member refuses our gossip: its CLUSTER_SECRET is not ours"
                ),
                Rejected::Clock => tracing::warn!(
                    %from, "gossip refused: its time stamp is more than 30 s off; check the clocks of both machines"
                ),
                Rejected::Replay => tracing::warn!(%from, "gossip refused: it was received before"),
                Rejected::Malformed => tracing::debug!(%from, length, "gossip refused: not a sound datagram"),
            }
        }
        if rejected == Rejected::Secret
            && self.refused.admit(from)
            && let Some(refusal) = self.sealer.refusal(&self.buffer[..length])
        {
            let _ = self.socket.try_send_to(&refusal, from);
        }
        None
    }
}
