//! Redis as sentinels and as Redis Cluster, on real servers.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use metastamp_chaos::ports;
use metastamp_store::Cache;
use tempfile::TempDir;

use super::connect;
use crate::cache;
use crate::harness::eventually;

const LONG: Duration = Duration::from_secs(3_600);
const CALL_WITHIN: Duration = Duration::from_secs(2);

/// A `redis-server` with arguments of its own; ends with the test.
struct Redis {
    child: Child,
    _dir: TempDir,
}

impl Redis {
    /// `config` is written to a file first when it is given: sentinels keep their state there.
    fn start(config: Option<String>, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        if let Some(config) = config {
            let path = dir.path().join("redis.conf");
            std::fs::write(&path, config).unwrap();
            command.arg(path);
        }
        command.args(args).args(["--bind", "127.0.0.1", "--dir"]).arg(dir.path()).current_dir(dir.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, _dir: dir }
    }

    fn plain(port: u16, args: &[&str]) -> Self {
        let port = port.to_string();
        Self::start(None, &[&["--port", &port, "--save", "", "--appendonly", "no"], args].concat())
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn cli(port: u16, args: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn serves(port: u16) {
    eventually("a redis serves", async || cli(port, &["ping"]).starts_with("PONG")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_lead_to_the_master_of_the_day() {
    let ports = ports::free(3).unwrap();
    let [master, replica, sentinel] = ports[..] else { panic!("{ports:?}") };
    let mut first = Redis::plain(master, &["--requirepass", "secret", "--masterauth", "secret"]);
    let master_word = master.to_string();
    let follow = ["--requirepass", "secret", "--masterauth", "secret", "--replicaof", "127.0.0.1", &master_word];
    let _second = Redis::plain(replica, &follow);
    let config = format!(
        "port {sentinel}\nsentinel monitor main 127.0.0.1 {master} 1\nsentinel auth-pass main secret\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
    );
    let watch = Redis::start(Some(config), &["--sentinel"]);
    serves(sentinel).await;
    eventually("the sentinel knows the replica", async || {
        cli(sentinel, &["sentinel", "replicas", "main"]).contains(&replica.to_string())
    })
    .await;
    // The first of the sentinels is away.
    let away = ports::free(1).unwrap()[0];
    let url = format!("redis-sentinel://:secret@127.0.0.1:{away},127.0.0.1:{sentinel}/main/3");
    let cache = connect(&url, CALL_WITHIN);
    eventually("the master is found", async || cache.set("k", "v", LONG).await.is_ok()).await;
    assert!(cli(master, &["-a", "secret", "-n", "3", "get", "k"]).contains('v'), "in the database that was named");
    first.kill();
    eventually("the replica is found when it has become the master", async || {
        cache.set("k", "w", LONG).await.is_ok() && cache.lock("l", "ada", LONG).await.is_ok()
    })
    .await;
    assert!(cli(replica, &["-a", "secret", "-n", "3", "get", "k"]).contains('w'));
    drop(watch);
    eventually("it serves without sentinels too", async || cache.set("k", "x", LONG).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_keeps_the_contract() {
    let ports = ports::free(6).unwrap();
    let (ports, buses) = ports.split_at(3);
    let start = |(port, bus): (&u16, &u16)| {
        Redis::plain(*port, &["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()])
    };
    let _nodes: Vec<Redis> = ports.iter().zip(buses).map(start).collect();
    for port in ports {
        serves(*port).await;
    }
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut create = vec!["--cluster", "create", "--cluster-yes", "--cluster-replicas", "0"];
    create.extend(addresses.iter().map(String::as_str));
    let told = cli(ports[0], &create);
    assert!(told.contains("All 16384 slots covered"), "{told}");
    let url = format!("redis-cluster://{},{}", addresses[0], addresses[2]);
    let ready = connect(&url, CALL_WITHIN);
    eventually("the cluster serves", async || {
        let mut all = true;
        for key in 0..20 {
            all &= ready.set(&format!("{key}"), "v", LONG).await.is_ok();
        }
        all
    })
    .await;
    // A prefix for each name: a cluster has one database.
    let open = async |name: &str| {
        let handle: Arc<dyn Cache> = Arc::new(connect(&url, Duration::from_secs(5)).with_prefix(&format!("{name}:")));
        handle
    };
    cache::contract(open).await;
}
