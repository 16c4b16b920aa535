//! Accepts connections and runs the warp filter on each, in the layers that every answer passes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use sync_wrapper::SyncStream;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;
use warp::{Filter, Reply as _};

use super::body;
use super::connections::{Bounds, Connections, Evicted, Place, Room};
use super::edge::{Edge, Incoming};
use super::response::{Body, Response};

/// A request's headers must be complete this long after the connection was opened or the request before was answered.
/// Longer than proxies keep idle connections (60 s), so that it is they who close them.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
/// The same for connections that are only good for a probe.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of request line and headers.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Unless a route says otherwise.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A bound port, not yet serving.
pub struct Server {
    listener: TcpListener,
    connections: Connections,
}

impl Server {
    /// Takes the port, so that a taken one fails before anything else is done.
    pub async fn bind(address: SocketAddr, bounds: Bounds) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, connections: Connections::new(bounds) })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `leave` ends, then lets running requests finish for at most `drain`.
    pub async fn run(self, edge: Arc<Edge>, leave: impl Future<Output = ()>, drain: Duration) {
        let graceful = GracefulShutdown::new();
        tokio::pin!(leave);
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut leave => break,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    // Out of file handles, or a connection that died in the queue: go on after a breath.
                    Err(error) => {
                        tracing::warn!(%error, "can't accept a connection");
                        self.connections.close_idle();
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let (place, evicted) = self.connections.admit(peer.ip(), edge.is_proxy(peer.ip()));
            let connection = graceful.watch(serve(edge.clone(), stream, peer, place));
            tokio::spawn(until_evicted(connection, evicted));
        }
        drop(self.listener);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish before the drain deadline");
        }
    }
}

/// A connection that breaks off is the client's business; its request was logged. One that must make room is closed.
async fn until_evicted(connection: impl Future, evicted: Evicted) {
    tokio::select! {
        _ = connection => {}
        _ = evicted => {}
    }
}

fn serve(
    edge: Arc<Edge>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) -> impl hyper_util::server::graceful::GracefulConnection + Send {
    // Without it small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(HeaderName::from_static("x-node"), edge.node()))
        .layer(SetResponseHeaderLayer::if_not_present(X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, NO_STORE))
        .service(warp::service(filter(edge, peer, place.room)));
    let service = TowerToHyperService::new(service);
    let room = place.room;
    // Busy until the last piece of the answer was taken.
    let service = service_fn(move |request| {
        let (busy, answer) = (place.busy(), service.call(request));
        async move {
            let answer = answer.await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| {
                body.map_err(move |error| {
                    let _held = &busy;
                    error
                })
            }))
        }
    });
    let patience = if room == Room::Probes { PROBE_WITHIN } else { HEADERS_WITHIN };
    // HTTP/1.1 only: browsers speak HTTP/2 to the proxy in front, and telling the two apart without TLS means waiting
    // for bytes of a silent connection with no time limit.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(room == Room::Everything)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}

/// Every request, whatever its method and path, goes to the edge.
fn filter(
    edge: Arc<Edge>,
    peer: SocketAddr,
    room: Room,
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
                room,
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
