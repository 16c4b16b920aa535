//! The entities of one kind that are in memory here: brought up on the first message, let go when they stop.
//!
//! Mailboxes of actors have no bound of their own, so a semaphore per entity comes before every call, and the number
//! of entities is bounded too. Full means [`ActorError::Busy`], never a growing queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metastamp_protocol::ObjectId;
use metrics::{counter, gauge};
use parking_lot::RwLock;
use ractor::rpc::CallResult;
use ractor::{
    ACTIVE_STATES, Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::ActorError;
use crate::error::Result;
use crate::metrics::{ACTOR_ENTITIES, ACTOR_MAILBOX_DEPTH, ACTOR_PASSIVATIONS_TOTAL, ACTOR_REJECTED_TOTAL};

/// Entities of one kind in memory.
const ENTITIES_MAX: usize = 100_000;

/// An actor that stands for one id. It must not do I/O in `pre_start`: activation runs one after the other.
pub trait Entity: Actor + Clone {
    /// Word for the `kind` label of metrics.
    const KIND: &'static str;
    /// Messages that one entity may have accepted and not yet answered.
    const MAILBOX_MAX: usize = 64;
}

/// An entity in memory, with its bound.
struct Slot<M> {
    actor: ActorRef<M>,
    mailbox: Arc<Semaphore>,
}

impl<M> Slot<M> {
    /// It takes messages. One that is about to end is followed by another, brought up from the store.
    fn is_open(&self) -> bool {
        ACTIVE_STATES.contains(&self.actor.get_status())
    }
}

impl<M> Clone for Slot<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), mailbox: self.mailbox.clone() }
    }
}

/// How long an entity that nobody asks stays in memory; at most twice as long.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// The idle timer of one entity. It beats every [`IDLE_MAX`]; an entity that was asked nothing from one beat to the next
/// may leave memory.
pub(crate) struct Idle {
    used: bool,
    beat: JoinHandle<()>,
}

impl Idle {
    /// `beat` is the message that the entity gets from it.
    pub fn start<M: ractor::Message>(myself: &ActorRef<M>, beat: fn() -> M) -> Self {
        Self { used: true, beat: myself.send_interval(IDLE_MAX, beat) }
    }

    /// To be called for every message; true when it is a beat, and nothing came since the one before.
    pub fn is_over(&mut self, is_beat: bool) -> bool {
        let over = is_beat && !self.used;
        self.used = !is_beat;
        over
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

struct Shared<E: Entity> {
    slots: RwLock<HashMap<ObjectId, Slot<E::Msg>>>,
    /// The registry's own actor, replaced when the supervisor restarts it.
    keeper: RwLock<Option<ActorRef<Activate<E>>>>,
}

/// Handle to the entities of one kind. Cheap to clone.
pub struct Registry<E: Entity> {
    shared: Arc<Shared<E>>,
    entity: E,
}

impl<E: Entity> Clone for Registry<E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), entity: self.entity.clone() }
    }
}

impl<E: Entity> Registry<E> {
    /// `entity` is the behaviour shared by all entities of the kind.
    pub fn new(entity: E) -> Self {
        let shared = Shared { slots: RwLock::default(), keeper: RwLock::default() };
        Self { shared: Arc::new(shared), entity }
    }

    /// Starts the actor that supervises the entities, linked to `supervisor`.
    pub async fn start(self, supervisor: ActorCell) -> std::result::Result<ActorCell, SpawnErr> {
        let (keeper, _) = Actor::spawn_linked(None, Keeper(self.clone()), (), supervisor).await?;
        Ok(keeper.get_cell())
    }

    /// Asks the entity `id` and waits for its answer; brings it up from `args` if it is not in memory.
    pub async fn ask<T, F>(
        &self,
        id: ObjectId,
        args: impl FnOnce() -> E::Arguments,
        message: F,
        within: Duration,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(RpcReplyPort<Result<T>>) -> E::Msg,
    {
        let slot = self.activate(id, args).await?;
        let Ok(_permit) = slot.mailbox.clone().try_acquire_owned() else {
            counter!(ACTOR_REJECTED_TOTAL, "kind" => E::KIND).increment(1);
            return Err(ActorError::Busy);
        };
        let _counted = Counted::new(E::KIND);
        let answer = slot.actor.call(message, Some(within)).await;
        match answer {
            Ok(CallResult::Success(result)) => result,
            Ok(CallResult::Timeout) => Err(ActorError::Timeout),
            Ok(CallResult::SenderError) | Err(_) => Err(ActorError::Stopped),
        }
    }

    /// Sends a message to the entity if it is in memory, and tells whether it was.
    pub fn tell_if_active(&self, id: ObjectId, message: E::Msg) -> bool {
        let slot = self.shared.slots.read().get(&id).cloned();
        slot.is_some_and(|slot| slot.actor.cast(message).is_ok())
    }

    /// Sends a message to every entity in memory.
    pub fn tell_all(&self, message: impl Fn() -> E::Msg) {
        for slot in self.shared.slots.read().values() {
            let _ = slot.actor.cast(message());
        }
    }

    /// Brings the entity up from `args`; false, with `args` unused, when it is in memory already.
    pub async fn bring_up(&self, id: ObjectId, args: E::Arguments) -> Result<bool> {
        if self.shared.slots.read().contains_key(&id) {
            return Ok(false);
        }
        self.activate(id, || args).await.map(|_| true)
    }

    pub fn active(&self) -> usize {
        self.shared.slots.read().len()
    }

    /// Asks all entities to stop, after the message they are at.
    pub fn stop_all(&self) {
        for slot in self.shared.slots.read().values() {
            slot.actor.stop(None);
        }
    }

    async fn activate(&self, id: ObjectId, args: impl FnOnce() -> E::Arguments) -> Result<Slot<E::Msg>> {
        if let Some(slot) = self.shared.slots.read().get(&id).filter(|slot| slot.is_open()) {
            return Ok(slot.clone());
        }
        if self.active() >= ENTITIES_MAX {
            counter!(ACTOR_REJECTED_TOTAL, "kind" => E::KIND).increment(1);
            return Err(ActorError::Busy);
        }
        let keeper = self.shared.keeper.read().clone().ok_or(ActorError::Stopped)?;
        match keeper.call(|reply| Activate { id, args: args(), reply }, Some(Duration::from_secs(5))).await {
            Ok(CallResult::Success(slot)) => slot,
            Ok(CallResult::Timeout) => Err(ActorError::Busy),
            Ok(CallResult::SenderError) | Err(_) => Err(ActorError::Stopped),
        }
    }
}

/// A message under way; its caller may stop waiting at any time.
struct Counted(&'static str);

impl Counted {
    fn new(kind: &'static str) -> Self {
        gauge!(ACTOR_MAILBOX_DEPTH, "kind" => kind).increment(1);
        Self(kind)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(ACTOR_MAILBOX_DEPTH, "kind" => self.0).decrement(1);
    }
}

struct Activate<E: Entity> {
    id: ObjectId,
    args: E::Arguments,
    reply: RpcReplyPort<Result<Slot<E::Msg>>>,
}
impl<E: Entity> ractor::Message for Activate<E> {}

/// Spawns the entities and is notified when they end.
struct Keeper<E: Entity>(Registry<E>);

impl<E: Entity> Actor for Keeper<E> {
    type Msg = Activate<E>;
    type State = HashMap<ActorId, ObjectId>;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<Activate<E>>,
        (): (),
    ) -> std::result::Result<Self::State, ActorProcessingErr> {
        // Entities of a former keeper were linked to it and went down with it.
        self.0.shared.slots.write().clear();
        *self.0.shared.keeper.write() = Some(myself);
        Ok(HashMap::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Activate<E>>,
        Activate { id, args, reply }: Activate<E>,
        ids: &mut Self::State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        let active = self.0.shared.slots.read().get(&id).filter(|slot| slot.is_open()).cloned();
        let slot = match active {
            Some(slot) => Ok(slot),
            None => Actor::spawn_linked(None, self.0.entity.clone(), args, myself.get_cell())
                .await
                .map(|(actor, _)| Slot { actor, mailbox: Arc::new(Semaphore::new(E::MAILBOX_MAX)) })
                .map_err(|error| {
                    tracing::error!(kind = E::KIND, %id, %error, "entity failed to start");
                    ActorError::Stopped
                }),
        };
        if let Ok(slot) = &slot {
            ids.insert(slot.actor.get_id(), id);
            self.0.shared.slots.write().insert(id, slot.clone());
            gauge!(ACTOR_ENTITIES, "kind" => E::KIND).set(ids.len() as f64);
        }
        let _ = reply.send(slot);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Activate<E>>,
        event: SupervisionEvent,
        ids: &mut Self::State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        let (cell, error) = match &event {
            SupervisionEvent::ActorTerminated(cell, _, _) => (cell, None),
            SupervisionEvent::ActorFailed(cell, error) => (cell, Some(error)),
            _ => return Ok(()),
        };
        let Some(id) = ids.remove(&cell.get_id()) else { return Ok(()) };
        match error {
            Some(error) => tracing::error!(kind = E::KIND, %id, %error, "entity failed"),
            None => counter!(ACTOR_PASSIVATIONS_TOTAL, "kind" => E::KIND).increment(1),
        }
        let mut slots = self.0.shared.slots.write();
        if slots.get(&id).is_some_and(|slot| slot.actor.get_id() == cell.get_id()) {
            slots.remove(&id);
        }
        gauge!(ACTOR_ENTITIES, "kind" => E::KIND).set(ids.len() as f64);
        Ok(())
    }
}
