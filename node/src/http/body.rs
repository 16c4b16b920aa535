//! Request bodies: bounded in size and in time, readable from two places.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use metastamp_protocol::ErrorCode;
use parking_lot::Mutex;

use super::error::{ApiError, Result};

/// Longest JSON or form body.
const SMALL_BODY_BYTES_MAX: usize = 64 << 10;
/// Longest body of a batch.
const BATCH_BODY_BYTES_MAX: usize = 1 << 20;
/// Longest wait for a body that is read at once.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// What is read and thrown away after an early refusal, so that the client sees the answer instead of a reset.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

type Chunks = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, warp::Error>> + Send>>;

/// The body of one request. Clones share it: a handler reads, the edge throws away what the handler left.
#[derive(Clone)]
pub struct Body {
    chunks: Arc<Mutex<Option<Chunks>>>,
    /// Somebody has begun to read.
    touched: Arc<AtomicBool>,
}

impl Body {
    pub fn new<S, B>(stream: S) -> Self
    where
        S: Stream<Item = std::result::Result<B, warp::Error>> + Send + 'static,
        B: Buf,
    {
        let chunks = stream.map(|chunk| chunk.map(|mut data| data.copy_to_bytes(data.remaining())));
        Self { chunks: Arc::new(Mutex::new(Some(Box::pin(chunks)))), touched: Arc::default() }
    }

    pub fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    /// Reads all of a small body.
    pub async fn read_small(&mut self) -> Result<Bytes> {
        self.read_up_to(SMALL_BODY_BYTES_MAX).await
    }

    /// Reads all of the body of a batch.
    pub async fn read_batch(&mut self) -> Result<Bytes> {
        self.read_up_to(BATCH_BODY_BYTES_MAX).await
    }

    async fn read_up_to(&mut self, bytes_max: usize) -> Result<Bytes> {
        let read = async {
            let mut all = BytesMut::new();
            while let Some(chunk) = self.next().await {
                let chunk = chunk.map_err(|_| broken())?;
                if all.len() + chunk.len() > bytes_max {
                    let message = format!("The request body is larger than {bytes_max} bytes");
                    return Err(ApiError::new(ErrorCode::FileTooLarge, message));
                }
                all.extend_from_slice(&chunk);
            }
            Ok(all.freeze())
        };
        match tokio::time::timeout(BODY_WITHIN, read).await {
            Ok(result) => result,
            Err(_) => Err(ApiError::new(ErrorCode::UploadFailed, "The request body took too long").status(408)),
        }
    }

    /// Throws away what is left, up to a bound.
    pub async fn drain(&mut self) {
        let mut left = DRAIN_BYTES_MAX;
        let drain = async {
            while let Some(Ok(chunk)) = self.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_WITHIN, drain).await;
        self.chunks.lock().take();
    }
}

pub fn broken() -> ApiError {
    ApiError::new(ErrorCode::UploadFailed, "The request body broke off")
}

impl Stream for Body {
    type Item = std::result::Result<Bytes, warp::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.touched.store(true, Ordering::Relaxed);
        let mut chunks = self.chunks.lock();
        let Some(stream) = chunks.as_mut() else { return Poll::Ready(None) };
        let polled = stream.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *chunks = None;
        }
        polled
    }
}
