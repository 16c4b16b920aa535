//! One link to one start of one member: bounded calls to its router, until it is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::Failure;
use metastamp_protocol::cluster::wire::{Reply, Request};
use metrics::{counter, gauge};
use ractor::rpc::CallResult;
use ractor::{ActorId, ActorRef};
use ractor_cluster::NodeSessionMessage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::metrics::{CLUSTER_IN_FLIGHT, CLUSTER_LINKS_CLOSED_TOTAL, CLUSTER_REJECTED_TOTAL};
use crate::router::RouterMessage;

/// Requests to one peer that may wait for an answer. With [`metastamp_protocol::cluster::wire::MESSAGE_BYTES_MAX`]
/// this bounds what a peer that stopped reading can make us hold.
const IN_FLIGHT_MAX: usize = 256;

/// Cheap to clone.
#[derive(Clone)]
pub struct Link {
    pub node: NodeRef,
    router: ActorRef<RouterMessage>,
    session: ActorRef<NodeSessionMessage>,
    in_flight: Arc<Semaphore>,
    closed: CancellationToken,
    /// Microseconds; 0 before the first ping was answered.
    round_trip: Arc<AtomicU64>,
}

impl Link {
    pub fn new(node: NodeRef, router: ActorRef<RouterMessage>, session: ActorRef<NodeSessionMessage>) -> Self {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        Self { node, router, session, in_flight, closed: CancellationToken::new(), round_trip: Arc::default() }
    }

    /// Which session of the node server this is.
    pub fn session_id(&self) -> ActorId {
        self.session.get_id()
    }

    /// Ends the link; whoever waits for an answer learns at once that there will be none.
    pub fn close(&self, reason: &'static str) {
        if !self.closed.is_cancelled() {
            self.closed.cancel();
            counter!(CLUSTER_LINKS_CLOSED_TOTAL, "reason" => reason).increment(1);
            tracing::info!(peer = %self.node, reason, "link closed");
        }
        self.session.stop(Some(reason.to_owned()));
    }

    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub fn in_flight(&self) -> usize {
        IN_FLIGHT_MAX - self.in_flight.available_permits()
    }

    pub fn round_trip(&self) -> Option<Duration> {
        let micros = self.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub fn set_round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.round_trip.store(micros, Ordering::Relaxed);
    }

    /// Sends a request and waits for the reply, at most `within`.
    ///
    /// # Errors
    /// What the peer refused, or why there is no answer.
    pub async fn call(&self, request: &Request, within: Duration) -> Result<Reply, Failure> {
        let Ok(_permit) = self.in_flight.clone().try_acquire_owned() else {
            counter!(CLUSTER_REJECTED_TOTAL, "side" => "sender").increment(1);
            return Err(Failure::Busy);
        };
        self.exchange(request, within).await
    }

    /// Like [`Link::call`], for the few messages that keep the cluster together: a link that is full must neither be
    /// taken for a dead one, nor keep a goodbye from being said.
    ///
    /// # Errors
    /// What the peer refused, or why there is no answer.
    pub async fn exchange(&self, request: &Request, within: Duration) -> Result<Reply, Failure> {
        let bytes = request.encode().map_err(|error| Failure::Internal(error.to_string()))?;
        let _counted = Counted::new(&self.node.node_id);
        let call = self.router.call(|reply| RouterMessage::Ask(bytes, reply), Some(within));
        let answer = tokio::select! {
            answer = call => answer,
            () = self.closed.cancelled() => return Err(Failure::Stopped),
        };
        let bytes = match answer {
            Ok(CallResult::Success(bytes)) => bytes,
            Ok(CallResult::Timeout) => return Err(Failure::Timeout),
            Ok(CallResult::SenderError) | Err(_) => return Err(Failure::Stopped),
        };
        let reply = Reply::decode(&bytes).map_err(|error| Failure::Internal(format!("reply: {error}")))?;
        match reply.result {
            Ok(_) => Ok(reply),
            Err(failure) => Err(failure),
        }
    }
}

struct Counted(String);

impl Counted {
    fn new(peer: &str) -> Self {
        gauge!(CLUSTER_IN_FLIGHT, "peer" => peer.to_owned()).increment(1);
        Self(peer.to_owned())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(CLUSTER_IN_FLIGHT, "peer" => self.0.clone()).decrement(1);
    }
}
