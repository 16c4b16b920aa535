//! A tiny load balancer: each connection goes to the next node that is ready. For one machine and for trying things out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use metastamp_protocol::ErrorCode;
use metastamp_protocol::http::ErrorBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections at once; beyond it new ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// What is read of a request that nobody can answer, so that its sender sees the refusal instead of a reset.
const REFUSED_BYTES_MAX: u64 = 1 << 20;
const REFUSED_WITHIN: Duration = Duration::from_secs(2);

/// The nodes behind the balancer, and which of them are ready.
pub struct Backends {
    all: Vec<Backend>,
    next: AtomicUsize,
}

struct Backend {
    address: SocketAddr,
    /// Our own process is behind it: whoever else answers at that port is a stranger.
    alive: AtomicBool,
    ready: AtomicBool,
}

impl Backends {
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let backend = |address| Backend { address, alive: AtomicBool::new(false), ready: AtomicBool::new(false) };
        Self { all: addresses.into_iter().map(backend).collect(), next: AtomicUsize::new(0) }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn address(&self, at: usize) -> SocketAddr {
        self.all[at].address
    }

    pub fn set_ready(&self, at: usize, ready: bool) {
        self.all[at].ready.store(ready, Ordering::Relaxed);
    }

    pub fn set_alive(&self, at: usize, alive: bool) {
        self.all[at].alive.store(alive, Ordering::Relaxed);
    }

    pub fn is_ready(&self, at: usize) -> bool {
        let backend = &self.all[at];
        backend.alive.load(Ordering::Relaxed) && backend.ready.load(Ordering::Relaxed)
    }

    /// Those that are ready, in the order in which one connection should try them: the next one's turn is next.
    fn turn(&self) -> Vec<usize> {
        let mut ready: Vec<usize> = (0..self.all.len()).filter(|at| self.is_ready(*at)).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        if !ready.is_empty() {
            let first = turn % ready.len();
            ready.rotate_left(first);
        }
        ready
    }

    /// A connection to the first node of this turn that takes one.
    async fn connect(&self) -> Option<TcpStream> {
        for at in self.turn() {
            match timeout(CONNECT_WITHIN, TcpStream::connect(self.all[at].address)).await {
                Ok(Ok(stream)) => return Some(stream),
                // The next look at it tells whether it is back.
                _ => self.set_ready(at, false),
            }
        }
        None
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, backends: Arc<Backends>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let backends = backends.clone();
                tokio::spawn(async move {
                    pass(client, &backends).await;
                    drop(permit);
                });
            }
            // Out of file handles, or a connection that died in the queue: go on after a breath.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A connection that breaks off is the business of those at its ends.
async fn pass(mut client: TcpStream, backends: &Backends) {
    let _ = client.set_nodelay(true);
    match backends.connect().await {
        Some(mut node) => {
            let _ = node.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut client, &mut node).await;
        }
        None => {
            let _ = timeout(REFUSED_WITHIN, refuse(client)).await;
        }
    }
}

async fn refuse(mut client: TcpStream) -> std::io::Result<()> {
    client.write_all(refusal().as_bytes()).await?;
    client.shutdown().await?;
    tokio::io::copy(&mut client.take(REFUSED_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

/// As a node would say it.
fn refusal() -> String {
    let id = format!("{:032x}", rand::random::<u128>());
    let body = ErrorBody::new(ErrorCode::ServiceUnavailable, 503, "No node is ready, please try again", &id);
    let body = serde_json::to_string(&body).unwrap_or_default();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nX-Request-ID: {id}\r\nX-Process-Time: 0.00ms\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that says its name and closes.
    async fn node(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(name.as_bytes()).await;
            }
        });
        address
    }

    /// An address at which nobody listens.
    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    async fn balancer(addresses: Vec<SocketAddr>) -> (SocketAddr, Arc<Backends>) {
        let backends = Arc::new(Backends::new(addresses));
        (0..backends.len()).for_each(|at| backends.set_alive(at, true));
        (0..backends.len()).for_each(|at| backends.set_ready(at, true));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, backends.clone()));
        (address, backends)
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[test]
    fn turns_go_round_among_those_that_are_ready() {
        let address = "127.0.0.1:1".parse().unwrap();
        let backends = Backends::new([address; 3]);
        assert!(backends.turn().is_empty());
        (0..3).for_each(|at| backends.set_alive(at, true));
        (0..3).for_each(|at| backends.set_ready(at, true));
        let firsts: Vec<usize> = (0..6).map(|_| backends.turn()[0]).collect();
        assert_eq!(firsts.iter().filter(|at| **at == 1).count(), 2);
        assert!(firsts.windows(2).all(|pair| (pair[0] + 1) % 3 == pair[1]), "{firsts:?}");
        backends.set_ready(1, false);
        assert!((0..6).all(|_| backends.turn().len() == 2 && !backends.turn().contains(&1)));
    }

    #[tokio::test]
    async fn a_node_that_takes_no_connection_is_passed_over() {
        let (address, backends) = balancer(vec![node("a").await, nobody().await, node("c").await]).await;
        for _ in 0..6 {
            assert!(["a", "c"].contains(&ask(address).await.as_str()));
        }
        assert!(backends.is_ready(0) && !backends.is_ready(1) && backends.is_ready(2));
    }

    #[tokio::test]
    async fn when_no_node_is_there_the_answer_is_the_contract_s() {
        let (address, _) = balancer(vec![nobody().await]).await;
        let answer = ask(address).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["error"]["code"], "SERVICE_UNAVAILABLE");
        assert!(answer.contains(&format!("X-Request-ID: {}\r\n", body["request_id"].as_str().unwrap())));
    }
}
