//! What an answer consists of: bytes that are all there, or a stream that is read no faster than the client takes it.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};

use crate::http::error::{Error, Result};

/// Pieces of a body. Dropped when the client goes away, and with them whatever makes them.
pub type Chunks = BoxStream<'static, Result<Bytes>>;

pub enum Body {
    Whole(Bytes),
    Stream {
        chunks: Chunks,
        /// Bytes it will have, where that is known beforehand: clients are told.
        length: Option<u64>,
    },
}

impl Body {
    /// A body of whatever length the stream gives it. A panic in it ends it like any other error.
    pub fn stream(chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        // The panic hook logs where and why.
        let caught = AssertUnwindSafe(chunks).catch_unwind();
        let chunks = caught.map(|chunk| chunk.unwrap_or_else(|_| Err(Error::internal())));
        Self::Stream { chunks: chunks.boxed(), length: None }
    }

    /// The same, with its length known.
    #[allow(dead_code, reason = "ready for the first download of a part")]
    pub fn of_length(self, bytes: u64) -> Self {
        match self {
            Self::Stream { chunks, .. } => Self::Stream { chunks, length: Some(bytes) },
            whole => whole,
        }
    }

    /// Bytes it has, or will have.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }

    /// All of it, where it is made in one piece.
    #[cfg(test)]
    pub fn whole(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Stream { .. } => panic!("this body is a stream"),
        }
    }

    /// All of it, as a client gets it.
    #[cfg(test)]
    pub async fn collect(self) -> Result<Vec<u8>> {
        use futures_util::TryStreamExt as _;
        match self {
            Self::Whole(bytes) => Ok(bytes.to_vec()),
            Self::Stream { chunks, .. } => {
                chunks.try_fold(Vec::new(), async |all, chunk| Ok([all, chunk.to_vec()].concat())).await
            }
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_panic_breaks_the_stream() {
        let body = Body::stream(stream::iter([0, 1]).map(|n| match n {
            0 => Ok(Bytes::from_static(b"a")),
            _ => panic!("a defect"),
        }));
        let Body::Stream { mut chunks, .. } = body else { panic!("is a stream") };
        assert_eq!(chunks.next().await.unwrap().unwrap().as_ref(), b"a");
        assert_eq!(chunks.next().await.unwrap().err().map(|error| error.status_code()), Some(500));
    }

    #[test]
    fn a_length_is_known_or_not() {
        let stream = || Body::stream(stream::empty());
        assert_eq!(Body::Whole(Bytes::from_static(b"abc")).length(), Some(3));
        assert_eq!((stream().length(), stream().of_length(7).length()), (None, Some(7)));
    }
}
