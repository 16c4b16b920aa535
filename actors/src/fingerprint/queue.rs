//! Takes jobs from the store as workers become free. The only place that claims.
//!
//! Jobs spread by load: each node claims no more than it has free workers, and one that has none left tells those that
//! do. Nothing depends on being told: every node looks once a second anyway.

use std::time::{Duration, Instant};

use metastamp_cluster::{Audience, Cluster};
use metastamp_protocol::cluster::Notice;
use metastamp_protocol::{Job, JobLane, JobState, Line, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::ports::Claiming;
use metrics::{counter, gauge};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::Tools;
use super::job::{JobActor, Start, tell_end};
use super::pool::Pool;
use super::state::{ATTEMPTS_MAX, given_up};
use crate::load::LoadReport;
use crate::metrics::{FENCED_WRITES_TOTAL, FINGERPRINT_JOBS, FINGERPRINT_OLDEST_JOB_SECONDS, FINGERPRINT_QUEUE_DEPTH};
use crate::registry::Registry;

/// How often the store is asked for work that came from elsewhere, or whose claim ran out.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Others are notified at most this often that jobs wait here.
const NOTIFY_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Queue {
    pub tools: Tools,
    pub cluster: Cluster,
    pub pool: Pool,
    pub jobs: Registry<JobActor>,
    pub load: LoadReport,
}

pub(crate) enum Message {
    /// Something may have become claimable, or a worker free.
    Look,
    /// There is a new job: if it can't run here now, others should know.
    Queued,
    /// A second has passed.
    Tick,
    /// It is time to notify others, if jobs still wait.
    Notify,
    /// From now on claim nothing, and hand back what runs.
    Drain(RpcReplyPort<()>),
}
impl ractor::Message for Message {}

#[derive(Default)]
pub(crate) struct State {
    /// The process is about to end.
    draining: bool,
    notified: Option<Instant>,
    /// A `Notify` is on its way.
    notifying: bool,
}

impl Actor for Queue {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        myself.cast(Message::Look)?;
        drop(myself.send_interval(LOOK_EVERY, || Message::Tick));
        Ok(State::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Many messages may say the same; a failure is logged and tried again with the next look.
        let done = match message {
            Message::Drain(reply) => {
                state.draining = true;
                let _ = reply.send(());
                Ok(())
            }
            Message::Look => self.claim(&myself, state).await.map(drop),
            Message::Queued => match self.claim(&myself, state).await {
                Ok(true) => Ok(()),
                Ok(false) => {
                    self.notify_idle(&myself, state);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Message::Tick => {
                self.load.publish();
                let claimed = self.claim(&myself, state).await;
                claimed.and(self.count().await)
            }
            Message::Notify => {
                state.notifying = false;
                if !self.claim(&myself, state).await.unwrap_or(true) {
                    self.notify_idle(&myself, state);
                }
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "can't claim fingerprint jobs");
        }
        self.load.publish_if_changed();
        Ok(())
    }
}

impl Queue {
    /// Claims and starts what there is room for; false when more may be waiting than there was room for.
    async fn claim(&self, myself: &ActorRef<Message>, state: &State) -> crate::error::Result<bool> {
        let Tools { stores, node, settings, .. } = &self.tools;
        if state.draining || !self.cluster.takes_work() {
            return Ok(false);
        }
        // Each round takes up room, so this ends.
        loop {
            let room = self.pool.room();
            let (lane, limit) = match room.any {
                0 => (JobLane::Short, room.short),
                any => (JobLane::Any, any),
            };
            if limit == 0 {
                return Ok(false);
            }
            let now = Timestamp::now();
            let claiming = Claiming {
                by: node.clone(),
                now,
                lease: settings.claim_lease,
                lane,
                limit: limit as u32,
                cpu_per_day: settings.cpu_per_day,
            };
            let jobs = stores.jobs.claim(claiming).await?;
            let (claimed, mut done) = (jobs.len(), 0);
            for job in jobs {
                // A job that can't be started must not keep its siblings, claimed with it, from theirs.
                let id = job.id;
                match self.start(myself, job).await {
                    Ok(true) => done += 1,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(job = %id, %error, "fingerprint job not started"),
                }
            }
            if claimed < limit {
                return Ok(lane == JobLane::Any);
            }
            // What went back might be claimed at once again: the next beat is soon enough.
            if done == 0 {
                return Ok(true);
            }
        }
    }

    /// Runs it here, or ends it; false when it went back to the queue.
    async fn start(&self, myself: &ActorRef<Message>, job: Job) -> crate::error::Result<bool> {
        let stores = &self.tools.stores;
        let Some(token) = job.claim.as_ref().map(|claim| claim.token) else { return Ok(false) };
        let (id, now) = (job.id, Timestamp::now());
        // Claimed that often and never finished: whoever ran it died of it.
        if job.attempts > ATTEMPTS_MAX {
            let error = job.last_error.as_deref().unwrap_or("the process ended while working on it");
            let result = given_up(ATTEMPTS_MAX, error);
            match stores.jobs.finish_job(id, token, result.clone(), now).await {
                Ok(()) => tell_end(&job, &result, Duration::ZERO),
                Err(StoreError::Fenced { .. }) => counter!(FENCED_WRITES_TOTAL, "what" => "job").increment(1),
                Err(error) => return Err(error.into()),
            }
            return Ok(true);
        }
        let queue = myself.clone();
        let Some(worker) = self.pool.take(&job, move || drop(queue.cast(Message::Look))) else {
            stores.jobs.release_job(id, token, now, None).await?;
            return Ok(false);
        };
        let brought_up = self.jobs.bring_up(id, Start { job, worker }).await;
        if !matches!(brought_up, Ok(true)) {
            // Its actor under the former claim is still here, about to find that out: give it time to leave.
            stores.jobs.release_job(id, token, now.plus(LOOK_EVERY), None).await?;
        }
        brought_up
    }

    /// What is too early is sent a little later.
    fn notify_idle(&self, myself: &ActorRef<Message>, state: &mut State) {
        if state.notifying {
            return;
        }
        let since = state.notified.map_or(NOTIFY_EVERY, |at| at.elapsed());
        match NOTIFY_EVERY.checked_sub(since).filter(|left| !left.is_zero()) {
            None => {
                state.notified = Some(Instant::now());
                self.cluster.tell(Notice::JobsWaiting, Audience::Idle);
            }
            Some(left) => {
                state.notifying = true;
                drop(myself.send_after(left, || Message::Notify));
            }
        }
    }

    async fn count(&self) -> crate::error::Result<()> {
        for (state, count) in self.tools.stores.jobs.job_counts().await? {
            gauge!(FINGERPRINT_JOBS, "state" => state.as_str()).set(count as f64);
            if state == JobState::Queued {
                gauge!(FINGERPRINT_QUEUE_DEPTH).set(count as f64);
            }
        }
        let now = Timestamp::now();
        let waiting = self.tools.stores.jobs.longest_waiting().await?;
        for lane in Line::TURNS {
            let since = waiting.iter().find(|(line, _)| *line == lane).map_or(now, |(_, since)| *since);
            let seconds = (now.millis() - since.millis()).max(0) as f64 / 1_000.0;
            gauge!(FINGERPRINT_OLDEST_JOB_SECONDS, "lane" => lane.as_str()).set(seconds);
        }
        Ok(())
    }
}
