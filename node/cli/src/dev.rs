//! `metastamp dev`: a cluster on this machine in one command. Each node is a process of its own, as in earnest; they
//! share the embedded stores of one data directory.

mod admin;
mod balancer;
mod plan;
mod process;
mod table;
mod watch;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use metastamp_setup::config::Config;
use metastamp_setup::identity::private_dir;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::admin::Admin;
use self::balancer::Backends;
use self::plan::NodePlan;
use self::process::NodeProcess;
use self::table::Row;
use self::watch::Seen;
use crate::client::Live;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Beyond its deadline for requests and jobs a node may take this long to leave.
const LEAVE_SLACK: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The nodes take the ports after the balancer's, and 7801 and following for links, passing over those in use. Other
settings come from the environment and .env as for a single node. Ctrl-C drains all nodes, a second one kills them.")]
pub struct DevArgs {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Port of the load balancer on 127.0.0.1; 0 takes free ports for everything
    #[arg(long, default_value_t = 8_000)]
    port: u16,
    /// Where the nodes keep their data [default: DATA_DIR if set, else ./data/dev]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave nodes dead that died; else they start again after 5 s
    #[arg(long)]
    no_restart: bool,
}

/// Runs the nodes until Ctrl-C.
///
/// # Errors
/// When a port or the data directory is in use, or a node can't be started.
pub async fn run(mut config: Config, args: DevArgs) -> anyhow::Result<()> {
    if given(&config, "APP_ENV") == Some("production") {
        bail!("APP_ENV=production: `metastamp dev` is for trying things out");
    }
    let mut signals = Signals::listen()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    let address = listener.local_addr()?;
    config.data_dir = data_dir(&config, args.data_dir.as_deref())?;
    let dir = config.data_dir.join("dev");
    private_dir(&dir)?;
    let _lock = only_one(&dir)?;
    let admin = Admin::prepare(&config, &dir).await?;
    let plans = plan::plan(args.nodes.into(), address.port(), args.port == 0, &dir)?;
    let backends = Arc::new(Backends::new(plans.iter().map(|plan| plan.http)));
    let seen = Seen::default();

    let mut live = Live::stdout();
    introduction(&config, address, &admin, &plans).iter().for_each(|line| live.note(line));
    let mut nodes = Vec::new();
    for plan in &plans {
        let mut environment = environment(&config, plan, &plans);
        environment.push(("JWT_SECRET_KEY".to_owned(), admin.signing_secret.clone()));
        nodes.push(NodeProcess::start(plan.clone(), environment)?);
    }
    let balancer = tokio::spawn(balancer::serve(listener, backends.clone()));
    let watcher = tokio::spawn(watch::watch(backends.clone(), admin, seen.clone()));
    let mut cluster = LocalCluster { nodes, backends, seen, live, told: HashMap::new(), restart: !args.no_restart };
    let ended = cluster.run(&mut signals, config.drain_time_max).await;
    balancer.abort();
    watcher.abort();
    ended
}

struct LocalCluster {
    nodes: Vec<NodeProcess>,
    backends: Arc<Backends>,
    seen: Seen,
    live: Live,
    /// What was last told of each node, where nobody sees a table.
    told: HashMap<String, String>,
    restart: bool,
}

impl LocalCluster {
    async fn run(&mut self, signals: &mut Signals, drain: Duration) -> anyhow::Result<()> {
        while !signals.come_within(LOOK_EVERY).await {
            if self.restart {
                for node in &mut self.nodes {
                    node.restart_if_due()?;
                }
            }
            self.look();
        }
        self.live.note("leaving: the nodes finish what runs; once more kills them");
        self.restart = false;
        self.nodes.iter_mut().for_each(NodeProcess::tell_to_leave);
        let deadline = Instant::now() + drain + LEAVE_SLACK;
        loop {
            self.look();
            if self.nodes.iter().all(|node| node.pid().is_none()) {
                self.live.note("all nodes have ended");
                return Ok(());
            }
            if signals.come_within(LOOK_EVERY).await || Instant::now() > deadline {
                self.live.note("killing what still runs");
                self.nodes.iter_mut().for_each(NodeProcess::kill);
            }
        }
    }

    fn look(&mut self) {
        let members = self.seen.members();
        let mut rows = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.look();
            self.backends.set_alive(at, node.pid().is_some());
            let member = members.as_ref().and_then(|m| m.members.iter().find(|m| m.node_id == node.plan.id)).cloned();
            rows.push(Row {
                id: node.plan.id.clone(),
                http: node.plan.http,
                pid: node.pid(),
                ready: self.backends.is_ready(at),
                member,
                process: node.in_words(self.restart),
            });
        }
        if self.live.is_terminal() {
            self.live.show(table::table(&rows, members.as_ref().map(|members| members.node.node_id.as_str())));
            return;
        }
        for (row, node) in rows.iter().zip(&self.nodes) {
            let change = table::change(row, &node.in_few_words());
            if self.told.insert(row.id.clone(), change.clone()).as_ref() != Some(&change) {
                self.live.note(&change);
            }
        }
    }
}

/// Ctrl-C and SIGTERM, listened to from the start on, so that none is missed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn come_within(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
            () = tokio::time::sleep(time) => false,
        }
    }
}

/// The value of a variable that somebody set.
fn given<'a>(config: &'a Config, name: &str) -> Option<&'a str> {
    config.entries.iter().find(|e| e.name == name && e.source != "default").map(|e| e.value.as_str())
}

/// Absolute, because the nodes are told.
fn data_dir(config: &Config, wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = match wanted {
        Some(dir) => dir.to_owned(),
        None if given(config, "DATA_DIR").is_some() => config.data_dir.clone(),
        None => config.data_dir.join("dev"),
    };
    std::path::absolute(&dir).with_context(|| format!("{} is no directory", dir.display()))
}

/// A second local cluster on the same data would start the same nodes again.
fn only_one(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("a local cluster runs on {} already", dir.display()),
        Err(TryLockError::Error(error)) => Err(error).context("can't lock the data directory"),
    }
}

/// What one node is told beyond what it finds in our own environment.
fn environment(config: &Config, plan: &NodePlan, all: &[NodePlan]) -> Vec<(String, String)> {
    let seeds: Vec<String> = all.iter().map(|plan| plan.link.to_string()).collect();
    let mut env = vec![
        ("HOST", plan.http.ip().to_string()),
        ("PORT", plan.http.port().to_string()),
        ("DATA_DIR", config.data_dir.display().to_string()),
        ("LOG_FORMAT", "json".to_owned()),
        ("CLUSTER_NODE_ID", plan.id.clone()),
        ("CLUSTER_LISTEN", plan.link.to_string()),
        // Empty counts as unset, also against .env.
        ("CLUSTER_ADVERTISE", String::new()),
        ("CLUSTER_SEEDS", seeds.join(",")),
    ];
    if given(config, "CLUSTER_LEAVE_SECONDS").is_none() {
        // The balancer looks twice a second.
        env.push(("CLUSTER_LEAVE_SECONDS", "1".to_owned()));
    }
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn introduction(config: &Config, address: SocketAddr, admin: &Admin, plans: &[NodePlan]) -> Vec<String> {
    let program = std::env::args().next().unwrap_or_else(|| "metastamp".to_owned());
    let url = format!("http://{address}");
    let mut lines = vec![
        String::new(),
        format!("  {} {}: {} nodes", config.app_name, metastamp_protocol::VERSION, plans.len()),
        String::new(),
        format!("  address    {url} spreads connections over the nodes that are ready"),
        format!("  admin      {}, {}", admin.email, admin.password),
        format!("  data       {}", config.data_dir.display()),
    ];
    for plan in plans {
        let NodePlan { id, http, link, log } = plan;
        lines.push(format!("  {id:<9}  http://{http}, links {link}, log {}", log.display()));
    }
    lines.extend([
        String::new(),
        format!("  try next   {program} login {} --url {url}", admin.email),
        format!("             {program} cluster status --watch"),
        format!("             {program} demo --url {url}"),
        "             kill -9 one of the pids below".to_owned(),
        String::new(),
    ]);
    lines
}
