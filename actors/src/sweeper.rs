//! Cleans up after whoever died: abandoned upload sessions, objects without a row, what has run out.

mod orphans;
#[cfg(test)]
mod tests;

use std::time::Duration;

use metastamp_cluster::Cluster;
use metastamp_protocol::Timestamp;
use metastamp_protocol::files::owner_key;
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;
use metrics::{counter, gauge};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use self::orphans::Orphans;
use crate::error::Result;
use crate::metrics::{GARBAGE_OBJECTS, SWEEPER_LEASE, SWEPT_TOTAL};
use crate::usage::Usages;
use crate::wallet::Wallets;
use crate::{ActorError, Deps, Settings};

/// Rows handled in one pass.
const PASS_MAX: u32 = 500;
/// A row may become visible this long after the time it carries.
const COMMIT_SLACK: Duration = Duration::from_secs(15);
/// Ended sessions are kept this long, for late repeats of their commit.
const ENDED_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Revocations outlive the tokens by this much: a node whose clock is ahead must not bring tokens back to life.
const REVOCATIONS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// The lease of whoever sweeps; a node has it for so many intervals.
pub const LEASE: &str = "sweeper";
const LEASE_INTERVALS: u32 = 3;

pub(crate) struct Sweeper {
    stores: Stores,
    cache: SharedCache,
    objects: Objects,
    node: metastamp_protocol::NodeRef,
    settings: Settings,
    usages: Usages,
    cluster: Cluster,
}

pub(crate) enum Message {
    Sweep,
}
impl ractor::Message for Message {}

#[derive(Default)]
pub(crate) struct State {
    /// When the last pass began.
    last: Timestamp,
    orphans: Orphans,
}

impl Sweeper {
    pub fn new(deps: &Deps) -> Self {
        let usages = Usages::new(Wallets::new(deps.cluster.clone()), deps.stores.clone());
        Self {
            stores: deps.stores.clone(),
            cache: deps.cache.clone(),
            objects: deps.objects.clone(),
            node: deps.cluster.local().clone(),
            settings: deps.settings.clone(),
            usages,
            cluster: deps.cluster.clone(),
        }
    }
}

impl Actor for Sweeper {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Message>, (): ()) -> std::result::Result<State, ActorProcessingErr> {
        myself.cast(Message::Sweep)?;
        drop(myself.send_interval(self.settings.sweep_every, || Message::Sweep));
        Ok(State::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        Message::Sweep: Message,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        let now = Timestamp::now();
        match self.sweep(state, now).await {
            Ok(()) => state.last = now,
            Err(error) => tracing::warn!(%error, "sweep broke off, the next one goes on"),
        }
        Ok(())
    }
}

impl Sweeper {
    async fn sweep(&self, state: &mut State, now: Timestamp) -> Result<()> {
        if self.cluster.refusal().is_some() {
            // rows and objects that do not belong together look like rubbish
            gauge!(SWEEPER_LEASE).set(0.0);
            state.orphans.forget();
            return Ok(());
        }
        // Our own former life left these; nobody else may wait for them, so no lock is needed.
        let mut result = self.discard_abandoned(now).await;
        // One node at a time does the rest. The lease only saves work: every step is safe to do twice.
        let ttl = self.settings.sweep_every * LEASE_INTERVALS;
        // a node that starts again goes on with its own
        let ours = self.stores.leases.take_lease(LEASE, &self.node.node_id, now, ttl).await;
        gauge!(SWEEPER_LEASE).set(if matches!(ours, Ok(true)) { 1.0 } else { 0.0 });
        if !ours? {
            // what this node found is told by another one now
            state.orphans.forget();
            return result;
        }
        // One step that fails must not keep the others from being done.
        result = result.and(self.remove_garbage(state.last, now).await);
        let ended = now.minus(REVOCATIONS_KEPT);
        result = result.and(self.stores.logins.forget_revocations(ended).await.map(drop).map_err(Into::into));
        result =
            result.and(self.stores.uploads.forget_uploads(now.minus(ENDED_KEPT)).await.map(drop).map_err(Into::into));
        let resumed = self.usages.resume().await.map_err(|error| ActorError::Refused(error.to_string().into()));
        result = result.and(resumed.map(drop));
        result = result.and(state.orphans.pass(&self.stores, &self.objects, &self.settings, now).await);
        result.and(self.cache.sweep().await.map_err(Into::into))
    }

    async fn discard_abandoned(&self, now: Timestamp) -> Result<()> {
        for session in self.stores.uploads.abandoned_uploads(now, &self.node, PASS_MAX).await? {
            if !self.stores.uploads.discard_abandoned(&session, now).await? {
                continue;
            }
            counter!(SWEPT_TOTAL, "what" => "session").increment(1);
            tracing::info!(asset_id = %session.id, "abandoned upload discarded");
        }
        Ok(())
    }

    /// Each object is removed when it is first seen here, and once more when no upload can be that old: a writer that
    /// was taken for dead may still have been at it.
    async fn remove_garbage(&self, last: Timestamp, now: Timestamp) -> Result<()> {
        let garbage = self.stores.uploads.garbage(PASS_MAX).await?;
        gauge!(GARBAGE_OBJECTS).set(garbage.len() as f64);
        for item in garbage {
            let final_look = item.since <= now.minus(self.settings.upload_time_max);
            if !final_look && item.since < last.minus(COMMIT_SLACK) {
                continue;
            }
            if let Err(error) = self.remove(&item.s3_key, final_look).await {
                tracing::warn!(%error, "object not removed, tried again later");
            }
        }
        Ok(())
    }

    async fn remove(&self, s3_key: &str, final_look: bool) -> Result<()> {
        if !self.stores.uploads.key_is_used(owner_key(s3_key)).await? {
            self.objects.abort_multiparts(s3_key).await?;
            self.objects.delete(s3_key).await?;
        }
        if final_look {
            self.stores.uploads.forget_garbage(s3_key).await?;
            counter!(SWEPT_TOTAL, "what" => "object").increment(1);
        }
        Ok(())
    }
}
