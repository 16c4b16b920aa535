//! Requests whose bodies take as long as their bytes do: what bounds them is silence, not time.
//!
//! Bytes count as taken when the system has them. It may hold a few megabytes on their way, so the answer to a request
//! must come within the silence after those.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::error::{Result, StoreError};

/// When the server last took bytes of a body.
#[derive(Clone)]
pub(super) struct Pace(Arc<Mutex<Instant>>);

impl Pace {
    pub(super) fn start() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn body<B>(&self, body: B) -> Paced<B> {
        Paced { body, pace: self.clone() }
    }

    /// The request, given up when the server neither takes bytes nor answers for `silence_max`.
    pub(super) async fn hold<T>(&self, silence_max: Duration, request: impl Future<Output = Result<T>>) -> Result<T> {
        let silence = async {
            loop {
                let until = *self.0.lock() + silence_max;
                if Instant::now() >= until {
                    return;
                }
                sleep_until(until).await;
            }
        };
        tokio::select! {
            result = request => result,
            () = silence => Err(StoreError::Unavailable(format!("object server silent for {} s", silence_max.as_secs_f32()))),
        }
    }
}

/// In place of the client's limits on time, for one request.
pub(super) fn no_time_limit(connect_within: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(connect_within)
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    Builder::new().timeout_config(timeouts)
}

/// A body that notes when its bytes are taken.
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            *self.pace.0.lock() = Instant::now();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
