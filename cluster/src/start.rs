//! Puts a cluster node together: port, certificates, links, gossip, router, and the loop that keeps them in line.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use metastamp_protocol::cluster::wire::{VERSION_MAX, VERSION_MIN};
use metastamp_protocol::{NodeRef, VERSION};
use parking_lot::RwLock;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cluster::Inner;
use crate::gossip::{self, Gossip, Membership, key};
use crate::links::{self, Links, Tls};
use crate::members::View;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::sleep::SleepDetector;
use crate::{reconcile, router};

/// With port 0: how often to try for a port that is free for both TCP and UDP.
const PORT_ATTEMPTS: usize = 16;

/// # Errors
/// When the port is taken, or certificates can't be used.
pub async fn start(settings: Settings, local: NodeRef) -> anyhow::Result<Arc<Inner>> {
    let secret = Secret::new(&settings.secret);
    let tls = Tls::new(&local.node_id, &secret, settings.certificates.as_ref())?;
    let (listener, socket) = bind(settings.listen).await?;
    let port = listener.local_addr()?.port();
    let address = advertise(&settings, port).await?;
    let version_max = settings.protocol_max.clamp(VERSION_MIN, VERSION_MAX);
    let change = Arc::new(Notify::new());
    let ended = CancellationToken::new();
    let detection = settings.detection.clone();

    // A peer that links to us looks for the router at once, so it is there first.
    let slot = router::Slot::default();
    router::start(local.clone(), version_max, slot.clone()).await.context("router")?;
    let stores = Arc::new(RwLock::new(settings.stores));
    let links = Links::start(links::Start {
        local: local.clone(),
        stores: stores.clone(),
        listener,
        tls,
        secret: &secret,
        ping_interval: detection.ping_interval,
        change: change.clone(),
        ended: ended.clone(),
    })
    .await?;
    // What is published first arrives first: nobody is judged by half of what it says.
    let published = [
        (key::STORES, stores.read().to_string()),
        (key::PROTOCOL, format!("{VERSION_MIN}-{version_max}")),
        (key::HTTP, settings.http.clone()),
        (key::VERSION, VERSION.to_owned()),
    ];
    let gossip = Gossip::start(gossip::Start {
        local: local.clone(),
        advertise: address,
        socket,
        seeds: settings.seeds,
        secret,
        detection: detection.clone(),
        published: published.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
    .await?;
    let membership: Arc<dyn Membership> = Arc::new(gossip);
    let inner = Arc::new(Inner {
        address: Some(address),
        http: settings.http,
        stores,
        version_max,
        links: Some(links.clone()),
        membership: Some(membership.clone()),
        sleep: SleepDetector::new(detection.sleep_max()),
        change,
        ended,
        ..Inner::alone(local)
    });
    let view = View { members: vec![inner.local_member()], ..View::alone(inner.local.clone()) };
    inner.view.send_replace(Arc::new(view));
    let receiver: Arc<dyn router::Receive> = inner.clone();
    let _ = slot.set(Arc::downgrade(&receiver));
    tokio::spawn(reconcile::run(inner.clone(), membership, links));
    Ok(inner)
}

/// Links and gossip share a port number.
async fn bind(listen: SocketAddr) -> anyhow::Result<(TcpListener, UdpSocket)> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let tcp = TcpListener::bind(listen).await.with_context(|| format!("can't take links on {listen}"))?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(_) if listen.port() == 0 && attempts < PORT_ATTEMPTS => {}
            Err(error) => return Err(error).with_context(|| format!("can't take gossip on {address}")),
        }
    }
}

/// The address others are told: as configured, or as bound.
async fn advertise(settings: &Settings, port: u16) -> anyhow::Result<SocketAddr> {
    if let Some(advertise) = &settings.advertise {
        let mut found = tokio::net::lookup_host(advertise.as_str())
            .await
            .with_context(|| format!("CLUSTER_ADVERTISE {advertise} can't be looked up"))?;
        let mut address = found.next().with_context(|| format!("CLUSTER_ADVERTISE {advertise} has no address"))?;
        if address.port() == 0 {
            address.set_port(port);
        }
        return Ok(address);
    }
    if !settings.listen.ip().is_unspecified() {
        return Ok(SocketAddr::new(settings.listen.ip(), port));
    }
    anyhow::bail!("others can't link to {}: set CLUSTER_ADVERTISE", settings.listen.ip())
}
