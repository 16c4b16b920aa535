//! Clusters of the tests.

use std::collections::BTreeSet;

use metastamp_chaos::client::{Client, eventually};
use metastamp_chaos::{Fleet, FleetOptions};
use tokio::sync::{Mutex, MutexGuard};

use crate::{AssetInfo, DONE_WITHIN, PASSWORD, contract, unique_email};

/// Tests that measure time, or run several nodes, go one after another: the machine is small.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// A formed cluster.
pub async fn fleet(options: FleetOptions) -> Fleet {
    Fleet::start(options).await.unwrap()
}

/// A fresh account, at each node. Every answer is held against the contract.
pub async fn member_everywhere(fleet: &Fleet) -> Vec<Client> {
    let first = fleet.client(0).unwrap().with_observer(contract::observer());
    let member = first.register(&unique_email(), PASSWORD).await.unwrap();
    fleet.addresses().into_iter().map(|address| member.at(address)).collect()
}

/// Sum of the samples of a metric whose labels contain all of these, such as `reason="replay"`.
pub async fn metric(client: &Client, name: &str, labels: &[&str]) -> f64 {
    let answer = client.get("/metrics").send().await.unwrap();
    let text = String::from_utf8_lossy(&answer.expect(200).unwrap().body).into_owned();
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let samples = text.lines().filter(of_name).filter(|line| labels.iter().all(|label| line.contains(label)));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Waits until a metric is at least so high.
pub async fn metric_reaches(client: &Client, name: &str, labels: &[&str], least: f64) {
    let reached = || async { Ok((metric(client, name, labels).await >= least).then_some(())) };
    let what = format!("{name} {labels:?} reaches {least}");
    eventually(&what, DONE_WITHIN, reached).await.unwrap();
}

/// Waits until every asset of the user is `ready` or `failed`, and gives them.
pub async fn settled(client: &Client) -> Vec<AssetInfo> {
    let done = || async {
        let assets = client.all_assets().await?;
        Ok(assets.iter().all(AssetInfo::is_settled).then_some(assets))
    };
    eventually("all jobs end", DONE_WITHIN, done).await.unwrap()
}

/// Which nodes the job ends in the logs of all nodes name, as often as they do.
pub fn jobs_ended(fleet: &Fleet) -> Vec<String> {
    let jobs = (0..fleet.len()).flat_map(|i| {
        let lines = fleet.node(i).log().lines();
        lines.into_iter().filter_map(|line| metastamp_chaos::workload::job_ended(&line)).collect::<Vec<_>>()
    });
    let mut jobs: Vec<String> = jobs.collect();
    jobs.sort();
    jobs
}

/// The distinct ones.
pub fn distinct(jobs: &[String]) -> BTreeSet<&str> {
    jobs.iter().map(String::as_str).collect()
}
