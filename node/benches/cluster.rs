//! What it costs to be several: uploads through 1, 3 and 5 nodes on one machine and one set of embedded stores, and what
//! a request to a node that does not own the id costs against one to the owner.
//!
//! `cargo bench -p metastamp-node --bench cluster` prints the table of docs/BENCHMARKS.md. All nodes, the stores and the
//! load generator share the cores, so this shows the price of a cluster, not what more machines would gain.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]
#![allow(dead_code, reason = "shares its parts with the other bench")]

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
use process::Server;

const CLIENTS: usize = 15;
const RUN: Duration = Duration::from_secs(6);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!(
            "| nodes | uploads per second | CPU ms each | p50 ms, owner asked | p50 ms, another asked | MiB a node |"
        );
        println!("| --- | --- | --- | --- | --- | --- |");
        for nodes in [1, 3, 5] {
            measure(nodes).await;
        }
    });
}

async fn measure(nodes: usize) {
    let data = tempfile::tempdir().unwrap();
    let servers = fleet::start(nodes, data.path(), Vec::new()).await;
    let token = servers[0].register().await;
    let template = Template::upload(&token, 10 << 10);
    let counter = Arc::new(AtomicU64::new(0));
    let cpu = |servers: &[Server]| servers.iter().map(Server::cpu_ms).sum::<f64>();
    let (before, started) = (cpu(&servers), Instant::now());
    let clients = (0..CLIENTS).map(|n| {
        let address = servers[n % nodes].address.clone();
        let (template, counter) = (template.clone(), counter.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut times = Vec::new();
            while started.elapsed() < RUN {
                let request = template.render(counter.fetch_add(1, Ordering::Relaxed));
                let begun = Instant::now();
                let (status, head, body) = connection.exchange_all(&request).await;
                assert_eq!(status, 201, "{body}");
                let header = |name| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let owned = header("x-node: ") == header("x-owner: ");
                times.push((owned, begun.elapsed().as_secs_f64() * 1_000.0));
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    servers[0].wait_for_jobs(&token).await;
    for server in &servers {
        server.settle().await;
    }
    let each = (cpu(&servers) - before) / times.len() as f64;
    let median = |owned: bool| {
        let mut of: Vec<f64> = times.iter().filter(|(o, _)| *o == owned).map(|(_, time)| *time).collect();
        of.sort_by(f64::total_cmp);
        of.get(of.len() / 2).map_or("".to_owned(), |time| format!("{time:.1}"))
    };
    let memory = servers.iter().map(Server::resident_mib).sum::<f64>() / nodes as f64;
    let per_second = times.len() as f64 / seconds;
    println!("| {nodes} | {per_second:.0} | {each:.2} | {} | {} | {memory:.0} |", median(true), median(false));
}
