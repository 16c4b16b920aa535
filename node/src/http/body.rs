//! Request bodies: bounded in size and in time, readable from two places, never slower than a floor.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use metastamp_protocol::ErrorCode;
use parking_lot::Mutex;

use super::error::{Error, Result};
use super::pace::Paced;

/// Longest JSON or form body.
const SMALL_BODY_BYTES_MAX: usize = 64 << 10;
/// Longest body of a batch.
const BATCH_BODY_BYTES_MAX: usize = 1 << 20;
/// Longest wait for a body that is read at once.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// What is read and thrown away after an early refusal, so that the client sees the answer instead of a reset.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// How long the body of a route may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// JSON or a form, read at once.
    Small,
    /// Many items, read at once.
    Batch,
    /// The handler reads it in pieces, under limits of its own.
    Streamed,
}

impl Limit {
    /// Longest body that is read at once. What is made to be read in pieces may be read at once if it is small.
    fn bytes_max(self) -> usize {
        match self {
            Limit::Small | Limit::Streamed => SMALL_BODY_BYTES_MAX,
            Limit::Batch => BATCH_BODY_BYTES_MAX,
        }
    }

    /// # Errors
    /// 413 for a length that can't be taken, before a byte of it has come.
    fn admit(self, declared: Option<u64>) -> Result<()> {
        let bytes_max = self.bytes_max();
        match declared {
            Some(declared) if self != Self::Streamed && declared > bytes_max as u64 => Err(too_large(bytes_max)),
            _ => Ok(()),
        }
    }
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(ErrorCode::FileTooLarge, format!("The request body is larger than {bytes_max} bytes"))
}

/// Why a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    #[error("the request body broke off")]
    Broken,
    #[error("the request body came too slowly")]
    TooSlow,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Broken => broken(),
            Failed::TooSlow => Self::new(ErrorCode::UploadFailed, "The request body came too slowly").status(408),
        }
    }
}

/// The bytes of a body as they come.
pub type Chunks = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, Failed>> + Send>>;

/// The body of one request. Clones share it: a handler reads, the edge throws away what the handler left.
#[derive(Clone)]
pub struct Body {
    chunks: Arc<Mutex<Option<Paced>>>,
    /// Somebody has begun to read.
    touched: Arc<AtomicBool>,
    limit: Limit,
    /// The length that the client said it would have.
    declared: Option<u64>,
}

impl Body {
    pub fn new<S, B>(stream: S) -> Self
    where
        S: Stream<Item = std::result::Result<B, warp::Error>> + Send + 'static,
        B: Buf,
    {
        let chunks = stream.map(|chunk| match chunk {
            Ok(mut data) => Ok(data.copy_to_bytes(data.remaining())),
            Err(_) => Err(Failed::Broken),
        });
        Self {
            chunks: Arc::new(Mutex::new(Some(Paced::new(Box::pin(chunks))))),
            touched: Arc::default(),
            limit: Limit::Small,
            declared: None,
        }
    }

    pub fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    /// The same body, read under the limit of a route.
    pub fn limited(self, limit: Limit, declared: Option<u64>) -> Self {
        Self { limit, declared, ..self }
    }

    /// Reads all of it, up to the limit of its route.
    ///
    /// # Errors
    /// 413 for what is longer, before a byte is read where the length was declared; 408 for what takes too long.
    pub async fn read(&mut self) -> Result<Bytes> {
        self.limit.admit(self.declared)?;
        let bytes_max = self.limit.bytes_max();
        let read = async {
            let mut all = BytesMut::new();
            while let Some(chunk) = self.next().await {
                let chunk = chunk?;
                if all.len() + chunk.len() > bytes_max {
                    return Err(too_large(bytes_max));
                }
                all.extend_from_slice(&chunk);
            }
            Ok(all.freeze())
        };
        match tokio::time::timeout(BODY_WITHIN, read).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorCode::UploadFailed, "The request body took too long").status(408)),
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

pub fn broken() -> Error {
    Error::new(ErrorCode::UploadFailed, "The request body broke off")
}

impl Stream for Body {
    type Item = std::result::Result<Bytes, Failed>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.touched.store(true, Ordering::Relaxed);
        let mut chunks = self.chunks.lock();
        let Some(stream) = chunks.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(stream).poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *chunks = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn body(chunks: &[usize]) -> Body {
        let chunks: Vec<_> = chunks.iter().map(|bytes| Ok(Bytes::from(vec![b'x'; *bytes]))).collect();
        Body::new(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_of_its_route() {
        for (limit, bytes_max) in [(Limit::Small, SMALL_BODY_BYTES_MAX), (Limit::Batch, BATCH_BODY_BYTES_MAX)] {
            let all = body(&[1, bytes_max - 1]).limited(limit, None).read().await.unwrap();
            assert_eq!(all.len(), bytes_max);
            let refused = body(&[bytes_max, 1]).limited(limit, None).read().await.err().unwrap();
            assert_eq!((refused.status_code(), refused.code), (413, ErrorCode::FileTooLarge));
            assert!(limit.admit(Some(bytes_max as u64)).is_ok() && limit.admit(None).is_ok());
            assert_eq!(limit.admit(Some(bytes_max as u64 + 1)).err().map(|error| error.status_code()), Some(413));
        }
        assert!(Limit::Streamed.admit(Some(u64::MAX)).is_ok());
    }

    #[tokio::test]
    async fn what_a_handler_left_is_thrown_away() {
        let mut seen = body(&[10, 20, 30]);
        let mut shared = seen.clone();
        assert!(!shared.is_touched());
        assert_eq!(seen.next().await.unwrap().unwrap().len(), 10);
        shared.drain().await;
        assert!(shared.is_touched() && seen.next().await.is_none());
    }
}
