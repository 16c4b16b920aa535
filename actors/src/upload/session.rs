//! The actor of one upload session: asks the rules what to write, writes it, then answers.

use std::time::Duration;

use metastamp_protocol::{NewUpload, ObjectId, Received, Timestamp, UploadState};
use metastamp_store::StoreError;
use metastamp_store::documents::{SharedDocuments, UploadOutcome};
use metrics::counter;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::Ticket;
use super::state::{Command, Fact, Phase, Rules, Step};
use crate::ActorError;
use crate::error::Result;
use crate::metrics::{FENCED_WRITES_TOTAL, UPLOAD_SESSIONS_TOTAL};
use crate::registry::Entity;

/// A session that nobody asked for this long leaves memory; the store still knows it.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Behaviour shared by all sessions.
#[derive(Clone)]
pub(crate) struct Session {
    documents: SharedDocuments,
    rules: Rules,
}

impl Session {
    pub fn new(documents: SharedDocuments, rules: Rules) -> Self {
        Self { documents, rules }
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

pub(crate) struct State {
    id: ObjectId,
    phase: Phase,
    /// The phase is what the store said, not just where we start.
    loaded: bool,
    touched: bool,
    idle: tokio::task::JoinHandle<()>,
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
        let idle = myself.send_interval(IDLE_MAX, || Message::Idle);
        Ok(State { id, phase: Phase::Unknown, loaded: false, touched: true, idle })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        match message {
            Message::Begin(new, reply) => {
                let result = self.run(state, Command::Begin(new)).await.and_then(|()| ticket(&state.phase));
                let _ = reply.send(result);
            }
            Message::Renew(reply) => {
                let _ = reply.send(self.run(state, Command::Renew).await);
            }
            Message::Complete(received, reply) => {
                let result = self.run(state, Command::Complete(*received)).await;
                let _ = reply.send(result.and_then(|()| outcome(&state.phase)));
            }
            Message::Abort(reply) => {
                let _ = reply.send(self.run(state, Command::Abort).await);
            }
            Message::Idle if !state.touched => myself.stop(Some("idle".to_owned())),
            Message::Idle => state.touched = false,
        }
        if state.phase.is_final() {
            myself.stop(Some("done".to_owned()));
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> std::result::Result<(), ActorProcessingErr> {
        state.idle.abort();
        Ok(())
    }
}

impl Session {
    async fn run(&self, state: &mut State, command: Command) -> Result<()> {
        state.touched = true;
        // A session that begins has nothing stored yet: its unique index would say so.
        if !state.loaded && !matches!(command, Command::Begin(_)) {
            state.phase = Phase::loaded(self.documents.upload(state.id).await?);
            state.loaded = true;
        }
        let now = Timestamp::now();
        let step = state.phase.decide(&command, &self.rules, now)?;
        let fact = match self.write(state.id, step, now).await {
            Ok(Some(fact)) => fact,
            Ok(None) => return Ok(()),
            Err(error) => {
                // What we hold may be stale (fenced) or the outcome unknown: the next command asks the store again.
                state.loaded = false;
                if matches!(error, ActorError::Store(StoreError::Fenced { .. })) {
                    counter!(FENCED_WRITES_TOTAL, "what" => "upload").increment(1);
                }
                return Err(error);
            }
        };
        state.loaded = true;
        state.phase = std::mem::replace(&mut state.phase, Phase::Unknown).apply(fact);
        Ok(())
    }

    async fn write(&self, id: ObjectId, step: Step, now: Timestamp) -> Result<Option<Fact>> {
        Ok(Some(match step {
            Step::Nothing => return Ok(None),
            Step::Open(session) => match self.documents.open_upload(&session).await {
                Ok(()) => Fact::Opened(session),
                // The answer to an earlier Begin was lost on the way: what it opened counts.
                Err(StoreError::Conflict { .. }) => match self.documents.upload(id).await? {
                    Some(opened) if opened.user_id == session.user_id && opened.state == UploadState::Receiving => {
                        Fact::Opened(opened)
                    }
                    _ => return Err(ActorError::Refused("the upload has ended".into())),
                },
                Err(error) => return Err(error.into()),
            },
            Step::Renew { until } => {
                self.documents.renew_upload(id, until).await?;
                Fact::Renewed { until }
            }
            Step::Commit(commit) => {
                let outcome = self.documents.commit_upload(*commit).await?;
                let word = if matches!(outcome, UploadOutcome::Stored(_)) { "stored" } else { "repeat" };
                counter!(UPLOAD_SESSIONS_TOTAL, "outcome" => word).increment(1);
                Fact::Committed(outcome)
            }
            Step::Discard => {
                self.documents.discard_upload(id, now).await?;
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
        Phase::Ended(outcome) => Ok(outcome.clone()),
        _ => Err(ActorError::Refused("the upload was given up".into())),
    }
}
