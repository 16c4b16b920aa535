//! The listener: a bounded number of HTTP/1.1 connections on loopback, drained at shutdown.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::service::S3Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::edge::Edge;

const CONNECTIONS_MAX: usize = 512;
/// Read buffer of one connection, and so the largest header block.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Also ends idle connections; clients let go of theirs earlier.
const HEADER_READ_MAX: Duration = Duration::from_secs(60);
/// How long requests under way may still take at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

pub(super) async fn serve(listener: TcpListener, service: S3Service, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // out of file descriptors, most likely: give others a moment to close
                tracing::warn!(%error, "object connection not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), Edge(service.clone()));
        let watched = graceful.watch(connection);
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = watched.await {
                tracing::debug!(%error, "object connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!("object requests cut off after {} s", DRAIN_MAX.as_secs());
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}
