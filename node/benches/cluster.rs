//! What it costs to be several: uploads through 1, 3 and 5 nodes on one machine and one set of embedded stores, and what
//! a request to a node that does not own the id costs against one to the owner.
//!
//! `cargo bench -p metastamp-node --bench cluster` prints the table of docs/BENCHMARKS.md. All nodes, the stores and the
//! load generator share the cores, so this shows the price of a cluster, not what more machines would gain.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]
#![allow(dead_code, reason = "shares its parts with the other bench")]

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

async fn fleet(nodes: usize) -> (tempfile::TempDir, Vec<Server>) {
    let data = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = {
        let free = |_| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let held: Vec<_> = (0..nodes).map(free).collect();
        held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
    };
    let seeds = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let mut servers = Vec::new();
    for (n, port) in ports.iter().enumerate() {
        let mut settings = vec![("CLUSTER_NODE_ID", format!("node-{n}"))];
        if nodes > 1 {
            settings.push(("CLUSTER_LISTEN", format!("127.0.0.1:{port}")));
            settings.push(("CLUSTER_SEEDS", seeds.clone()));
            settings.push(("CLUSTER_SECRET", "a secret that only this bench knows".to_owned()));
        }
        servers.push(Server::start_with(data.path().to_str().unwrap(), &settings).await);
    }
    for server in servers.iter().filter(|_| nodes > 1) {
        let request = Template::get("/metrics", None).render(0);
        let started = Instant::now();
        loop {
            let (_, body) = Connection::open(&server.address).await.exchange(&request).await;
            let up = body.lines().filter(|line| line.starts_with("cluster_link_state") && line.contains("\"up\""));
            if up.filter(|line| line.ends_with(" 1")).count() == nodes - 1 {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "the cluster did not form");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    (data, servers)
}

async fn measure(nodes: usize) {
    let (_data, servers) = fleet(nodes).await;
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
