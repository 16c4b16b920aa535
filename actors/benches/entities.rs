//! What an entity costs while it is in memory.
//!
//! `cargo bench -p metastamp-actors` activates 100,000 upload sessions on an embedded store and prints how much this
//! process grew.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]

use std::sync::Arc;
use std::time::Duration;

use metastamp_actors::{Deps, Settings, System};
use metastamp_cluster::Cluster;
use metastamp_protocol::cluster::Command;
use metastamp_protocol::{FileKind, NewUpload, NodeRef, ObjectId};
use metastamp_store::Stores;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::objects::{Objects, ObjectsConfig};

const ENTITIES: usize = 100_000;
const AT_ONCE: usize = 256;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeRef { node_id: "bench".to_owned(), generation: 1 };
    let cluster = Cluster::alone(node.clone());
    let objects = Objects::new(ObjectsConfig {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        public_endpoint: None,
        region: "us-east-1".to_owned(),
        access_key: "none".to_owned(),
        secret_key: "none".to_owned(),
        bucket: "none".to_owned(),
        op_timeout: Duration::from_secs(1),
    });
    let system = System::start(Deps {
        stores: Stores::of(EmbeddedDocuments::open(dir.path()).unwrap()),
        cache: Arc::new(EmbeddedCache::open(dir.path()).unwrap()),
        objects,
        cluster: cluster.clone(),
        settings: Settings { fingerprinting: false, ..Settings::new(dir.path().to_owned()) },
    })
    .await
    .unwrap();
    // A first few, so that caches and threads are there before counting.
    activate(&cluster, &node, 1_000).await;
    let before = resident_mib();
    activate(&cluster, &node, ENTITIES - 1_000).await;
    let grown = resident_mib() - before;
    println!("resident: {before:.0} MiB with 1,000 entities, {grown:.0} MiB more with {ENTITIES}");
    println!("{:.2} KiB an entity", grown * 1_024.0 / (ENTITIES - 1_000) as f64);
    drop(system);
}

async fn activate(cluster: &Cluster, node: &NodeRef, count: usize) {
    let tasks = (0..AT_ONCE).map(|task| {
        let (cluster, node) = (cluster.clone(), node.clone());
        tokio::spawn(async move {
            for _ in (task..count).step_by(AT_ONCE) {
                let new = NewUpload {
                    id: ObjectId::generate(),
                    user_id: ObjectId::generate(),
                    file_name: "a work of usual length.txt".to_owned(),
                    original_file_name: None,
                    kind: FileKind::Text,
                    receiver: node.clone(),
                };
                cluster.ask(Command::BeginUpload(new), Duration::from_secs(30)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}
