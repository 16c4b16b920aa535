//! What it costs to keep everything on servers instead of embedded: the same requests on both, at 1 and 3 nodes, side by
//! side in one run; what each store call took; and the pace of backup and restore.
//!
//! `cargo bench -p metastamp-node --bench stores` prints the tables of docs/BENCHMARKS.md. It starts the servers itself;
//! `scripts/test.sh --servers` installs them. Nodes, servers and load generator share the cores.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]
#![allow(dead_code, reason = "shares its parts with the other benches")]

#[path = "stores/archive.rs"]
mod archive;
#[path = "stores/calls.rs"]
mod calls;
#[path = "requests/fleet.rs"]
mod fleet;
#[path = "requests/http.rs"]
mod http;
#[path = "requests/process.rs"]
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Connection, Template};
use metastamp_chaos::servers::Servers;
use process::Server;

const CLIENTS: usize = 15;
const RUN: Duration = Duration::from_secs(5);
const LIST_ROWS: u64 = 50;

/// What the nodes keep everything on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedded,
    Servers,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Embedded => "embedded",
            Kind::Servers => "servers",
        }
    }

    fn settings(self, servers: &Servers) -> Vec<(String, String)> {
        match self {
            Kind::Embedded => Vec::new(),
            Kind::Servers => servers.env(),
        }
    }
}

fn main() {
    let servers = Servers::start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&servers));
}

async fn run(servers: &Servers) {
    println!("| request | stores | nodes | per second | p50 ms | p99 ms | CPU ms each, nodes only | x embedded |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut calls = Vec::new();
    for nodes in [1, 3] {
        let mut embedded = Vec::new();
        for kind in [Kind::Embedded, Kind::Servers] {
            let data = tempfile::tempdir().unwrap();
            let fleet = fleet::start(nodes, data.path(), kind.settings(servers)).await;
            let rows = requests(&fleet).await;
            for (at, row) in rows.iter().enumerate() {
                let base = embedded.get(at).map_or(row.per_second, |base: &Row| base.per_second);
                row.print(kind, nodes, row.per_second / base);
            }
            if kind == Kind::Embedded {
                embedded = rows;
            }
            if nodes == 1 {
                calls.push((kind, calls::read(&fleet[0]).await));
            }
        }
    }
    calls::print(&calls);
    println!("\n| stores | works | MiB in the archive | backup MB/s | verify MB/s | restore MB/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for kind in [Kind::Embedded, Kind::Servers] {
        archive::measure(kind, servers).await;
    }
}

struct Row {
    name: &'static str,
    per_second: f64,
    p50: f64,
    p99: f64,
    cpu_ms: f64,
}

impl Row {
    fn print(&self, kind: Kind, nodes: usize, ratio: f64) {
        let Self { name, per_second, p50, p99, cpu_ms } = self;
        let kind = kind.name();
        println!("| {name} | {kind} | {nodes} | {per_second:.0} | {p50:.2} | {p99:.2} | {cpu_ms:.3} | {ratio:.2} |");
    }
}

async fn requests(fleet: &[Server]) -> Vec<Row> {
    let token = fleet[0].register().await;
    for n in 0..LIST_ROWS {
        fleet[0].upload_once(&token, n, 2_000).await;
    }
    fleet[0].wait_for_jobs(&token).await;
    vec![
        row(fleet, "GET /auth/me", Template::get("/api/v1/auth/me", Some(&token))).await,
        row(fleet, "GET /assets, 50 rows", Template::get("/api/v1/assets?page=1&limit=50", Some(&token))).await,
        row(fleet, "POST /upload/text, 10 KiB", Template::upload(&token, 10 << 10)).await,
    ]
}

/// Runs one kind of request for a while, on all nodes evenly.
async fn row(fleet: &[Server], name: &'static str, template: Template) -> Row {
    static COUNTER: AtomicU64 = AtomicU64::new(1_000_000);
    let cpu = || fleet.iter().map(Server::cpu_ms).sum::<f64>();
    let (before, started) = (cpu(), Instant::now());
    let refused = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|n| {
        let (address, template, refused) = (fleet[n % fleet.len()].address.clone(), template.clone(), refused.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut times = Vec::new();
            while started.elapsed() < RUN {
                let request = template.render(COUNTER.fetch_add(1, Ordering::Relaxed));
                let begun = Instant::now();
                match connection.send(&request).await {
                    200..300 => times.push(begun.elapsed().as_secs_f64() * 1_000.0),
                    503 => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    status => panic!("status {status}"),
                }
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    for server in fleet {
        server.settle().await;
    }
    let refused = refused.load(Ordering::Relaxed);
    if refused > 0 {
        println!("{refused} were refused with 503");
    }
    let cpu_ms = (cpu() - before) / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    Row { name, per_second: times.len() as f64 / seconds, p50: at(0.5), p99: at(0.99), cpu_ms }
}
