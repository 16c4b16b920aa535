//! A node from start to end: bind, open, wire, serve, drain. Reads top to bottom.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use metastamp_actors::{Deps, Settings, System};
use metastamp_cluster::Reason;
use metastamp_setup::config::{CacheStore, Config, DocumentStore, Interpolated, ObjectStore, StoresConfig};
use metastamp_setup::identity::Identity;
use metastamp_setup::name::Name;
use metastamp_setup::secrets::SigningSecret;
use metastamp_setup::stores::{Opened, Waiting};
use metastamp_setup::{out, telemetry};
use metastamp_store::objects::local::LocalS3;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::app::{App, Parts};
use crate::http::{Bounds, CONNECTIONS_MAX, Edge, Server, Starting};
use crate::metrics::Metrics;
use crate::{membership, worker};

/// Blobs of crashed writers are removed when they are at least this old.
const ORPHAN_BLOB_AGE: Duration = Duration::from_secs(3_600);
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What whoever starts a node in this process wants beside the configuration.
#[derive(Debug, Default)]
pub struct RunOptions {
    /// Gets the base URL once requests are answered.
    pub started: Option<oneshot::Sender<String>>,
    /// Leave also when standard input ends: then the process that started this one is gone.
    pub exit_with_stdin: bool,
}

/// Runs a node until it is told to leave.
///
/// # Errors
/// When a port is taken, a store can't be opened or does not come in time, or the place in the cluster is lost.
pub async fn run(config: Config, options: RunOptions) -> anyhow::Result<()> {
    telemetry::logs::install(&config.log_level, config.log_json);
    if metastamp_store::unfenced::is_unfenced() {
        tracing::error!("{}", metastamp_store::unfenced::WARNING);
    }
    // Each connection and each open file takes one; the usual soft limit is 1,024.
    let files_max = rlimit::increase_nofile_limit(65_536).unwrap_or(0);
    tracing::debug!(files_max, "open files");
    let bounds = connection_bounds(&config, files_max);
    let server = Server::bind(config.address, bounds);
    let server = server.await.with_context(|| format!("can't listen on {}", config.address))?;
    let address = server.address()?;
    let metrics = Metrics::install().context("metrics")?;
    let identity = Identity::take(&config.data_dir, config.node_id.as_deref())?;

    // The port answers from here on, if only to say what is waited for.
    let waiting = Arc::new(Waiting::default());
    let starting = Starting { node: identity.node.clone(), waiting: waiting.clone(), metrics: metrics.clone() };
    let edge = Arc::new(Edge::new(&config, starting));
    let (close, closed) = oneshot::channel::<()>();
    let drain = config.drain_time_max;
    let closed = async { drop(closed.await) };
    let serving = tokio::spawn(server.run(edge.clone(), closed, drain));
    tracing::info!(address = %address, node = %identity.node, "listening");
    let node = tokio::select! {
        node = Node::open(config, &identity, address, metrics.clone(), &waiting) => node?,
        () = shutdown_or_orphaned(options.exit_with_stdin) => {
            tracing::info!("told to leave before the stores were open");
            return Ok(());
        }
    };
    edge.open(node.app.clone());
    node.introduce(address);
    if let Some(started) = options.started {
        let _ = started.send(base_url(address));
    }

    let background = tokio::spawn(upkeep(metrics, node.local_s3.clone()));
    let why = leave(&node, options.exit_with_stdin).await;
    let named_twice = node.app.cluster.refusal().is_some_and(|refusal| refusal.reason == Reason::Name);
    // Requests and jobs share one deadline.
    let since = Instant::now();
    let _ = close.send(());
    let _ = serving.await;
    node.end(drain.saturating_sub(since.elapsed())).await;
    background.abort();
    tracing::info!("stopped");
    // Whoever watches over the process starts it again after a failure.
    match why {
        Why::Signal => Ok(()),
        Why::Lost if named_twice => anyhow::bail!("another node has the name {}", identity.node.node_id),
        Why::Lost => anyhow::bail!("the cluster was lost: gossip has ended"),
        Why::Replaced => anyhow::bail!("another node took the name {}", identity.node.node_id),
    }
}

/// Connections take at most half of the files that may be open: stores and links need some as well.
fn connection_bounds(config: &Config, files_max: u64) -> Bounds {
    let files = usize::try_from(files_max / 2).unwrap_or(usize::MAX);
    let all = CONNECTIONS_MAX.min(files.max(1));
    Bounds { all, per_address: config.connections_per_address.min(all) }
}

/// What serves behind the edge.
struct Node {
    app: Arc<App>,
    actors: System,
    temp_dir: PathBuf,
    local_s3: Option<Arc<LocalS3>>,
    /// `None` when the data directory holds the documents, and with them all who share them: its locks are enough.
    name: Option<Name>,
}

impl Node {
    /// Opens the stores and puts everything together.
    async fn open(
        config: Config,
        identity: &Identity,
        address: SocketAddr,
        metrics: Metrics,
        waiting: &Waiting,
    ) -> anyhow::Result<Self> {
        let opened = Opened::open_watched(&config, waiting).await?;
        for line in &opened.prepared {
            tracing::info!(step = line, "documents prepared");
        }
        let name = match config.stores.documents {
            DocumentStore::Embedded => None,
            DocumentStore::Mongo(_) => {
                Some(Name::take(opened.documents.clone(), &identity.node.node_id, &identity.holder).await?)
            }
        };
        opened.documents.leases.come_up(&identity.node).await.context("documents")?;
        let signing = SigningSecret::of(&config)?;
        signing.introduce(&config);
        let temp_dir = fresh_temp_dir(&config.data_dir, &identity.node.node_id)?;
        let settings = Settings {
            workers: config.fingerprint_workers,
            fingerprinting: config.fingerprinting,
            long_job_time_max: config.fingerprint.long_time_max,
            cpu_per_day: config.fingerprint.cpu_per_day,
            worker: Some(worker::program(&config.fingerprint, &temp_dir)?),
            programs: config.fingerprint.programs(),
            ..Settings::new(temp_dir.clone())
        };
        let upload_time_max = settings.upload_time_max;
        let cluster = membership::join(&config, identity.node.clone(), address, &opened).await?;
        membership::meet(&config, &cluster).await;
        membership::belong_together(&cluster, &opened).await?;
        let deps = Deps {
            stores: opened.documents.clone(),
            cache: opened.cache.clone(),
            objects: opened.objects.clone(),
            cluster: cluster.clone(),
            settings,
        };
        let actors = System::start(deps).await.context("actors")?;
        let app = Arc::new(App::new(Parts {
            config,
            stores: opened.documents,
            cache: opened.cache,
            objects: opened.objects,
            actors: actors.clone(),
            cluster,
            metrics,
            signing_secret: signing.secret,
            temp_dir: temp_dir.clone(),
            upload_time_max,
        }));
        Ok(Self { app, actors, temp_dir, local_s3: opened.local_s3.map(Arc::new), name })
    }

    /// Says who this is and what is odd about it.
    fn introduce(&self, address: SocketAddr) {
        let App { config, cluster, .. } = &*self.app;
        let node = cluster.local();
        let link = cluster.address().map(|address| address.to_string());
        banner(config, &base_url(address), node.node_id.as_str(), link.as_deref());
        for name in &config.unused {
            tracing::warn!(variable = *name, "is set, and this version has no use for it yet");
        }
        for it in &config.interpolated {
            tell_interpolated(it);
        }
        let StoresConfig { documents, objects, .. } = &config.stores;
        if link.is_some() && *documents != DocumentStore::Embedded && *objects == ObjectStore::Embedded {
            tracing::warn!(
                "objects are kept in DATA_DIR: all nodes of the cluster must share it, or set S3_ENDPOINT_URL"
            );
        }
        let missing = if config.fingerprinting { config.fingerprint.missing() } else { Vec::new() };
        for program in missing {
            tracing::warn!(
                program,
                "is not installed: videos will have no fingerprint until it is; on Debian: apt-get install ffmpeg"
            );
        }
        tracing::info!(address = %address, node = %node, cluster = link, "serving");
    }

    /// Jobs may take until `deadline`.
    async fn end(self, deadline: Duration) {
        self.actors.drain(deadline).await;
        self.app.cluster.shutdown().await;
        if let Some(name) = &self.name {
            name.give_back().await;
        }
        if let Some(local_s3) = self.local_s3 {
            local_s3.shutdown().await;
        }
        let _ = std::fs::remove_dir_all(&self.temp_dir);
    }

    /// Ends when another node has the name.
    async fn replaced(&self) {
        match &self.name {
            Some(name) => name.lost().await,
            None => std::future::pending().await,
        }
    }
}

/// A `$` in a password may have been meant as one: nobody shall search for that.
fn tell_interpolated(it: &Interpolated) {
    let Interpolated { name, line, from, unset } = it;
    if *unset > 0 {
        tracing::warn!(
            variable = name,
            line,
            "holds a $ before a name that is set nowhere, in .env: it counts as empty; for the sign itself write $$, or put the value in single quotes"
        );
    }
    if !from.is_empty() {
        tracing::info!(variable = name, line, from = from.join(" "), "was made with other variables, in .env");
    }
}

/// Why a node leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Signal,
    /// Without gossip a node can't know who owns what: better a restart than an island.
    Lost,
    /// Two nodes of one name would take each other's claims for their own.
    Replaced,
}

/// Ends when the port may be closed: at the first SIGTERM or Ctrl-C, after others had time to notice. The second one ends
/// the process at once.
async fn leave(node: &Node, exit_with_stdin: bool) -> Why {
    let app = &node.app;
    let why = tokio::select! {
        () = shutdown_or_orphaned(exit_with_stdin) => Why::Signal,
        () = app.cluster.ended() => Why::Lost,
        () = node.replaced() => Why::Replaced,
    };
    match why {
        Why::Signal => {}
        Why::Lost => tracing::error!("can't go on without the cluster"),
        Why::Replaced => tracing::error!("can't go on: another node runs under this name"),
    }
    app.leave();
    tokio::spawn(async move {
        shutdown_signal().await;
        tracing::warn!("second signal: stopping at once");
        std::process::exit(130);
    });
    tracing::info!("leaving: finishing what runs");
    if let Some(config) = &app.config.cluster {
        membership::take_leave(&app.cluster, config.leave_time).await;
    }
    why
}

async fn shutdown_or_orphaned(exit_with_stdin: bool) {
    tokio::select! {
        () = shutdown_signal() => {}
        () = stdin_ended(exit_with_stdin) => {}
    }
}

/// SIGTERM or Ctrl-C.
async fn shutdown_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}

/// The operating system closes our standard input when the process at its other end is gone, however it went.
async fn stdin_ended(wanted: bool) {
    let (ended, end) = oneshot::channel::<()>();
    if !wanted {
        return std::future::pending().await;
    }
    // A thread of its own: a read that never returns must not hold up the runtime's end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(ended);
    });
    let _ = end.await;
    tracing::warn!("the process that started this node is gone");
}

/// A directory of our own for files in transit; what a former life left in it is dropped.
fn fresh_temp_dir(data_dir: &Path, node_id: &str) -> anyhow::Result<PathBuf> {
    let dir = data_dir.join("tmp").join(node_id);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
    Ok(dir)
}

async fn upkeep(metrics: Metrics, local_s3: Option<Arc<LocalS3>>) {
    let mut ticks = 0_u64;
    loop {
        metrics.upkeep();
        if let (0, Some(local_s3)) = (ticks % 720, &local_s3)
            && let Err(error) = local_s3.sweep_orphan_blobs(ORPHAN_BLOB_AGE).await
        {
            tracing::warn!(%error, "orphan blobs not swept");
        }
        ticks += 1;
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}

fn base_url(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    }
}

fn banner(config: &Config, url: &str, node_id: &str, link: Option<&str>) {
    if config.log_json {
        return;
    }
    let objects = match &config.stores.objects {
        ObjectStore::Embedded => "embedded S3".to_owned(),
        ObjectStore::External { endpoint, .. } => endpoint.clone().unwrap_or_else(|| "AWS S3".to_owned()),
    };
    let documents = match &config.stores.documents {
        DocumentStore::Embedded => "embedded SQLite".to_owned(),
        DocumentStore::Mongo(mongo) => format!("MongoDB ({})", mongo.database),
    };
    let cache = match &config.stores.cache {
        CacheStore::Embedded => "embedded SQLite",
        CacheStore::Redis(_) => "Redis",
    };
    let cluster = match link {
        Some(link) => format!("{node_id} on {link}"),
        None => "none: this node acts alone".to_owned(),
    };
    out::line(&format!(
        "\n  {name} {version}\n\n  \
         address    {url}\n  \
         cluster    {cluster}\n  \
         stores     documents: {documents}, cache: {cache}, objects: {objects}\n  \
         data       {data}\n\n  \
         try next   {url}/docs in a browser\n             \
         {program} demo      sample works to look at\n             \
         {program} login --register you@example.org\n             \
         {program} upload FILE...\n",
        program = std::env::args().next().unwrap_or_else(|| "metastamp".to_owned()),
        name = config.app_name,
        version = metastamp_protocol::VERSION,
        data = config.data_dir.display(),
    ));
}
