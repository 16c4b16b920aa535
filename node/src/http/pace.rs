//! A floor under the speed of request bodies: who sends slower holds what others wait for.
//!
//! Only the time counts in which we wait for the client. While a store is slow, nobody is to blame for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::body::{Chunks, Failed};

/// Slowest body, over a window of waiting.
const BYTES_PER_SECOND_MIN: u64 = 1 << 10;
const WINDOW: Duration = Duration::from_secs(30);
const FLOOR: Floor = Floor { bytes: BYTES_PER_SECOND_MIN * WINDOW.as_secs(), within: WINDOW };

/// What must have come within this time of waiting.
#[derive(Debug, Clone, Copy)]
struct Floor {
    bytes: u64,
    within: Duration,
}

/// A body that must bring so many bytes in every window.
pub struct Paced {
    chunks: Chunks,
    window: Window,
    /// Ends with the window, if the client sends nothing until then.
    end: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
}

struct Window {
    floor: Floor,
    bytes: u64,
    waited: Duration,
}

impl Window {
    fn of(floor: Floor) -> Self {
        Self { floor, bytes: 0, waited: Duration::ZERO }
    }

    /// How much longer it takes.
    fn left(&self) -> Duration {
        self.floor.within.saturating_sub(self.waited)
    }

    /// What was waited for `waited`; false when that was too little.
    fn note(&mut self, bytes: u64, waited: Duration) -> bool {
        self.bytes += bytes;
        self.waited += waited;
        if self.waited < self.floor.within {
            return true;
        }
        let enough = self.bytes >= self.floor.bytes;
        *self = Self::of(self.floor);
        enough
    }
}

impl Paced {
    pub fn new(chunks: Chunks) -> Self {
        Self::over(chunks, FLOOR)
    }

    fn over(chunks: Chunks, floor: Floor) -> Self {
        Self { chunks, window: Window::of(floor), end: None, waiting_since: None }
    }

    /// How long this wait has been, which ends with it.
    fn waited(&mut self) -> Duration {
        self.end = None;
        self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, Failed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match this.chunks.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                let waited = this.waited();
                let in_time = this.window.note(chunk.len() as u64, waited);
                Poll::Ready(Some(if in_time { Ok(chunk) } else { Err(Failed::TooSlow) }))
            }
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => {
                this.waiting_since.get_or_insert_with(Instant::now);
                let left = this.window.left();
                let end = this.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
                std::task::ready!(end.as_mut().poll(cx));
                // The window is over without one more byte.
                let waited = this.waited();
                if this.window.note(0, waited) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Failed::TooSlow)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    /// Seconds until pieces of so many bytes, one every so many seconds, are too slow; at most ten minutes.
    fn too_slow_after(bytes: u64, every: u64) -> Option<u64> {
        let mut window = Window::of(FLOOR);
        (1..=600 / every).find(|_| !window.note(bytes, Duration::from_secs(every))).map(|pieces| pieces * every)
    }

    #[test]
    fn a_byte_now_and_then_is_too_slow() {
        assert_eq!(too_slow_after(1, 8), Some(32));
        assert_eq!(too_slow_after(1_000, 1), Some(30));
        assert_eq!(too_slow_after(30_719, 30), Some(30));
    }

    #[test]
    fn what_keeps_above_the_floor_may_take_its_time() {
        assert_eq!(too_slow_after(1_024, 1), None);
        assert_eq!(too_slow_after(40_000, 29), None, "with pauses");
    }

    #[test]
    fn one_good_window_does_not_excuse_the_next() {
        let mut window = Window::of(FLOOR);
        assert!(window.note(10 << 20, WINDOW));
        assert!(!window.note(10, WINDOW));
    }

    #[test]
    fn the_time_that_we_take_is_not_the_clients() {
        let mut window = Window::of(FLOOR);
        assert!((0..10_000).all(|_| window.note(1, Duration::ZERO)));
    }

    const SOON: Floor = Floor { bytes: 1_000, within: Duration::from_millis(20) };

    #[tokio::test]
    async fn silence_ends_with_the_window() {
        let first = stream::iter([Ok(Bytes::from_static(b"x"))]);
        let mut paced = Paced::over(Box::pin(first.chain(stream::pending())), SOON);
        assert_eq!(paced.next().await, Some(Ok(Bytes::from_static(b"x"))));
        assert_eq!(paced.next().await, Some(Err(Failed::TooSlow)));
    }

    #[tokio::test]
    async fn a_window_that_had_enough_is_followed_by_another() {
        let piece = Bytes::from(vec![b'x'; 1_000]);
        let first = stream::iter([Ok(piece.clone())]);
        let mut paced = Paced::over(Box::pin(first.chain(stream::pending())), SOON);
        assert_eq!(paced.next().await, Some(Ok(piece)));
        let began = Instant::now();
        assert_eq!(paced.next().await, Some(Err(Failed::TooSlow)));
        assert!(began.elapsed() >= SOON.within * 2);
    }

    #[tokio::test]
    async fn what_is_there_comes_through_to_its_end() {
        let pieces: Vec<_> = (0..5).map(|_| Ok(Bytes::from_static(b"x"))).collect();
        let paced = Paced::over(Box::pin(stream::iter(pieces)), SOON);
        assert_eq!(paced.map(Result::unwrap).collect::<Vec<_>>().await.len(), 5);
    }
}
