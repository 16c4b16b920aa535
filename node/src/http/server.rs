//! Accepts connections and runs the warp filter on each, in the layers that every answer passes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use sync_wrapper::SyncStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;
use warp::{Filter, Reply as _};

use super::body;
use super::edge::{Edge, Incoming};
use super::response::{Body, Response};

/// Connections at once; beyond it new ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// A request's headers must be complete this long after the connection was opened or the request before was answered.
/// Longer than proxies keep idle connections (60 s), so that it is they who close them.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
/// Bytes of request line and headers.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Unless a route says otherwise.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A bound port, not yet serving.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes the port, so that a taken one fails before anything else is done.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `leave` ends, then lets running requests finish for at most `drain`.
    pub async fn run(self, edge: Arc<Edge>, leave: impl Future<Output = ()>, drain: Duration) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let graceful = GracefulShutdown::new();
        tokio::pin!(leave);
        loop {
            let accepted = async {
                let permit = connections.clone().acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let (permit, stream, peer) = tokio::select! {
                () = &mut leave => break,
                accepted = accepted => match accepted {
                    (Ok(permit), Ok((stream, peer))) => (permit, stream, peer),
                    // Out of file handles, or a connection that died in the queue: go on after a breath.
                    (_, Err(error)) => {
                        tracing::warn!(%error, "can't accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                    (Err(_), _) => break,
                },
            };
            let connection = graceful.watch(serve(edge.clone(), stream, peer));
            tokio::spawn(async move {
                // A connection that breaks off is the client's business; its request was logged.
                let _ = connection.await;
                drop(permit);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish before the drain deadline");
        }
    }
}

fn serve(
    edge: Arc<Edge>,
    stream: TcpStream,
    peer: SocketAddr,
) -> impl hyper_util::server::graceful::GracefulConnection + Send {
    // Without it small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(HeaderName::from_static("x-node"), edge.node()))
        .layer(SetResponseHeaderLayer::if_not_present(X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, NO_STORE))
        .service(warp::service(filter(edge, peer)));
    // HTTP/1.1 only: browsers speak HTTP/2 to the proxy in front, and telling the two apart without TLS means waiting
    // for bytes of a silent connection with no time limit.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

/// Every request, whatever its method and path, goes to the edge.
fn filter(
    edge: Arc<Edge>,
    peer: SocketAddr,
) -> impl Filter<Extract = (warp::reply::Response,), Error = warp::Rejection> + Clone {
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path: warp::path::FullPath, query, headers, stream| {
            let edge = edge.clone();
            let incoming = Incoming {
                method,
                path: path.as_str().to_owned(),
                query,
                headers,
                body: body::Body::new(stream),
                peer: Some(peer.ip()),
            };
            async move { reply(edge.handle(incoming).await) }.boxed()
        })
}

/// An answer as warp passes it on. The connection asks for the next piece of a stream when it has sent the one before,
/// and drops the stream when the client is gone.
fn reply(response: Response) -> warp::reply::Response {
    let (parts, body) = response.into_parts();
    match body {
        Body::Whole(bytes) => warp::reply::Response::from_parts(parts, bytes.into()),
        Body::Stream { chunks, length } => {
            let body = warp::reply::stream(SyncStream::new(chunks)).into_response().into_body();
            let mut response = warp::reply::Response::from_parts(parts, body);
            if let Some(length) = length {
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            response
        }
    }
}
