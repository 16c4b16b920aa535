//! Takes jobs from the store as workers become free. The only place that claims.

use std::time::Duration;

use metastamp_protocol::{Job, JobState, Timestamp};
use metrics::gauge;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::Tools;
use super::job::{JobActor, Start};
use super::pool::{Pool, Worker};
use super::state::{ATTEMPTS_MAX, given_up};
use crate::metrics::{FINGERPRINT_JOBS, FINGERPRINT_QUEUE_DEPTH};
use crate::registry::Registry;

/// How often the store is asked for work that came from elsewhere, or whose claim ran out.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Queue {
    pub tools: Tools,
    pub pool: Pool,
    pub jobs: Registry<JobActor>,
}

pub(crate) enum Message {
    /// Something may have become claimable, or a worker free.
    Look,
    /// A second has passed.
    Tick,
    /// From now on claim nothing, and hand back what runs.
    Drain,
}
impl ractor::Message for Message {}

impl Actor for Queue {
    type Msg = Message;
    /// Whether the node is leaving.
    type State = bool;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Message>, (): ()) -> Result<bool, ActorProcessingErr> {
        myself.cast(Message::Look)?;
        drop(myself.send_interval(LOOK_EVERY, || Message::Tick));
        Ok(false)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        draining: &mut bool,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Drain => *draining = true,
            Message::Look | Message::Tick if *draining => {}
            Message::Look | Message::Tick => {
                // Many messages may say the same; a failure is told and tried again with the next look.
                let mut looked = self.claim(&myself).await;
                if matches!(message, Message::Tick) {
                    looked = looked.and(self.count().await);
                }
                if let Err(error) = looked {
                    tracing::warn!(%error, "can't claim fingerprint jobs");
                }
            }
        }
        Ok(())
    }
}

impl Queue {
    async fn claim(&self, myself: &ActorRef<Message>) -> crate::error::Result<()> {
        let mut workers: Vec<_> = std::iter::from_fn(|| self.pool.take()).collect();
        let Tools { documents, node, settings, .. } = &self.tools;
        let mut jobs = Vec::new();
        if !workers.is_empty() {
            jobs = documents.claim_jobs(node, Timestamp::now(), settings.claim_lease, workers.len() as u32).await?;
        }
        for job in jobs {
            // A job that can't be started must not keep its siblings, claimed with it, from theirs.
            let id = job.id;
            if let Err(error) = self.start(myself, job, workers.pop()).await {
                tracing::warn!(job = %id, %error, "fingerprint job not started");
            }
        }
        Ok(())
    }

    async fn start(&self, myself: &ActorRef<Message>, job: Job, worker: Option<Worker>) -> crate::error::Result<()> {
        let documents = &self.tools.documents;
        let Some(token) = job.claim.as_ref().map(|claim| claim.token) else { return Ok(()) };
        let (id, now) = (job.id, Timestamp::now());
        // Claimed that often and never finished: whoever ran it died of it.
        if job.attempts > ATTEMPTS_MAX {
            let error = job.last_error.as_deref().unwrap_or("the process ended while working on it");
            return Ok(documents.finish_job(id, token, given_up(ATTEMPTS_MAX, error), now).await?);
        }
        let Some(worker) = worker else {
            return Ok(documents.release_job(id, token, now, None).await?);
        };
        let queue = myself.clone();
        let ended = Box::new(move || drop(queue.cast(Message::Look)));
        if !self.jobs.bring_up(id, Start { job, worker, ended }).await? {
            // Its actor under the former claim is still here, about to find that out: give it time to leave.
            documents.release_job(id, token, now.plus(LOOK_EVERY), None).await?;
        }
        Ok(())
    }

    async fn count(&self) -> crate::error::Result<()> {
        for (state, count) in self.tools.documents.job_counts().await? {
            gauge!(FINGERPRINT_JOBS, "state" => state.as_str()).set(count as f64);
            if state == JobState::Queued {
                gauge!(FINGERPRINT_QUEUE_DEPTH).set(count as f64);
            }
        }
        Ok(())
    }
}
