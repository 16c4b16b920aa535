//! Nodes that form one cluster: on one data directory, or each on its own with the same servers.

mod view;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

pub use self::view::{Member, View, torn};
use crate::net::Net;
use crate::node::{Signal, binary, run_to_end};
use crate::{Address, Answer, Client, NodeOptions, NodeProcess, ports, servers};

/// How long nodes may take until all see all. Generous: the machine may be busy compiling.
pub const FORMED_WITHIN: Duration = Duration::from_secs(30);
/// A drain ends when the jobs at work have ended.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const INIT_WITHIN: Duration = Duration::from_secs(30);
const ADMIN_EMAIL: &str = "admin@chaos.test";
const ADMIN_PASSWORD: &str = "chaos-admin-password-1";
/// Shared by the members of every fleet.
pub const SECRET: &str = "the-chaos-harness-knows-this-secret";

/// Where the nodes are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// All on 127.0.0.1.
    #[default]
    Loopback,
    /// Each in a namespace of its own, so that links can be cut; see [`crate::net`].
    Namespaces,
}

/// How to start a fleet.
#[derive(Debug, Clone, Default)]
pub struct FleetOptions {
    pub nodes: usize,
    pub network: Network,
    /// For every node.
    pub node: NodeOptions,
    /// Further settings of single nodes, by index.
    pub of_node: Vec<(usize, String, String)>,
    /// What nodes are told of the servers they share; then each has a data directory of its own. Without it all share one.
    pub servers: Vec<(String, String)>,
    /// `host:port` of what nodes take for members beside each other.
    pub seeds: Vec<String>,
}

impl FleetOptions {
    pub fn of(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }

    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    pub fn binary(mut self, binary: PathBuf) -> Self {
        self.node.binary = Some(binary);
        self
    }

    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.node = self.node.env(name, value);
        self
    }

    /// Puts the nodes on servers, as [`crate::Servers::env`] tells.
    pub fn on(mut self, servers: Vec<(String, String)>) -> Self {
        self.servers = servers;
        self
    }

    pub fn seed(mut self, seed: impl ToString) -> Self {
        self.seeds.push(seed.to_string());
        self
    }

    pub fn env_of(mut self, node: usize, name: &str, value: impl ToString) -> Self {
        self.of_node.push((node, name.to_owned(), value.to_string()));
        self
    }
}

/// The nodes, by index; node 0 is called `node-1`. Calls that start, stop or wait for processes block the thread: use
/// them on a multi-threaded runtime.
pub struct Fleet {
    // ended before the network they run in
    nodes: Vec<NodeProcess>,
    options: FleetOptions,
    places: Vec<Place>,
    net: Option<Net>,
    admin: Client,
    dir: TempDir,
}

/// Where a node is to be found, in all its lives.
#[derive(Debug, Clone, Copy)]
struct Place {
    host: Ipv4Addr,
    http: u16,
    cluster: u16,
}

/// The id of a node.
pub fn name(node: usize) -> String {
    format!("node-{}", node + 1)
}

/// The index of a node by its id, or by id and generation as in `X-Node`.
pub fn index(name: &str) -> Option<usize> {
    let id = name.split('/').next()?;
    id.strip_prefix("node-")?.parse::<usize>().ok()?.checked_sub(1)
}

impl Fleet {
    /// Starts all nodes and waits until each sees every other.
    pub async fn start(options: FleetOptions) -> Result<Self> {
        let fleet = Self::start_apart(options).await?;
        fleet.formed(FORMED_WITHIN).await?;
        Ok(fleet)
    }

    /// Starts all nodes and leaves it to them to find each other.
    pub async fn start_apart(mut options: FleetOptions) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("metastamp-fleet-").tempdir()?;
        if options.servers.is_empty() && options.network == Network::Loopback {
            options.servers = tokio::task::block_in_place(|| servers::env_of(dir.path()))?;
        }
        let net = match options.network {
            Network::Loopback => None,
            Network::Namespaces => Some(Net::new(options.nodes)?),
        };
        let places: Vec<Place> = match &net {
            // ports are free in a namespace of one's own
            Some(net) => {
                (0..options.nodes).map(|i| Place { host: net.address(i), http: 8000, cluster: 7946 }).collect()
            }
            None => {
                let place = |pair: &[u16]| Place { host: Ipv4Addr::LOCALHOST, http: pair[0], cluster: pair[1] };
                ports::free(2 * options.nodes)?.chunks_exact(2).map(place).collect()
            }
        };
        let admin = Client::new(Address::default())?.with_patience(Duration::from_secs(5));
        let mut fleet = Self { nodes: Vec::new(), options, places, net, admin, dir };
        tokio::task::block_in_place(|| fleet.init_and_start())?;
        let login = fleet.client(0)?.login(ADMIN_EMAIL, ADMIN_PASSWORD).await?;
        fleet.admin = fleet.admin.with_token(&login.expect(200)?.text("/token")?);
        Ok(fleet)
    }

    fn init_and_start(&mut self) -> Result<()> {
        let data = self.data_dir();
        let stores = self.stores();
        let mut env: Vec<_> = stores.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        env.push(("DATA_DIR", data.to_str().context("no UTF-8 path")?));
        env.extend([("ADMIN_EMAIL", ADMIN_EMAIL), ("ADMIN_PASSWORD", ADMIN_PASSWORD)]);
        // before the nodes, so that they need not race for the schema
        let init = run_to_end(self.dir.path(), &["init"], &env, INIT_WITHIN)?;
        ensure!(init.status.success(), "init failed:\n{}", String::from_utf8_lossy(&init.stderr));
        let options: Vec<_> = (0..self.places.len()).map(|i| self.options_of(i, &data)).collect();
        let starting: Vec<_> =
            options.into_iter().map(|options| std::thread::spawn(|| NodeProcess::start(options))).collect();
        for node in starting {
            self.nodes.push(node.join().map_err(|_| anyhow::anyhow!("a start panicked"))??);
        }
        Ok(())
    }

    fn options_of(&self, i: usize, data: &Path) -> NodeOptions {
        let Place { host, http, cluster } = self.places[i];
        let own_dir = if self.options.servers.is_empty() { data.to_owned() } else { data.join(name(i)) };
        let mut options = self.options.node.clone().defaults(self.stores()).data_dir(&own_dir);
        options = options.env("HOST", host).env("PORT", http);
        options = options.env("CLUSTER_NODE_ID", name(i)).env("CLUSTER_SECRET", SECRET);
        options = options.env("CLUSTER_LISTEN", SocketAddr::from((host, cluster)));
        options = options.env("CLUSTER_SEEDS", self.seeds());
        options.namespace = self.net.as_ref().map(|net| net.namespace(i));
        let own = self.options.of_node.iter().filter(|(node, ..)| *node == i);
        own.fold(options, |options, (_, name, value)| options.env(name, value))
    }

    /// Where the nodes keep everything. Namespaces have no way to the servers, which are on loopback.
    pub fn stores(&self) -> Vec<(String, String)> {
        if self.options.servers.is_empty() { servers::embedded() } else { self.options.servers.clone() }
    }

    fn seeds(&self) -> String {
        let members = (0..self.places.len()).map(|i| self.cluster_address(i).to_string());
        members.chain(self.options.seeds.iter().cloned()).collect::<Vec<_>>().join(",")
    }

    /// Starts one node more, on loopback, as the last.
    pub fn add(&mut self) -> Result<()> {
        ensure!(self.net.is_none(), "the network is built for a number of nodes");
        let ports = ports::free(2)?;
        self.places.push(Place { host: Ipv4Addr::LOCALHOST, http: ports[0], cluster: ports[1] });
        let options = self.options_of(self.places.len() - 1, &self.data_dir());
        self.nodes.push(tokio::task::block_in_place(|| NodeProcess::start(options))?);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn node(&self, i: usize) -> &NodeProcess {
        &self.nodes[i]
    }

    /// The network of a fleet in namespaces.
    pub fn net(&self) -> Result<&Net> {
        self.net.as_ref().context("only a fleet in namespaces has links that can be cut")
    }

    /// Where a node takes links and gossip.
    pub fn cluster_address(&self, i: usize) -> SocketAddr {
        SocketAddr::from((IpAddr::V4(self.places[i].host), self.places[i].cluster))
    }

    /// HTTP addresses by index.
    pub fn addresses(&self) -> Vec<Address> {
        self.nodes.iter().map(NodeProcess::address).collect()
    }

    /// A client of a node, of nobody.
    pub fn client(&self, i: usize) -> Result<Client> {
        Client::new(self.nodes[i].address())
    }

    /// The administrator, at a node.
    pub fn admin(&self, i: usize) -> Client {
        self.admin.at(self.nodes[i].address())
    }

    // ---- what is done to nodes

    pub fn is_running(&self, i: usize) -> bool {
        self.nodes[i].socket().is_ok()
    }

    pub fn kill(&mut self, i: usize) {
        tokio::task::block_in_place(|| self.nodes[i].kill());
    }

    pub fn kill_all(&mut self) {
        tokio::task::block_in_place(|| {
            // all at the same moment, then wait for their ends
            self.nodes.iter().for_each(|node| _ = node.signal(Signal::KILL));
            self.nodes.iter_mut().for_each(NodeProcess::kill);
        });
    }

    /// Starts a killed node again, at the same address, and waits until it is ready.
    pub fn restart(&mut self, i: usize) -> Result<()> {
        tokio::task::block_in_place(|| self.nodes[i].restart())
    }

    /// Starts all killed nodes again at the same time.
    pub fn restart_all(&mut self) -> Result<()> {
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let dead = self.nodes.iter_mut().filter(|node| node.socket().is_err());
                let starting: Vec<_> = dead.map(|node| scope.spawn(|| node.restart())).collect();
                let panicked = |_| Err(anyhow::anyhow!("a restart panicked"));
                starting.into_iter().try_for_each(|start| start.join().unwrap_or_else(panicked))
            })
        })
    }

    /// Asks a node to end (SIGTERM) and waits until it has, with success.
    pub fn terminate(&mut self, i: usize) -> Result<()> {
        let status = tokio::task::block_in_place(|| self.nodes[i].terminate(DRAINED_WITHIN))?;
        ensure!(status.success(), "{} ended with {status}:\n{}", name(i), self.nodes[i].log().tail(10));
        Ok(())
    }

    pub fn signal(&self, i: usize, signal: Signal) -> Result<()> {
        self.nodes[i].signal(signal)
    }

    /// Stops a node (SIGSTOP) at a moment when it holds no lock of the files the nodes share.
    pub fn stop(&self, i: usize) -> Result<()> {
        let node = &self.nodes[i];
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            node.signal(Signal::STOP)?;
            if !node.holds_a_write_lock()? {
                return Ok(());
            }
            node.signal(Signal::CONT)?;
            ensure!(Instant::now() < deadline, "{} holds a lock whenever it is looked at", name(i));
            std::thread::yield_now();
        }
    }

    /// Has a node hand over what it owns, or take part again.
    pub async fn drain(&self, at: usize, node: usize, drain: bool) -> Result<Answer> {
        let body = json!({ "node_id": name(node), "drain": drain });
        self.admin(at).post("/api/v1/cluster/drain").json(&body).send().await
    }

    // ---- what nodes say

    /// What a node sees of the cluster.
    pub async fn view(&self, i: usize) -> Result<View> {
        let answer = self.admin(i).get("/api/v1/cluster").send().await?;
        View::of(&answer.expect(200)?.json()?).with_context(|| format!("{answer}"))
    }

    /// Waits until every running node sees every running node, in its present life, and has a link to it.
    pub async fn formed(&self, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        self.wait(within, |views| torn(views).err()).await?;
        Ok(began.elapsed())
    }

    /// Waits until the views of the running nodes satisfy a condition, which says what is missing.
    pub async fn wait(&self, within: Duration, missing: impl Fn(&[View]) -> Option<String>) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let why = match self.views().await {
                Ok(views) => missing(&views),
                Err(error) => Some(format!("{error:#}")),
            };
            let Some(why) = why else { return Ok(()) };
            ensure!(Instant::now() < deadline, "not within {within:?}: {why}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The views of all running nodes, in their order.
    pub async fn views(&self) -> Result<Vec<View>> {
        let mut views = Vec::new();
        for i in (0..self.len()).filter(|i| self.is_running(*i)) {
            views.push(self.view(i).await.with_context(|| format!("asking {}", name(i)))?);
        }
        Ok(views)
    }
}

/// The binary of which conditional writes are switched off, built beside the real one for the proof that the harness
/// finds what it should.
pub fn unfenced_binary() -> Result<PathBuf> {
    let path = binary()?.with_file_name("metastamp-unfenced");
    ensure!(
        path.is_file(),
        "no {}: build it with `cargo build --package metastamp-node --features unfenced --bin metastamp-unfenced`",
        path.display()
    );
    Ok(path)
}
