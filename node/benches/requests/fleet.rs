//! Several nodes that form one cluster.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::http::{Connection, Template};
use crate::process::Server;

/// Nodes with these settings. Without servers of their own to share (a `MONGODB_URL` in the settings) they share one
/// data directory.
pub async fn start(nodes: usize, data: &Path, settings: Vec<(String, String)>) -> Vec<Server> {
    let ports: Vec<u16> = {
        let free = |_| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let held: Vec<_> = (0..nodes).map(free).collect();
        held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
    };
    let apart = settings.iter().any(|(name, _)| name == "MONGODB_URL");
    let seeds = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let mut servers = Vec::new();
    for (n, port) in ports.iter().enumerate() {
        let mut of_node = settings.clone();
        let mut set = |name: &str, value: String| of_node.push((name.to_owned(), value));
        set("CLUSTER_NODE_ID", format!("node-{n}"));
        if nodes > 1 {
            set("CLUSTER_LISTEN", format!("127.0.0.1:{port}"));
            set("CLUSTER_SEEDS", seeds.clone());
            set("CLUSTER_SECRET", "a secret that only this bench knows".to_owned());
        }
        let dir = if apart { data.join(format!("node-{n}")) } else { data.to_owned() };
        servers.push(Server::start_with(dir.to_str().unwrap(), &of_node).await);
    }
    for server in servers.iter().filter(|_| nodes > 1) {
        formed(server, nodes).await;
    }
    servers
}

/// Waits until this node has links to all others.
async fn formed(server: &Server, nodes: usize) {
    let request = Template::get("/metrics", None).render(0);
    let started = Instant::now();
    loop {
        let (_, body) = Connection::open(&server.address).await.exchange(&request).await;
        let up = body.lines().filter(|line| line.starts_with("cluster_link_state") && line.contains("\"up\""));
        if up.filter(|line| line.ends_with(" 1")).count() == nodes - 1 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the cluster did not form");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
