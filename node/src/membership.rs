//! From configuration to a place in the cluster, and out of it again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;
use metastamp_cluster::{Cluster, Settings};
use metastamp_protocol::{NodeRef, StoreTags};
use metastamp_setup::config::Config;
use metastamp_setup::secrets;
use metastamp_setup::stores::{Identities, Opened, WAYS_ON};
use metastamp_store::cache::SharedCache;
use tokio::net::UdpSocket;

/// A documentation address (RFC 5737): nothing is sent there, only the route to it is asked for.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
/// Longest wait for the name of one seed.
const LOOKUP_WITHIN: Duration = Duration::from_secs(2);
/// Longest wait until others were told of a leave.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// How often the cache is asked who it is.
const CACHE_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for anybody at the seeds: gossip needs about half of it.
const MET_WITHIN: Duration = Duration::from_millis(1_500);
/// Longest wait for a cluster to say that a node is not of it.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Joins the cluster of the configuration; without one, the node acts alone. `http` is the address of this node's HTTP
/// listener.
///
/// # Errors
/// When the port is taken, or secret or certificates can't be used.
pub async fn join(config: &Config, local: NodeRef, http: SocketAddr, opened: &Opened) -> anyhow::Result<Cluster> {
    let Some(cluster) = &config.cluster else { return Ok(Cluster::alone(local)) };
    let cache = opened.identities.cache(config, &opened.cache).await;
    let secret = match &cluster.secret {
        Some(secret) => secret.clone(),
        None => secrets::kept(&config.data_dir, secrets::CLUSTER).context("can't keep a cluster secret")?,
    };
    let advertise = match &cluster.advertise {
        Some(advertise) => Some(advertise.clone()),
        // Every interface is no address that others could use. Port 0 stands for the one that gets bound.
        None if cluster.listen.ip().is_unspecified() => {
            own_ip(&cluster.seeds).await.map(|ip| SocketAddr::new(ip, cluster.listen.port()).to_string())
        }
        None => None,
    };
    let settings = Settings {
        listen: cluster.listen,
        http: http_address(http, advertise.as_deref(), cluster.listen),
        advertise,
        seeds: cluster.seeds.clone(),
        secret,
        certificates: cluster.certificates.clone(),
        detection: cluster.detection.clone(),
        protocol_max: cluster.protocol_max,
        stores: StoreTags { cache, ..opened.identities.tags() },
    };
    let joined = Cluster::start(settings, local).await;
    let joined = joined.with_context(|| format!("can't join a cluster on {}", cluster.listen))?;
    tokio::spawn(follow_cache(joined.clone(), config.clone(), opened.identities.clone(), opened.cache.clone()));
    Ok(joined)
}

/// A cache may lose its identity and get another one, from whichever node comes first: all look again and again. One
/// that does not answer is still what it was.
async fn follow_cache(cluster: Cluster, config: Config, identities: Identities, cache: SharedCache) {
    let look = async {
        loop {
            tokio::time::sleep(CACHE_EVERY).await;
            if let Some(tag) = identities.cache(&config, &cache).await {
                cluster.set_cache(Some(tag));
            }
        }
    };
    tokio::select! { () = look => {}, () = cluster.ended() => {} }
}

/// Waits for the first word of others: whether this node fits to them is known before it says that it is ready.
pub async fn meet(config: &Config, cluster: &Cluster) {
    if config.cluster.as_ref().is_none_or(|cluster| cluster.seeds.is_empty()) {
        return;
    }
    let mut views = cluster.watch();
    let somebody = views.wait_for(|view| view.members.len() > 1 || !view.refused.is_empty() || view.refusal.is_some());
    let _ = tokio::time::timeout(MET_WITHIN, somebody).await;
}

/// A node on a bucket that belongs to other documents must not serve: it would show works as gone that are there. In a
/// cluster that has the right documents it stays, not ready and without work, for all to see why; else it ends.
///
/// # Errors
/// When documents and bucket do not belong together, and nobody is there to hold this node back.
pub async fn belong_together(cluster: &Cluster, opened: &Opened) -> anyhow::Result<()> {
    let Some(misfit) = opened.identities.misfit() else { return Ok(()) };
    if !opened.identities.documents_are_strangers() {
        tracing::error!("{misfit} {WAYS_ON}");
        return Ok(());
    }
    let mut views = cluster.watch();
    let refused = async { views.wait_for(|view| view.refusal.is_some()).await.map(drop) };
    if cluster.address().is_none() || !matches!(tokio::time::timeout(REFUSED_WITHIN, refused).await, Ok(Ok(()))) {
        anyhow::bail!("{misfit} {WAYS_ON}");
    }
    let cluster = cluster.clone();
    tokio::spawn(async move {
        let mut views = cluster.watch();
        if views.wait_for(|view| view.refusal.is_none()).await.is_ok() {
            tracing::error!("{misfit} {WAYS_ON}");
            cluster.end();
        }
    });
    Ok(())
}

/// Tells others that this node leaves. Then time passes in which load balancers may notice, for as long as there is
/// another member that could take the work, and for at most `leave_time`.
pub async fn take_leave(cluster: &Cluster, leave_time: Duration) {
    if tokio::time::timeout(TELL_WITHIN, cluster.leave()).await.is_err() {
        tracing::warn!("others were not told in time that this node leaves");
    }
    let started = Instant::now();
    while started.elapsed() < leave_time && cluster.view().others_up() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The host others are told, with the port that really serves; a listener on one address is taken at its word.
fn http_address(http: SocketAddr, advertise: Option<&str>, listen: SocketAddr) -> String {
    if !http.ip().is_unspecified() {
        return http.to_string();
    }
    match advertise.and_then(|address| address.rsplit_once(':')) {
        Some((host, _)) => format!("{host}:{}", http.port()),
        None => SocketAddr::new(listen.ip(), http.port()).to_string(),
    }
}

/// The address of this machine on the way to a seed, or to anywhere.
async fn own_ip(seeds: &[String]) -> Option<IpAddr> {
    let mut targets = Vec::new();
    for seed in seeds {
        if let Ok(Ok(addresses)) = tokio::time::timeout(LOOKUP_WITHIN, tokio::net::lookup_host(seed)).await {
            targets.extend(addresses);
        }
    }
    targets.push(ANYWHERE);
    for target in targets {
        let any: IpAddr = if target.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
        let route = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(target).await?;
            socket.local_addr()
        };
        if let Ok(address) = route.await
            && !address.ip().is_unspecified()
        {
            return Some(address.ip());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_address_is_one_that_others_can_use() {
        let (every, one) = ("0.0.0.0:8000".parse().unwrap(), "127.0.0.1:8001".parse().unwrap());
        let listen = "10.0.0.1:7800".parse().unwrap();
        assert_eq!(http_address(one, Some("node-a:7800"), listen), "127.0.0.1:8001");
        assert_eq!(http_address(every, Some("node-a:7800"), listen), "node-a:8000");
        assert_eq!(http_address(every, Some("[::1]:7800"), listen), "[::1]:8000");
        assert_eq!(http_address(every, None, listen), "10.0.0.1:8000");
    }

    #[tokio::test]
    async fn the_own_address_is_the_one_towards_a_seed() {
        assert_eq!(own_ip(&["127.0.0.1:7800".to_owned()]).await, Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[tokio::test]
    async fn a_node_alone_does_not_wait() {
        let cluster = Cluster::alone(NodeRef { node_id: "a".to_owned(), generation: 1 });
        let started = Instant::now();
        take_leave(&cluster, Duration::from_secs(10)).await;
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
