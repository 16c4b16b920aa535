//! The one actor of a node that other nodes can reach: takes their requests, bounded, and always answers.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::wire::{Ask, MESSAGE_BYTES_MAX, Reply, Request, VERSION_MIN, WireError};
use metastamp_protocol::cluster::{Answer, Failure};
use metrics::counter;
use parking_lot::Mutex;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, pg};
use ractor_cluster::RactorClusterMessage;
use tokio::sync::Semaphore;

use crate::metrics::CLUSTER_REJECTED_TOTAL;

/// Requests of all peers together that may be at work.
const AT_WORK_MAX: usize = 1_024;

/// The only message type that crosses links. Its variants are fixed for ever; what changes is inside the bytes.
#[derive(RactorClusterMessage)]
pub enum RouterMessage {
    #[rpc]
    Ask(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

/// What is done with a request that was understood.
pub trait Receive: Send + Sync + 'static {
    fn command(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Answer, Failure>>;
    fn notice(self: Arc<Self>, request: Request);
}

/// Where the router finds whom it answers for, once there is somebody.
pub type Slot = Arc<OnceLock<Weak<dyn Receive>>>;

/// The process group in which a node's router is found. Unique over restarts.
fn group(node: &NodeRef) -> String {
    format!("router/{node}")
}

/// The router at the other end of session `session`.
pub fn remote(node: &NodeRef, session: u64) -> Option<ActorRef<RouterMessage>> {
    let of_session = |id: ActorId| matches!(id, ActorId::Remote { node_id, .. } if node_id == session);
    pg::get_members(&group(node)).into_iter().find(|cell| of_session(cell.get_id())).map(Into::into)
}

/// Starts this node's router; whoever it answers for may not exist yet.
///
/// # Errors
/// When the actor does not start.
pub async fn start(
    local: NodeRef,
    version_max: u32,
    receiver: Slot,
) -> Result<ActorRef<RouterMessage>, ractor::SpawnErr> {
    let group = group(&local);
    let router =
        Router { local, version_max, receiver, at_work: Arc::new(Semaphore::new(AT_WORK_MAX)), same: Arc::default() };
    // Without a name: ractor unregisters local actors that bear the name of a remote one that ended.
    let (actor, _) = Actor::spawn(None, router, ()).await?;
    pg::join(group, vec![actor.get_cell()]);
    Ok(actor)
}

type Outcome = Shared<BoxFuture<'static, Result<Answer, Failure>>>;

struct Router {
    local: NodeRef,
    version_max: u32,
    receiver: Slot,
    at_work: Arc<Semaphore>,
    /// Commands at work by their key: a retry that overtakes its first attempt shares the answer.
    same: Arc<Mutex<HashMap<u128, Outcome>>>,
}

impl Actor for Router {
    type Msg = RouterMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<RouterMessage>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<RouterMessage>,
        RouterMessage::Ask(bytes, reply): RouterMessage,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let request = match Request::decode(&bytes, self.version_max) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "a request that can't be read");
                let failure = match error {
                    WireError::Version(_) | WireError::Unknown => Failure::Unsupported,
                    WireError::TooLarge(_) | WireError::Malformed(_) => Failure::Internal(error.to_string()),
                };
                self.answer(reply, VERSION_MIN, Err(failure));
                return Ok(());
            }
        };
        let version = request.version;
        let Some(receiver) = self.receiver.get().and_then(Weak::upgrade) else {
            self.answer(reply, version, Err(Failure::Busy));
            return Ok(());
        };
        match request.ask {
            Ask::Ping => self.answer(reply, version, Ok(Answer::Done)),
            Ask::Notice(_) => {
                receiver.notice(request);
                self.answer(reply, version, Ok(Answer::Done));
            }
            Ask::Command(_) if request.within_ms == 0 => self.answer(reply, version, Err(Failure::Expired)),
            Ask::Command(_) => self.work(receiver, request, reply),
        }
        Ok(())
    }
}

impl Router {
    /// Does the command off to the side: the router itself never waits.
    fn work(&self, receiver: Arc<dyn Receive>, request: Request, reply: RpcReplyPort<Vec<u8>>) {
        let Ok(permit) = self.at_work.clone().try_acquire_owned() else {
            counter!(CLUSTER_REJECTED_TOTAL, "side" => "receiver").increment(1);
            self.answer(reply, request.version, Err(Failure::Busy));
            return;
        };
        let (version, key) = (request.version, request.key);
        let within = Duration::from_millis(u64::from(request.within_ms));
        let outcome = {
            let mut same = self.same.lock();
            // An entry that nobody waits for any more was dropped half done.
            same.retain(|_, waiting| waiting.strong_count().is_some_and(|count| count > 1));
            let fresh = || whole(receiver.command(request)).shared();
            same.entry(key).or_insert_with(fresh).clone()
        };
        let local = self.local.clone();
        tokio::spawn(async move {
            let result = tokio::time::timeout(within, outcome).await.unwrap_or(Err(Failure::Timeout));
            send(reply, Reply { version, from: local, result });
            drop(permit);
        });
    }

    fn answer(&self, reply: RpcReplyPort<Vec<u8>>, version: u32, result: Result<Answer, Failure>) {
        send(reply, Reply { version, from: self.local.clone(), result });
    }
}

/// A command that panics still has an answer.
fn whole(command: BoxFuture<'static, Result<Answer, Failure>>) -> BoxFuture<'static, Result<Answer, Failure>> {
    let caught = AssertUnwindSafe(command).catch_unwind();
    caught.map(|result| result.unwrap_or_else(|_| Err(Failure::Internal("panicked".to_owned())))).boxed()
}

/// An answer that can't be encoded becomes one that can: silence would leave the asker waiting.
fn send(port: RpcReplyPort<Vec<u8>>, reply: Reply) {
    let bytes = reply.encode().or_else(|error| {
        tracing::error!(%error, bytes_max = MESSAGE_BYTES_MAX, "answer can't be sent");
        let result = Err(Failure::Internal("the answer is too large to be sent".to_owned()));
        Reply { result, ..reply }.encode()
    });
    if let Ok(bytes) = bytes {
        let _ = port.send(bytes);
    }
}
