//! The actor of one running job: works off to the side, keeps the claim alive, commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::http::Progress;
use metastamp_protocol::{Job, ObjectId, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::ports::JobResult;
use metrics::{counter, histogram};
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::pool::Worker;
use super::state::{Effect, Event, Outcome, Phase, given_up};
use super::{Tools, engine, first_answer_key, progress_key};
use crate::metrics::{FENCED_WRITES_TOTAL, FINGERPRINT_JOB_DURATION_SECONDS};
use crate::registry::Entity;

/// How often progress is published and the claim looked after.
const BEAT: Duration = Duration::from_millis(500);
/// How long a progress note stays readable.
const PROGRESS_TTL: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct JobActor {
    pub tools: Tools,
}

/// What a job starts with.
pub(crate) struct Start {
    pub job: Job,
    pub worker: Worker,
}

pub(crate) enum Message {
    Worked(Outcome),
    Beat,
    /// This node was asleep: the claim may be lost.
    Distrust,
    /// The asset is gone or the node is leaving.
    Cancel,
}
impl ractor::Message for Message {}

/// What the worker thread and the actor share.
#[derive(Default)]
pub(crate) struct Gauge {
    cancelled: AtomicBool,
    progress: Mutex<Option<Progress>>,
    /// A first answer that was not published yet.
    first: Mutex<Option<FingerprintContent>>,
}

impl Gauge {
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub fn tell(&self, percent: u8, message: &str) {
        *self.progress.lock() = Some(Progress { percent, message: message.to_owned() });
    }

    pub fn answer_first(&self, content: FingerprintContent) {
        *self.first.lock() = Some(content);
    }
}

pub(crate) struct State {
    job: Job,
    token: ObjectId,
    phase: Phase,
    gauge: Arc<Gauge>,
    started: Instant,
    renewed: Instant,
    published: Option<Progress>,
    published_at: Instant,
    beat: tokio::task::JoinHandle<()>,
}

impl Entity for JobActor {
    const KIND: &'static str = "fingerprint_job";
}

impl Actor for JobActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let Start { job, worker } = start;
        let token = job.claim.as_ref().map(|claim| claim.token).ok_or("a job starts with a claim")?;
        let gauge = Arc::new(Gauge::default());
        let work = tokio::spawn(engine::run(self.tools.clone(), job.clone(), gauge.clone(), worker));
        let report = myself.clone();
        tokio::spawn(async move {
            let outcome = work.await.unwrap_or_else(|error| Outcome::Retry(format!("the work broke off: {error}")));
            let _ = report.cast(Message::Worked(outcome));
        });
        let beat = myself.send_interval(BEAT, || Message::Beat);
        let now = Instant::now();
        Ok(State {
            job,
            token,
            phase: Phase::Working,
            gauge,
            started: now,
            renewed: now,
            published: None,
            published_at: now,
            beat,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Worked(outcome) => self.advance(state, Event::Worked(outcome)).await,
            Message::Cancel => self.advance(state, Event::Cancelled).await,
            Message::Beat => self.beat(state).await,
            Message::Distrust => self.advance(state, Event::LeaseDue).await,
        }
        if matches!(state.phase, Phase::Ended) {
            state.gauge.cancelled.store(true, Ordering::Relaxed);
            myself.stop(Some("done".to_owned()));
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.beat.abort();
        state.gauge.cancelled.store(true, Ordering::Relaxed);
        if matches!(state.phase, Phase::Working) {
            self.advance(state, Event::Cancelled).await;
        }
        Ok(())
    }
}

impl JobActor {
    async fn beat(&self, state: &mut State) {
        self.publish_progress(state).await;
        if let Phase::Committing(result) = &state.phase {
            let result = result.clone();
            let next = self.commit(state, result).await;
            self.advance(state, next).await;
        }
        if state.renewed.elapsed() >= self.tools.settings.claim_lease / 3 {
            self.advance(state, Event::LeaseDue).await;
        }
    }

    async fn publish_progress(&self, state: &mut State) {
        let first = state.gauge.first.lock().take();
        if let Some(Ok(first)) = first.as_ref().map(serde_json::to_string) {
            // for as long as the whole one may take
            let (key, ttl) = (first_answer_key(state.job.id), self.tools.settings.long_job_time_max + PROGRESS_TTL);
            let _ = self.tools.cache.set(&key, &first, ttl).await;
        }
        let progress = state.gauge.progress.lock().clone();
        // published again now and then, so that it outlives the note
        if progress == state.published && state.published_at.elapsed() < PROGRESS_TTL / 2 {
            return;
        }
        state.published_at = Instant::now();
        if let Some(Ok(text)) = progress.as_ref().map(serde_json::to_string) {
            // Only a courtesy: a cache that is away must not disturb the work.
            let _ = self.tools.cache.set(&progress_key(state.job.id), &text, PROGRESS_TTL).await;
        }
        state.published = progress;
    }

    /// Feeds one event to the rules and does what they say, until nothing follows.
    async fn advance(&self, state: &mut State, event: Event) {
        let mut event = Some(event);
        while let Some(now) = event.take() {
            let phase = std::mem::replace(&mut state.phase, Phase::Ended);
            let (phase, effect) = phase.on(now, state.job.attempts, Timestamp::now());
            state.phase = phase;
            event = self.perform(state, effect).await;
        }
    }

    async fn perform(&self, state: &mut State, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Nothing | Effect::Stop => None,
            Effect::Commit(result) => Some(self.commit(state, result).await),
            Effect::RenewClaim => {
                let until = Timestamp::now().plus(self.tools.settings.claim_lease);
                match self.tools.stores.jobs.renew_claim(state.job.id, state.token, until).await {
                    Ok(()) => {
                        state.renewed = Instant::now();
                        None
                    }
                    Err(StoreError::Fenced { .. }) => {
                        counter!(FENCED_WRITES_TOTAL, "what" => "job_renewal").increment(1);
                        tracing::info!(job = %state.job.id, "claim lost, the work stops");
                        Some(Event::ClaimLost)
                    }
                    // The claim lasts three beats of renewal: try again with the next.
                    Err(_) => None,
                }
            }
            Effect::Release { not_before, error } => {
                let reason = error.clone();
                match self.tools.stores.jobs.release_job(state.job.id, state.token, not_before, error).await {
                    Ok(()) => tracing::info!(job = %state.job.id, reason, "fingerprint job goes back to the queue"),
                    Err(StoreError::Fenced { .. }) => {
                        counter!(FENCED_WRITES_TOTAL, "what" => "job_release").increment(1);
                        tracing::info!(job = %state.job.id, "fingerprint job was cancelled");
                    }
                    Err(error) => tracing::warn!(job = %state.job.id, %error, "claim not released, it will run out"),
                }
                None
            }
        }
    }

    async fn commit(&self, state: &State, result: JobResult) -> Event {
        let job = &state.job;
        match self.tools.stores.jobs.finish_job(job.id, state.token, result.clone(), Timestamp::now()).await {
            Ok(()) => {
                tell_end(job, &result, state.started.elapsed());
                Event::Committed
            }
            Err(StoreError::Fenced { .. }) => {
                counter!(FENCED_WRITES_TOTAL, "what" => "job").increment(1);
                Event::ClaimLost
            }
            // Too large for the store, or the like: the same would come of every further attempt.
            Err(error) if !error.is_transient() && matches!(result, JobResult::Completed { .. }) => {
                tracing::error!(job = %job.id, %error, "the result can't be stored");
                let failed = given_up(job.attempts, "its fingerprint can't be stored");
                Box::pin(self.commit(state, failed)).await
            }
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "result not written yet");
                Event::CommitFailed
            }
        }
    }
}

/// Called once for each result that was committed: those who watch the cluster count these lines.
pub(crate) fn tell_end(job: &Job, result: &JobResult, took: Duration) {
    let (outcome, reason) = match result {
        JobResult::Completed { .. } => ("completed", None),
        JobResult::Failed { message, .. } => ("failed", Some(message)),
    };
    histogram!(FINGERPRINT_JOB_DURATION_SECONDS, "type" => job.kind.as_str(), "outcome" => outcome)
        .record(took.as_secs_f64());
    let duration_ms = took.as_millis() as u64;
    tracing::info!(job = %job.id, asset_id = %job.asset_id, outcome, reason, duration_ms, "fingerprint job ended");
}
