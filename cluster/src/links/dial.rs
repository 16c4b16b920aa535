//! Opens a connection to another member and proves who we are.

use std::net::SocketAddr;
use std::time::Duration;

use metastamp_protocol::{NodeRef, Store};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::server::{Arrival, Server};
use super::{hello, tls};

/// Connection, TLS and hello together.
const DIAL_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no answer in time")]
    Timeout,
    #[error("can't connect: {0}")]
    Connect(std::io::Error),
    /// Wrong secret, wrong certificate, or somebody else at that address.
    #[error("refused as a member: {0}")]
    Refused(std::io::Error),
    #[error("{0} answered instead")]
    Stranger(NodeRef),
    #[error("it works on other {}", .0.as_str())]
    Stores(Store),
}

/// Dials `node` at `address`. Success means that both sides know each other; the link is up when its session says so.
pub async fn dial(server: &Server, node: &NodeRef, address: SocketAddr) -> Result<(), DialError> {
    let attempt = async {
        let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
        super::prepare(&stream);
        let local = stream.local_addr().map_err(DialError::Connect)?;
        let name = ServerName::try_from(node.node_id.clone());
        let name = name.map_err(|_| DialError::Refused(std::io::ErrorKind::InvalidInput.into()))?;
        let mut stream = server.tls().connector.connect(name, stream).await.map_err(DialError::Refused)?;
        let tells_stores = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_STORES);
        hello::say(&mut stream, server.local()).await.map_err(DialError::Refused)?;
        if tells_stores {
            hello::say_text(&mut stream, &server.stores()).await.map_err(DialError::Refused)?;
        }
        let answered = hello::hear(&mut stream).await.map_err(DialError::Refused)?;
        if answered.node_id != node.node_id {
            return Err(DialError::Stranger(answered));
        }
        if tells_stores {
            let stores = hello::hear_text(&mut stream).await.map_err(DialError::Refused)?;
            if let Some(store) = server.conflict(&stores) {
                return Err(DialError::Stores(store));
            }
        }
        server.opened(Arrival::Dialled { stream, local, node: answered });
        Ok(())
    };
    tokio::time::timeout(DIAL_WITHIN, attempt).await.unwrap_or(Err(DialError::Timeout))
}
