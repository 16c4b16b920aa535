//! All actors of a node, wired: the one place that starts and stops them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metastamp_cluster::{Audience, Cluster, Entities};
use metastamp_fingerprint::Tools as Programs;
use metastamp_protocol::cluster::{Answer, Command, Failure, Notice};
use metastamp_protocol::{NodeRef, ObjectId};
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;
use parking_lot::RwLock;
use ractor::{Actor, ActorRef};

use crate::failover::{Caution, Failover};
use crate::fingerprint::{self, JobActor, JobMessage, Pool, Program, Queue, QueueMessage, Tools, Workers};
use crate::load::LoadReport;
use crate::registry::Registry;
use crate::supervisor::{self, Child, Supervisor};
use crate::sweeper::Sweeper;
use crate::upload::{Rules, Sessions, Uploads};
use crate::usage::Usages;
use crate::wallet::{Tellers, Wallets};

/// Numbers that an operator, or a test, may want to be different.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Fingerprints made at once on this node. Long kinds (audio, video) leave one worker to the others; with a single
    /// worker there is a standby besides, which takes a short job while the worker is at a long one.
    pub workers: usize,
    pub fingerprinting: bool,
    /// Where jobs put the file they work on.
    pub temp_dir: PathBuf,
    /// How long a claim holds without renewal.
    pub claim_lease: Duration,
    /// How long one run of a job may take.
    pub job_time_max: Duration,
    /// The same for sounds and videos.
    pub long_job_time_max: Duration,
    /// What the jobs of one user may take of the processors on one day.
    pub cpu_per_day: Option<Duration>,
    /// Started for the work of jobs; without one they run in this process.
    pub worker: Option<Program>,
    /// What jobs call.
    pub programs: Programs,
    /// How long an upload session lives without a sign of life.
    pub upload_lease: Duration,
    /// How long one upload may take.
    pub upload_time_max: Duration,
    /// The same bytes under the same name within this time are one upload.
    pub repeat_window: Duration,
    pub sweep_every: Duration,
    /// Pause between two pieces of the search for objects without a row and rows without an object.
    pub orphans_every: Duration,
    /// An object without a row is removed when it is this old: no upload takes that long.
    pub orphan_age: Duration,
    /// Orders to a wallet that one write may carry.
    pub wallet_group_max: usize,
}

impl Settings {
    pub fn new(temp_dir: PathBuf) -> Self {
        Self {
            workers: 1,
            fingerprinting: true,
            temp_dir,
            claim_lease: Duration::from_secs(15),
            job_time_max: Duration::from_secs(300),
            long_job_time_max: Duration::from_secs(7_200),
            cpu_per_day: None,
            worker: None,
            programs: Programs::default(),
            upload_lease: Duration::from_secs(60),
            upload_time_max: Duration::from_secs(300),
            repeat_window: Duration::from_secs(120),
            sweep_every: Duration::from_secs(5),
            orphans_every: Duration::from_secs(30),
            orphan_age: Duration::from_secs(3_600),
            wallet_group_max: 256,
        }
    }
}

/// What the actors work with.
#[derive(Clone)]
pub struct Deps {
    pub stores: Stores,
    pub cache: SharedCache,
    pub objects: Objects,
    pub cluster: Cluster,
    pub settings: Settings,
}

/// How long a drain waits for a claim that is being written.
const CLAIM_WITHIN_MIN: Duration = Duration::from_secs(2);
const CLAIM_WITHIN_MAX: Duration = Duration::from_secs(9);

/// Replaced when the supervisor restarts the queue.
type QueueHandle = Arc<RwLock<Option<ActorRef<QueueMessage>>>>;

/// Handle to the running actors. Cheap to clone.
#[derive(Clone)]
pub struct System {
    pub uploads: Uploads,
    pub wallets: Wallets,
    pub usages: Usages,
    cluster: Cluster,
    sessions: Sessions,
    tellers: Tellers,
    jobs: Registry<JobActor>,
    queue: QueueHandle,
    cautious_until: Caution,
    supervisor: ActorRef<supervisor::Message>,
}

impl System {
    /// Starts everything under one supervisor.
    ///
    /// # Errors
    /// When an actor does not start.
    pub async fn start(deps: Deps) -> Result<Self, ractor::SpawnErr> {
        let node = deps.cluster.local().clone();
        let rules = Rules {
            bucket: deps.objects.bucket().to_owned(),
            lease: deps.settings.upload_lease,
            repeat_window: deps.settings.repeat_window,
            fingerprinting: deps.settings.fingerprinting,
        };
        let tools = Tools {
            stores: deps.stores.clone(),
            cache: deps.cache.clone(),
            objects: deps.objects.clone(),
            node,
            settings: deps.settings.clone(),
            workers: deps.settings.worker.clone().map(Workers::new),
            waits: Arc::default(),
        };
        let sessions = Sessions::new(deps.stores.clone(), rules);
        let tellers = Tellers::new(deps.stores.ledger.clone(), &deps.cluster, deps.settings.wallet_group_max);
        let jobs = fingerprint::jobs(tools.clone());
        let queue = Arc::new(RwLock::new(None));
        let cautious_until = Caution::default();
        let pool = deps.settings.fingerprinting.then(|| Pool::new(deps.settings.workers));
        let load = LoadReport::new(deps.cluster.clone(), pool.clone(), sessions.clone(), jobs.clone());
        let mut children = vec![
            registry_child("uploads", sessions.registry.clone()),
            registry_child("wallets", tellers.registry.clone()),
            registry_child("fingerprint-jobs", jobs.clone()),
            sweeper_child(deps.clone()),
            failover_child(&deps, load.clone(), queue.clone(), cautious_until.clone()),
        ];
        if let Some(pool) = pool {
            let (cluster, jobs) = (deps.cluster.clone(), jobs.clone());
            children.push(queue_child(Queue { tools, cluster, pool, jobs, load }, queue.clone()));
        }
        let (supervisor, _) = Actor::spawn(None, Supervisor, children).await?;
        let uploads = Uploads::new(deps.cluster.clone(), deps.stores.clone());
        let wallets = Wallets::new(deps.cluster.clone());
        let usages = Usages::new(wallets.clone(), deps.stores.clone());
        let system = Self {
            uploads,
            wallets,
            usages,
            cluster: deps.cluster.clone(),
            sessions,
            tellers,
            jobs,
            queue,
            cautious_until,
            supervisor,
        };
        deps.cluster.serve(Arc::new(system.clone()));
        Ok(system)
    }

    /// The node that all this runs on.
    pub fn node(&self) -> &NodeRef {
        self.cluster.local()
    }

    /// There is a new job: look at once instead of at the next beat, or let idle members know.
    pub fn job_queued(&self) {
        tell(&self.queue, QueueMessage::Queued);
    }

    /// The asset of this job is gone; wherever the job runs, it stops.
    pub fn cancel_job(&self, id: ObjectId) {
        if !self.jobs.tell_if_active(id, JobMessage::Cancel) {
            self.cluster.tell(Notice::JobCancelled(id), Audience::All);
        }
    }

    /// Claims nothing more, lets running jobs finish until `deadline`, then hands back what is left and stops.
    pub async fn drain(&self, deadline: Duration) {
        let started = tokio::time::Instant::now();
        let queue = self.queue.read().clone();
        if let Some(queue) = queue {
            // A claim under way is waited for: a job claimed by a process that has ended would be nobody's.
            let _ = queue.call(QueueMessage::Drain, Some(deadline.clamp(CLAIM_WITHIN_MIN, CLAIM_WITHIN_MAX))).await;
        }
        while self.jobs.active() > 0 && started.elapsed() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.jobs.active() > 0 {
            self.jobs.stop_all();
            let handed_back = tokio::time::Instant::now();
            while self.jobs.active() > 0 && handed_back.elapsed() < Duration::from_secs(2) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.cluster.tell(Notice::JobsWaiting, Audience::Idle);
        }
        let _ = self.supervisor.stop_and_wait(None, Some(Duration::from_secs(2))).await;
    }
}

fn tell(queue: &QueueHandle, message: QueueMessage) {
    if let Some(queue) = &*queue.read() {
        let _ = queue.cast(message);
    }
}

/// What other members may ask of this one.
#[async_trait]
impl Entities for System {
    async fn perform(&self, command: Command, within: Duration) -> Result<Answer, Failure> {
        Ok(match command {
            Command::Order(order) => self.tellers.perform(order, within).await?,
            upload => self.sessions.perform(upload, within).await?,
        })
    }

    fn notice(&self, _: &NodeRef, notice: Notice) {
        match notice {
            Notice::JobsWaiting => tell(&self.queue, QueueMessage::Look),
            Notice::JobCancelled(id) => drop(self.jobs.tell_if_active(id, JobMessage::Cancel)),
            // The cluster acts on these itself.
            Notice::Leaving | Notice::Drain { .. } => {}
        }
    }

    fn distrust(&self) {
        tracing::warn!("this node was asleep: sessions are loaded again, claims looked after");
        // Before the view is looked at: whoever slept may take everybody for dead.
        self.cautious_until.be_cautious();
        self.sessions.distrust();
        // A lost claim stops the work early; the store would refuse its result anyway.
        self.jobs.tell_all(|| JobMessage::Distrust);
        tell(&self.queue, QueueMessage::Look);
    }
}

fn registry_child<E: crate::registry::Entity>(name: &'static str, registry: Registry<E>) -> Child {
    Child::new(name, move |supervisor| registry.clone().start(supervisor))
}

fn sweeper_child(deps: Deps) -> Child {
    Child::new("sweeper", move |supervisor| {
        let sweeper = Sweeper::new(&deps);
        async move { Ok(Actor::spawn_linked(None, sweeper, (), supervisor).await?.0.get_cell()) }
    })
}

fn failover_child(deps: &Deps, load: LoadReport, queue: QueueHandle, caution: Caution) -> Child {
    let (stores, cluster) = (deps.stores.clone(), deps.cluster.clone());
    let living = Arc::default();
    Child::new("failover", move |supervisor| {
        let queue = queue.clone();
        let failover = Failover {
            stores: stores.clone(),
            view: cluster.watch(),
            living: Arc::clone(&living),
            caution: caution.clone(),
            look: Arc::new(move || tell(&queue, QueueMessage::Look)),
            beat: Arc::new({
                let load = load.clone();
                move || load.publish_if_changed()
            }),
        };
        async move { Ok(Actor::spawn_linked(None, failover, (), supervisor).await?.0.get_cell()) }
    })
}

fn queue_child(queue: Queue, handle: QueueHandle) -> Child {
    Child::new("fingerprint-queue", move |supervisor| {
        let (queue, handle) = (queue.clone(), handle.clone());
        async move {
            let (queue, _) = Actor::spawn_linked(None, queue, (), supervisor).await?;
            *handle.write() = Some(queue.clone());
            Ok(queue.get_cell())
        }
    })
}

#[cfg(test)]
mod tests;
