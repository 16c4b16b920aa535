//! What each store call took, by the node's own metrics.

use std::collections::BTreeMap;

use crate::Kind;
use crate::http::{Connection, Template};
use crate::process::Server;

/// Calls and milliseconds each, by store and operation.
pub type Calls = BTreeMap<(String, String), (f64, f64)>;

pub async fn read(server: &Server) -> Calls {
    let request = Template::get("/metrics", None).render(0);
    let (_, text) = Connection::open(&server.address).await.exchange(&request).await;
    let sum = |suffix: &str| {
        let name = format!("store_call_duration_seconds_{suffix}{{");
        let mut found: BTreeMap<(String, String), f64> = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(&name)) {
            let (labels, value) = line.split_once("} ").unwrap();
            let label = |name: &str| {
                let rest = labels.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
                rest.split('"').next().unwrap_or_default().to_owned()
            };
            *found.entry((label("store"), label("op"))).or_default() += value.parse::<f64>().unwrap();
        }
        found
    };
    let (counts, seconds) = (sum("count"), sum("sum"));
    counts.into_iter().map(|(key, count)| (key.clone(), (count, seconds[&key] / count * 1_000.0))).collect()
}

/// Side by side; operations that only one of them has are left empty at the other.
pub fn print(of: &[(Kind, Calls)]) {
    println!("\n| store | call | ms, embedded | ms, servers | calls on servers |");
    println!("| --- | --- | --- | --- | --- |");
    let none = Calls::new();
    let calls = |kind: Kind| of.iter().find(|(k, _)| *k == kind).map_or(&none, |(_, calls)| calls);
    let (embedded, servers) = (calls(Kind::Embedded), calls(Kind::Servers));
    let keys: std::collections::BTreeSet<_> = embedded.keys().chain(servers.keys()).collect();
    for key @ (store, op) in keys {
        let ms = |calls: &Calls| calls.get(key).map_or(String::new(), |(_, ms)| format!("{ms:.3}"));
        let count = servers.get(key).map_or(String::new(), |(count, _)| format!("{count:.0}"));
        println!("| {store} | {op} | {} | {} | {count} |", ms(embedded), ms(servers));
    }
}
