//! Reading objects: what is known of them, parts of them, all of them as a stream or into a file.

use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, Sleep};

use super::client::{ObjectInfo, Objects, unquoted};
use super::error::{broken_body, status, store_error};
use super::observe::observe;
use crate::error::{Result, StoreError};

/// Most bytes [`Objects::get_range`] puts into memory.
const RANGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes a download gathers before it writes them.
const FILE_BUFFER_BYTES: usize = 256 * 1024;

/// The bytes of an object as they arrive; ends with an error when the server falls silent or breaks off.
pub struct ObjectStream {
    body: ByteStream,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    waiting: bool,
    info: ObjectInfo,
}

/// What a download brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    pub size: u64,
    /// Hex, of the bytes as they arrived.
    pub sha256: String,
}

impl ObjectStream {
    fn new(output: GetObjectOutput, silence_max: Duration) -> Self {
        let info = ObjectInfo {
            size: u64::try_from(output.content_length().unwrap_or_default()).unwrap_or_default(),
            etag: unquoted(output.e_tag()),
            content_type: output.content_type().map(str::to_owned),
        };
        Self {
            body: output.body,
            silence: Box::pin(tokio::time::sleep(silence_max)),
            silence_max,
            waiting: false,
            info,
        }
    }

    /// Size, tag and type as the server announced them.
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }
}

impl Stream for ObjectStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(chunk) = Pin::new(&mut this.body).poll_next(cx) {
            this.waiting = false;
            return Poll::Ready(chunk.map(|chunk| chunk.map_err(broken_body)));
        }
        // only the time somebody waits for bytes counts
        if !this.waiting {
            this.waiting = true;
            this.silence.as_mut().reset(Instant::now() + this.silence_max);
        }
        match this.silence.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.waiting = false;
                let seconds = this.silence_max.as_secs_f32();
                Poll::Ready(Some(Err(StoreError::Unavailable(format!("object body silent for {seconds} s")))))
            }
        }
    }
}

impl Objects {
    /// What is known of the object, or none when it is not there.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        observe("head", async {
            match self.inner.client.head_object().bucket(self.bucket()).key(key).send().await {
                Ok(output) => Ok(Some(ObjectInfo {
                    size: u64::try_from(output.content_length().unwrap_or_default()).unwrap_or_default(),
                    etag: unquoted(output.e_tag()),
                    content_type: output.content_type().map(str::to_owned),
                })),
                Err(error) if status(&error) == Some(404) => Ok(None),
                Err(error) => Err(store_error(error)),
            }
        })
        .await
    }

    /// The bytes of `range` (at most 16 MiB) that exist; fewer, or none, past the object's end.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(Bytes::new());
        }
        if length > RANGE_BYTES_MAX {
            return Err(StoreError::Limit(format!("range of {length} bytes, at most {RANGE_BYTES_MAX}")));
        }
        observe("get_range", async {
            let header = format!("bytes={}-{}", range.start, range.end - 1);
            let request = self.inner.client.get_object().bucket(self.bucket()).key(key).range(header);
            let output = match request.send().await {
                Ok(output) => output,
                Err(error) if status(&error) == Some(416) => return Ok(Bytes::new()),
                Err(error) => return Err(store_error(error)),
            };
            let mut stream = ObjectStream::new(output, self.inner.op_timeout);
            let mut bytes = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk?);
                if bytes.len() as u64 > length {
                    return Err(StoreError::Internal("server answered more than the range".into()));
                }
            }
            Ok(bytes.freeze())
        })
        .await
    }

    /// The whole object as a stream; the duration recorded is that to its first byte.
    pub async fn open(&self, key: &str) -> Result<ObjectStream> {
        observe("open", async {
            let sent = self.inner.client.get_object().bucket(self.bucket()).key(key).send().await;
            Ok(ObjectStream::new(sent.map_err(store_error)?, self.inner.op_timeout))
        })
        .await
    }

    /// Streams the object into the file `dest`, replacing it; returns what arrived. More than `bytes_max` is refused. No
    /// file is left behind on failure.
    pub async fn download(&self, key: &str, dest: &Path, bytes_max: u64) -> Result<Downloaded> {
        observe("download", async {
            let downloaded = self.download_into(key, dest, bytes_max).await;
            if downloaded.is_err() {
                _ = tokio::fs::remove_file(dest).await;
            }
            downloaded
        })
        .await
    }

    async fn download_into(&self, key: &str, dest: &Path, bytes_max: u64) -> Result<Downloaded> {
        let too_large = |size: u64| StoreError::Limit(format!("object of {size} bytes or more, at most {bytes_max}"));
        let local = |error: std::io::Error| StoreError::Internal(format!("download to {}: {error}", dest.display()));
        let sent = self.inner.client.get_object().bucket(self.bucket()).key(key).send().await;
        let mut stream = ObjectStream::new(sent.map_err(store_error)?, self.inner.op_timeout);
        let announced = stream.info().size;
        if announced > bytes_max {
            return Err(too_large(announced));
        }
        let mut file = tokio::fs::File::create(dest).await.map_err(local)?;
        file.set_max_buf_size(FILE_BUFFER_BYTES);
        let (mut size, mut sha256) = (0, Sha256::new());
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            if size > bytes_max {
                return Err(too_large(size));
            }
            sha256.update(&chunk);
            file.write_all(&chunk).await.map_err(local)?;
        }
        file.flush().await.map_err(local)?;
        if size != announced {
            return Err(broken_body("fewer bytes than announced"));
        }
        Ok(Downloaded { size, sha256: hex::encode(sha256.finalize()) })
    }
}
