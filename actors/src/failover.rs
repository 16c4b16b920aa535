//! Follows the members: the jobs of one that died go back to the queue at once.
//!
//! Every survivor does so. It is safe to do twice, and to do to a node that lives after all: its claims are fenced and
//! somebody else runs the jobs. Should nobody do it, the claims run out by themselves a little later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metastamp_cluster::{MemberState, SharedView, View};
use metastamp_protocol::{NodeRef, Timestamp};
use metastamp_store::Stores;
use metrics::counter;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::FINGERPRINT_JOBS_RETURNED_TOTAL;

/// Survivors go one after the other by this step, so that the store is not asked by all at once: the first returns the
/// jobs, the others find nothing left to do.
const STEP: Duration = Duration::from_millis(20);
const STEPS_MAX: u32 = 10;
/// Pause after a store that did not answer; doubles up to the longest.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// After so many attempts the claims have run out by themselves.
const ATTEMPTS_MAX: u32 = 20;
/// Longest wait for a change before the actor looks at its mailbox again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whoever was asleep, or sees everybody gone at once, is more likely the odd one out: it gives them this long to be
/// heard of again.
const CAUTION: Duration = Duration::from_secs(3);

/// Until when this node does not act on a death, because it was asleep.
#[derive(Clone, Default)]
pub(crate) struct Caution(Arc<Mutex<Option<Instant>>>);

impl Caution {
    pub fn be_cautious(&self) {
        *self.0.lock() = Some(Instant::now() + CAUTION);
    }

    fn until(&self) -> Instant {
        self.0.lock().unwrap_or_else(Instant::now)
    }
}

/// Members that were alive when last looked at: id and generation.
type Living = BTreeMap<String, i64>;

pub(crate) struct Failover {
    pub stores: Stores,
    pub view: watch::Receiver<SharedView>,
    /// Outlives the actor: a death while it was restarted is still seen.
    pub living: Arc<Mutex<Living>>,
    pub caution: Caution,
    /// Called when jobs may have become claimable, or this node may have begun or ceased to claim.
    pub look: Arc<dyn Fn() + Send + Sync>,
    /// Called at least every [`LOOK_EVERY`].
    pub beat: Arc<dyn Fn() + Send + Sync>,
}

pub(crate) enum Message {
    Follow,
}
impl ractor::Message for Message {}

/// Claims that are to be given back.
struct Owed {
    node: NodeRef,
    due: Instant,
    attempts: u32,
}

pub(crate) struct State {
    view: watch::Receiver<SharedView>,
    owed: Vec<Owed>,
    local: Option<MemberState>,
}

impl Actor for Failover {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        let mut view = self.view.clone();
        view.mark_changed();
        myself.cast(Message::Follow)?;
        Ok(State { view, owed: Vec::new(), local: None })
    }

    /// One turn: wait for a change or for what is due, then deal with it.
    async fn handle(
        &self,
        myself: ActorRef<Message>,
        Message::Follow: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let beat = Instant::now() + LOOK_EVERY;
        let until = state.owed.iter().map(|owed| owed.due).min().map_or(beat, |due| due.min(beat));
        // An error means that the cluster handle is gone: the node is about to end.
        let changed = match tokio::time::timeout_at(until, state.view.changed()).await {
            Ok(changed) => changed.map(|()| true)?,
            Err(_) => false,
        };
        if changed {
            self.look_at_members(state);
        }
        self.give_back(state).await;
        (self.beat)();
        myself.cast(Message::Follow)?;
        Ok(())
    }
}

impl Failover {
    fn look_at_members(&self, state: &mut State) {
        let view = state.view.borrow_and_update().clone();
        let local = view.member(&view.local.node_id).map(|member| member.state);
        if local != state.local {
            // A drain that was undone: this node claims again.
            state.local = local;
            (self.look)();
        }
        let dead = note_deaths(&mut self.living.lock(), &view);
        let alone = dead.len() > 1 && self.living.lock().is_empty();
        let soon = Instant::now() + if alone { CAUTION } else { STEP * turn(&view) };
        let due = soon.max(self.caution.until());
        state.owed.extend(dead.into_iter().map(|node| Owed { node, due, attempts: 0 }));
    }

    async fn give_back(&self, state: &mut State) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.owed).into_iter().partition(|owed| owed.due <= Instant::now());
        state.owed = later;
        for mut owed in due {
            if self.living.lock().get(&owed.node.node_id) == Some(&owed.node.generation) {
                // Heard of again before anything was done to it.
                continue;
            }
            match self.stores.jobs.release_claims_of(&owed.node, Timestamp::now()).await {
                Ok(jobs) => {
                    counter!(FINGERPRINT_JOBS_RETURNED_TOTAL).increment(jobs);
                    tracing::info!(node = %owed.node, jobs, "a member is dead, its jobs are back in the queue");
                    // Even if there were none: another survivor may have been faster.
                    (self.look)();
                }
                Err(error) if owed.attempts + 1 < ATTEMPTS_MAX => {
                    tracing::warn!(node = %owed.node, %error, "jobs of a dead member not returned yet");
                    owed.due = Instant::now() + RETRY_MIN.saturating_mul(1 << owed.attempts.min(8)).min(RETRY_MAX);
                    owed.attempts += 1;
                    state.owed.push(owed);
                }
                Err(error) => tracing::warn!(node = %owed.node, %error, "jobs of a dead member left to run out"),
            }
        }
    }
}

/// Whose turn it is among the survivors: 0 goes at once.
fn turn(view: &View) -> u32 {
    let alive = |member: &&metastamp_cluster::Member| member.state != MemberState::Dead;
    let before = view.members.iter().filter(alive).filter(|member| member.node.node_id < view.local.node_id).count();
    u32::try_from(before).unwrap_or(STEPS_MAX).min(STEPS_MAX)
}

/// Those that were living and are dead, gone, or replaced by a later generation of themselves. Views in between may
/// have been missed, so it compares with what was last seen.
fn note_deaths(living: &mut Living, view: &View) -> Vec<NodeRef> {
    let now: Living = view
        .members
        .iter()
        .filter(|member| member.state != MemberState::Dead && !view.is_local(&member.node))
        .map(|member| (member.node.node_id.clone(), member.node.generation))
        .collect();
    let before = std::mem::replace(living, now);
    let ended = before.into_iter().filter(|(id, generation)| living.get(id).is_none_or(|now| now > generation));
    ended.map(|(node_id, generation)| NodeRef { node_id, generation }).collect()
}

#[cfg(test)]
mod tests;
