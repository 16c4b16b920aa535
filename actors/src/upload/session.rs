//! The actor of one upload session: asks the rules what to write, writes it, then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metastamp_protocol::{NewUpload, ObjectId, Received, Timestamp, UploadState};
use metastamp_store::StoreError;
use metastamp_store::Stores;
use metastamp_store::ports::UploadOutcome;
use metrics::counter;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::Ticket;
use super::state::{Command, Fact, Phase, Rules, Step};
use crate::ActorError;
use crate::error::Result;
use crate::metrics::{FENCED_WRITES_TOTAL, UPLOAD_SESSIONS_TOTAL};
use crate::registry::{Entity, Idle};

/// Behaviour shared by all sessions.
#[derive(Clone)]
pub(crate) struct Session {
    stores: Stores,
    rules: Rules,
    /// Rises when what sessions hold in memory can't be trusted any more.
    epoch: Arc<AtomicU64>,
}

impl Session {
    pub fn new(stores: Stores, rules: Rules) -> Self {
        Self { stores, rules, epoch: Arc::default() }
    }

    /// From the next command on, every session asks the store again. Nothing that waits in a mailbox is lost.
    pub fn distrust(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) enum Message {
    Begin(NewUpload, RpcReplyPort<Result<Ticket>>),
    Renew(RpcReplyPort<Result<()>>),
    Complete(Box<Received>, RpcReplyPort<Result<UploadOutcome>>),
    Abort(RpcReplyPort<Result<()>>),
    /// Time to look whether anybody still needs us.
    Idle,
}
impl ractor::Message for Message {}

impl Message {
    /// Whoever asked has given up waiting: to do it now would only delay the others.
    fn is_expired(&self) -> bool {
        match self {
            Message::Begin(_, reply) => reply.is_closed(),
            Message::Renew(reply) | Message::Abort(reply) => reply.is_closed(),
            Message::Complete(_, reply) => reply.is_closed(),
            Message::Idle => false,
        }
    }
}

pub(crate) struct State {
    memory: Memory,
    idle: Idle,
}

/// What one owner believes of a session.
struct Memory {
    id: ObjectId,
    phase: Phase,
    /// The phase is what the store said, in this epoch.
    loaded: Option<u64>,
}

impl Memory {
    fn new(id: ObjectId) -> Self {
        Self { id, phase: Phase::Unknown, loaded: None }
    }
}

impl Entity for Session {
    const KIND: &'static str = "upload";
}

impl Actor for Session {
    type Msg = Message;
    type State = State;
    type Arguments = ObjectId;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        id: ObjectId,
    ) -> std::result::Result<State, ActorProcessingErr> {
        Ok(State { memory: Memory::new(id), idle: Idle::start(&myself, || Message::Idle) })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        if message.is_expired() {
            return Ok(());
        }
        let idle = state.idle.is_over(matches!(message, Message::Idle));
        let memory = &mut state.memory;
        match message {
            Message::Begin(new, reply) => {
                let result = self.run(memory, Command::Begin(new)).await.and_then(|()| ticket(&memory.phase));
                let _ = reply.send(result);
            }
            Message::Renew(reply) => {
                let _ = reply.send(self.run(memory, Command::Renew).await);
            }
            Message::Complete(received, reply) => {
                let result = self.run(memory, Command::Complete(*received)).await;
                let _ = reply.send(result.and_then(|()| outcome(&memory.phase)));
            }
            Message::Abort(reply) => {
                let _ = reply.send(self.run(memory, Command::Abort).await);
            }
            Message::Idle => {}
        }
        // What is in the mailbox is still answered; whoever comes later brings up another one.
        if idle || state.memory.phase.is_final() {
            myself.drain()?;
        }
        Ok(())
    }
}

impl Session {
    async fn run(&self, memory: &mut Memory, command: Command) -> Result<()> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        if memory.loaded != Some(epoch) {
            *memory = Memory::new(memory.id);
            // A session that begins has nothing stored yet: its unique index would say so.
            if !matches!(command, Command::Begin(_)) {
                memory.phase = Phase::loaded(self.stores.uploads.upload(memory.id).await?);
            }
        }
        // Taken out, so that whatever goes wrong the next command asks the store again: what is held here may be stale
        // (fenced), the outcome unknown, and what is unknown now may be begun elsewhere.
        let Memory { phase, .. } = std::mem::replace(memory, Memory::new(memory.id));
        let now = Timestamp::now();
        let step = phase.decide(&command, &self.rules, now)?;
        let fact = self.write(memory.id, step, now).await.inspect_err(|error| {
            if matches!(error, ActorError::Store(StoreError::Fenced { .. })) {
                counter!(FENCED_WRITES_TOTAL, "what" => "upload").increment(1);
            }
        })?;
        memory.phase = match fact {
            Some(fact) => phase.apply(fact),
            None => phase,
        };
        memory.loaded = (memory.phase != Phase::Unknown).then_some(epoch);
        Ok(())
    }

    async fn write(&self, id: ObjectId, step: Step, now: Timestamp) -> Result<Option<Fact>> {
        Ok(Some(match step {
            Step::Nothing => return Ok(None),
            Step::Open(session) => match self.stores.uploads.open_upload(&session).await {
                Ok(()) => Fact::Opened(session),
                // The answer to an earlier Begin was lost on the way: what it opened counts.
                Err(StoreError::Conflict { .. }) => match self.stores.uploads.upload(id).await? {
                    Some(opened) if opened.user_id == session.user_id && opened.state == UploadState::Receiving => {
                        Fact::Opened(opened)
                    }
                    _ => return Err(ActorError::Refused("the upload has ended".into())),
                },
                Err(error) => return Err(error.into()),
            },
            Step::Renew { until } => {
                self.stores.uploads.renew_upload(id, until).await?;
                Fact::Renewed { until }
            }
            Step::Commit(commit) => {
                let outcome = self.stores.works.commit_upload(*commit).await?;
                let word = if matches!(outcome, UploadOutcome::Stored(_)) { "stored" } else { "repeat" };
                counter!(UPLOAD_SESSIONS_TOTAL, "outcome" => word).increment(1);
                Fact::Committed(Box::new(outcome))
            }
            Step::Discard => {
                self.stores.uploads.discard_upload(id, now).await?;
                counter!(UPLOAD_SESSIONS_TOTAL, "outcome" => "discarded").increment(1);
                Fact::Discarded
            }
        }))
    }
}

fn ticket(phase: &Phase) -> Result<Ticket> {
    match phase {
        Phase::Receiving(session) => Ok(Ticket { s3_key: session.s3_key.clone() }),
        _ => Err(ActorError::Refused("the upload has ended".into())),
    }
}

fn outcome(phase: &Phase) -> Result<UploadOutcome> {
    match phase {
        Phase::Ended(outcome) => Ok((**outcome).clone()),
        _ => Err(ActorError::Refused("the upload was given up".into())),
    }
}

#[cfg(test)]
mod tests;
