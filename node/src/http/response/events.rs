//! Server-sent events: answers that go on for as long as there is something to tell.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::HeaderValue;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
pub use warp::sse::Event;

use super::{Response, streamed};
use crate::http::error::Result;

/// Silence is broken by a comment this often: proxies cut connections on which nothing moves, and a client that is gone
/// shows when it is written to.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// How soon a client comes back after the stream has ended.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Tells `events` until they end, or until `leaving` does: then the node is about to go, and clients find another one.
#[allow(dead_code, reason = "ready for the first route that tells of what goes on")]
pub fn events<S, L>(events: S, leaving: L) -> Response
where
    S: Stream<Item = Result<Event>> + Send + 'static,
    L: Future<Output = ()> + Send + 'static,
{
    events_with(events, leaving, HEARTBEAT_EVERY)
}

fn events_with<S, L>(events: S, leaving: L, heartbeat_every: Duration) -> Response
where
    S: Stream<Item = Result<Event>> + Send + 'static,
    L: Future<Output = ()> + Send + 'static,
{
    // Said at once: until then a browser does not know that it is connected.
    let first = stream::iter([Ok(Event::default().retry(RETRY_AFTER))]);
    let all = first.chain(with_heartbeats(events, heartbeat_every)).take_until(leaving);
    let lines = all.map(|event| event.map(|event| Bytes::from(event.to_string())));
    let mut response = streamed(200, "text/event-stream", lines);
    // nginx would keep events back until its buffer is full
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The events, and a comment whenever there was none for a while.
fn with_heartbeats(
    events: impl Stream<Item = Result<Event>> + Send + 'static,
    every: Duration,
) -> impl Stream<Item = Result<Event>> + Send {
    let mut beat = interval_at(Instant::now() + every, every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((Box::pin(events), beat), async |(mut events, mut beat)| {
        let event = tokio::select! {
            biased;
            event = events.next() => event?,
            _ = beat.tick() => Ok(Event::default().comment("")),
        };
        beat.reset();
        Some((event, (events, beat)))
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::http::response::{Body, Chunks};

    const EVERY: Duration = Duration::from_millis(50);

    /// An open stream: what tells, what ends it, and what the client gets.
    fn open() -> (mpsc::Sender<Event>, oneshot::Sender<()>, Chunks) {
        let (tell, told) = mpsc::channel(8);
        let (leave, left) = oneshot::channel();
        let told = stream::unfold(told, async |mut told| told.recv().await.map(|event| (Ok(event), told)));
        let response = events_with(told, async { drop(left.await) }, EVERY);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let Body::Stream { chunks, length: None } = response.into_body() else { panic!("is a stream") };
        (tell, leave, chunks)
    }

    async fn next(chunks: &mut Chunks) -> Option<String> {
        chunks.next().await.map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn silence_is_broken_by_comments() {
        let (tell, _leave, mut chunks) = open();
        assert_eq!(next(&mut chunks).await.unwrap(), "retry:1000\n\n");
        let started = Instant::now();
        assert_eq!(next(&mut chunks).await.unwrap(), ":\n\n");
        assert!(started.elapsed() >= EVERY - Duration::from_millis(2));
        tell.send(Event::default().event("progress").data("a\nb")).await.unwrap();
        // on a slow machine comments may come before it
        let mut came = next(&mut chunks).await.unwrap();
        while came == ":\n\n" {
            came = next(&mut chunks).await.unwrap();
        }
        assert_eq!(came, "event:progress\ndata:a\ndata:b\n\n");
        // what was told counts as a sign of life
        let told = Instant::now();
        assert_eq!(next(&mut chunks).await.unwrap(), ":\n\n");
        assert!(told.elapsed() >= EVERY - Duration::from_millis(2));
    }

    #[tokio::test]
    async fn it_ends_with_the_events_or_with_the_node() {
        let (tell, _leave, mut chunks) = open();
        next(&mut chunks).await.unwrap();
        drop(tell);
        assert_eq!(next(&mut chunks).await, None);
        let (tell, leave, mut chunks) = open();
        next(&mut chunks).await.unwrap();
        leave.send(()).unwrap();
        assert_eq!(next(&mut chunks).await, None);
        drop(chunks);
        // whoever tells learns that nobody listens
        tell.closed().await;
    }
}
