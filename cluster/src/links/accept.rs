//! Takes connections from other members: bounded, under a time limit, and only with a certificate.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metastamp_protocol::{NodeRef, Store};
use metrics::counter;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::server::{Arrival, Server};
use super::{hello, tls};
use crate::metrics::CLUSTER_CONNECTIONS_REFUSED_TOTAL;
use crate::throttle::Throttle;

/// From the connection to the last word of the hello.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// Connections that have not proved who they are. When there are more, the oldest of the address that has the most
/// goes: a flood of silent ones then can't keep members out, who need a few milliseconds.
const HALF_OPEN_MAX: usize = 128;
const SAY_EVERY: Duration = Duration::from_secs(10);
const SAID_MAX: usize = 32;

pub async fn run(listener: TcpListener, server: Server) {
    let half_open: Mutex<VecDeque<(IpAddr, AbortHandle)>> = Mutex::default();
    let said = Arc::new(Mutex::new(Throttle::new(SAY_EVERY, SAID_MAX)));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if said.lock().admit((Ipv4Addr::UNSPECIFIED.into(), "accept")) {
                    tracing::warn!(%error, "can't accept a link");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (server, said) = (server.clone(), said.clone());
        let task = tokio::spawn(async move {
            let refused = match tokio::time::timeout(HANDSHAKE_WITHIN, greet(stream, from, &server)).await {
                Ok(Ok(())) => return,
                Ok(Err(refused)) => refused,
                Err(_) => Refused::Timeout,
            };
            counter!(CLUSTER_CONNECTIONS_REFUSED_TOTAL, "reason" => refused.as_str()).increment(1);
            if said.lock().admit((from.ip(), refused.as_str())) {
                let reason = refused.to_string();
                tracing::warn!(%from, reason, "link refused");
            }
        });
        let mut half_open = half_open.lock();
        half_open.retain(|(_, task)| !task.is_finished());
        if half_open.len() >= HALF_OPEN_MAX
            && let Some((_, oldest)) = crowded(&half_open).and_then(|at| half_open.remove(at))
        {
            oldest.abort();
            counter!(CLUSTER_CONNECTIONS_REFUSED_TOTAL, "reason" => "full").increment(1);
        }
        half_open.push_back((from.ip(), task.abort_handle()));
    }
}

/// The oldest connection of the address that has the most: a flood from one place crowds out itself.
fn crowded<T>(half_open: &VecDeque<(IpAddr, T)>) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (ip, _) in half_open {
        *counts.entry(*ip).or_default() += 1;
    }
    let (most, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    half_open.iter().position(|(ip, _)| *ip == most)
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no proof of membership in time")]
    Timeout,
    #[error("its certificate is not of this cluster (another CLUSTER_SECRET?): {0}")]
    Certificate(std::io::Error),
    #[error("it does not speak our protocol: {0}")]
    Protocol(std::io::Error),
    #[error("its certificate is made out to somebody else than {0}")]
    Identity(String),
    #[error("{0} works on other {store}", store = .1.as_str())]
    Stores(NodeRef, Store),
}

impl Refused {
    fn as_str(&self) -> &'static str {
        match self {
            Refused::Timeout => "timeout",
            Refused::Certificate(_) => "certificate",
            Refused::Protocol(_) => "protocol",
            Refused::Identity(_) => "identity",
            Refused::Stores(..) => "stores",
        }
    }
}

async fn greet(stream: TcpStream, from: SocketAddr, server: &Server) -> Result<(), Refused> {
    super::prepare(&stream);
    let local = stream.local_addr().map_err(Refused::Protocol)?;
    let accepted = server.tls().acceptor.accept(stream).await;
    let mut stream = accepted.map_err(|error| match tls_trouble(&error) {
        true => Refused::Certificate(error),
        false => Refused::Protocol(error),
    })?;
    let node = hello::hear(&mut stream).await.map_err(Refused::Protocol)?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    if !leaf.is_some_and(|leaf| tls::names(leaf, &node.node_id)) {
        return Err(Refused::Identity(node.node_id));
    }
    let tells_stores = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_STORES);
    let stores = match tells_stores {
        true => hello::hear_text(&mut stream).await.map_err(Refused::Protocol)?,
        false => String::new(),
    };
    hello::say(&mut stream, server.local()).await.map_err(Refused::Protocol)?;
    if tells_stores {
        hello::say_text(&mut stream, &server.stores()).await.map_err(Refused::Protocol)?;
    }
    if let Some(store) = server.conflict(&stores) {
        return Err(Refused::Stores(node, store));
    }
    server.opened(Arrival::Accepted { stream, from, local, node });
    Ok(())
}

/// Whether the handshake failed for who the other side is, and not for what it sent.
fn tls_trouble(error: &std::io::Error) -> bool {
    use rustls::{AlertDescription, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(
            Error::InvalidCertificate(_)
                | Error::NoCertificatesPresented
                | Error::AlertReceived(
                    AlertDescription::UnknownCA
                        | AlertDescription::BadCertificate
                        | AlertDescription::DecryptError
                        | AlertDescription::CertificateUnknown
                )
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_crowds_out_itself() {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let half_open: VecDeque<_> = [ip(1), ip(9), ip(9), ip(2), ip(9)].into_iter().map(|ip| (ip, ())).collect();
        assert_eq!(crowded(&half_open), Some(1));
        assert_eq!(crowded::<()>(&VecDeque::new()), None);
    }
}
