//! Who gets which ports and files.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The first link port that is tried.
const LINK_PORT: u16 = 7_801;
/// Ports that are tried before giving up.
const TRIES: u16 = 200;

/// One node to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    pub id: String,
    pub http: SocketAddr,
    /// Links and gossip.
    pub link: SocketAddr,
    pub log: PathBuf,
}

/// Plans `count` nodes. Their HTTP ports come after `port`, that of the balancer; with `any_ports` all are taken as
/// the system gives them.
///
/// # Errors
/// When no ports are free.
pub fn plan(count: usize, port: u16, any_ports: bool, dir: &Path) -> anyhow::Result<Vec<NodePlan>> {
    // Held until all are chosen, so that none is chosen twice.
    let mut held = Vec::new();
    let mut nodes = Vec::new();
    let (mut http_from, mut link_from) = (port.saturating_add(1), LINK_PORT);
    for number in 1..=count {
        let from = |port: u16| if any_ports { 0 } else { port };
        let http = free(from(http_from), false, &mut held).context("no free HTTP port")?;
        let link = free(from(link_from), true, &mut held).context("no free link port")?;
        (http_from, link_from) = (http.port().saturating_add(1), link.port().saturating_add(1));
        nodes.push(NodePlan { id: format!("node-{number}"), http, link, log: dir.join(format!("node-{number}.log")) });
    }
    Ok(nodes)
}

/// The first free port from `port` on; 0 takes any. Gossip needs the port for UDP too.
fn free(port: u16, udp: bool, held: &mut Vec<(TcpListener, Option<UdpSocket>)>) -> Option<SocketAddr> {
    (0..TRIES).find_map(|step| {
        let wanted = if port == 0 { 0 } else { port.checked_add(step)? };
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).ok()?;
        let address = tcp.local_addr().ok()?;
        let socket = if udp { Some(UdpSocket::bind(address).ok()?) } else { None };
        held.push((tcp, socket));
        Some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_own_ports_and_files() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // The ports follow the balancer's, around what is taken.
        let port = taken.local_addr().unwrap().port() - 1;
        for any in [true, false] {
            let nodes = plan(3, port, any, Path::new("/tmp/x")).unwrap();
            let mut ports: Vec<u16> = nodes.iter().flat_map(|node| [node.http.port(), node.link.port()]).collect();
            assert!(!ports.contains(&(port + 1)), "{ports:?}");
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), 6);
            assert_eq!((nodes[2].id.as_str(), nodes[2].log.as_path()), ("node-3", Path::new("/tmp/x/node-3.log")));
        }
    }
}
