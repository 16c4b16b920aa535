//! Cleans up after whoever died: abandoned upload sessions, objects without a row, what has run out.

use std::time::Duration;

use metastamp_protocol::Timestamp;
use metastamp_store::cache::SharedCache;
use metastamp_store::documents::SharedDocuments;
use metastamp_store::objects::Objects;
use metrics::{counter, gauge};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::error::Result;
use crate::metrics::{GARBAGE_OBJECTS, SWEPT_TOTAL};
use crate::{Deps, Settings};

/// Rows handled in one pass.
const PASS_MAX: u32 = 500;
/// Ended sessions are kept this long, for late repeats of their commit.
const ENDED_KEPT: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct Sweeper {
    documents: SharedDocuments,
    cache: SharedCache,
    objects: Objects,
    node: metastamp_protocol::NodeRef,
    settings: Settings,
}

pub(crate) enum Message {
    Sweep,
}
impl ractor::Message for Message {}

impl Sweeper {
    pub fn new(deps: &Deps) -> Self {
        Self {
            documents: deps.documents.clone(),
            cache: deps.cache.clone(),
            objects: deps.objects.clone(),
            node: deps.router.members().local().clone(),
            settings: deps.settings.clone(),
        }
    }
}

impl Actor for Sweeper {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Message>, (): ()) -> std::result::Result<(), ActorProcessingErr> {
        myself.cast(Message::Sweep)?;
        drop(myself.send_interval(self.settings.sweep_every, || Message::Sweep));
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        Message::Sweep: Message,
        (): &mut (),
    ) -> std::result::Result<(), ActorProcessingErr> {
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "sweep broke off, the next one goes on");
        }
        Ok(())
    }
}

impl Sweeper {
    async fn sweep(&self) -> Result<()> {
        let now = Timestamp::now();
        // Our own former life left these; nobody else may wait for them, so no lock is needed.
        self.discard_abandoned(now).await?;
        // One node at a time does the rest. The lock only saves work: every step is safe to do twice.
        let ttl = self.settings.sweep_every * 2;
        if !self.cache.lock("sweeper", &self.node.to_string(), ttl).await.unwrap_or(true) {
            return Ok(());
        }
        self.remove_garbage(now).await?;
        self.documents.forget_revocations(now).await?;
        self.documents.forget_uploads(now.minus(ENDED_KEPT)).await?;
        self.cache.sweep().await?;
        Ok(())
    }

    async fn discard_abandoned(&self, now: Timestamp) -> Result<()> {
        for session in self.documents.abandoned_uploads(now, &self.node, PASS_MAX).await? {
            self.documents.discard_upload(session.id, now).await?;
            counter!(SWEPT_TOTAL, "what" => "session").increment(1);
            tracing::info!(asset_id = %session.id, "abandoned upload discarded");
        }
        Ok(())
    }

    async fn remove_garbage(&self, now: Timestamp) -> Result<()> {
        let garbage = self.documents.garbage(PASS_MAX).await?;
        gauge!(GARBAGE_OBJECTS).set(garbage.len() as f64);
        for item in garbage {
            if !self.documents.key_is_used(&item.s3_key).await? {
                self.objects.abort_multiparts(&item.s3_key).await?;
                self.objects.delete(&item.s3_key).await?;
            }
            // A writer that was taken for dead may still be at it: look again until no upload can be that old.
            if item.since <= now.minus(self.settings.upload_time_max) {
                self.documents.forget_garbage(&item.s3_key).await?;
                counter!(SWEPT_TOTAL, "what" => "object").increment(1);
            }
        }
        Ok(())
    }
}
