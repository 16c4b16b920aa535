//! Uploads of unknown length in constant memory.
//!
//! S3 wants the length of every request, and parts of 5 MiB. So at most 256 KiB are held in memory; beyond, bytes go to
//! one unlinked spool file, and each time it holds a part, the part is streamed from there and the file used again.
//! What fits one request is sent as one request at the end. The object appears with [`ObjectWriter::finish`], or not.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

use super::client::{CONNECT_TIMEOUT, Objects, unquoted};
use super::error::store_error;
use super::file_stream::{Piece, Source};
use super::multipart::{PART_BYTES, PARTS_MAX, UploadedPart, file_body};
use super::observe::observe;
use super::pace::{Pace, no_time_limit};
use crate::error::{Result, StoreError};

/// Most bytes a writer holds in memory.
const BUFFER_BYTES: usize = 256 * 1024;
// a full spool must be whole buffers, or parts would not have the size they must have
const _: () = assert!(PART_BYTES.is_multiple_of(BUFFER_BYTES as u64));

/// What an upload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

/// One upload under way. Dropping it gives the upload up.
pub struct ObjectWriter {
    objects: Objects,
    key: String,
    content_type: String,
    spool_dir: PathBuf,
    buffer: BytesMut,
    spool: Option<Arc<File>>,
    spooled: u64,
    upload: Option<Upload>,
    written: u64,
    buffered_max: usize,
    failed: bool,
}

/// The multipart upload a writer started.
struct Upload {
    id: String,
    parts: Vec<UploadedPart>,
}

impl Objects {
    /// An upload whose length the caller need not know; `spool_dir` takes its temporary file.
    pub fn writer(&self, key: &str, content_type: &str, spool_dir: &Path) -> ObjectWriter {
        ObjectWriter {
            objects: self.clone(),
            key: key.to_owned(),
            content_type: content_type.to_owned(),
            spool_dir: spool_dir.to_owned(),
            buffer: BytesMut::new(),
            spool: None,
            spooled: 0,
            upload: None,
            written: 0,
            buffered_max: 0,
            failed: false,
        }
    }
}

impl ObjectWriter {
    /// Takes the next bytes. Returns when they are in memory, in the spool, or at the server: the caller's pace follows
    /// the server's. After a failure the upload can only be given up.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.check()?;
        // set for the time of the work: a write that was cancelled half-way leaves a hole
        self.failed = true;
        while !bytes.is_empty() {
            if self.buffer.len() == BUFFER_BYTES {
                self.spill().await?;
            }
            let room = (BUFFER_BYTES - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..room]);
            self.buffered_max = self.buffered_max.max(self.buffer.len());
            bytes.advance(room);
            self.written += room as u64;
        }
        self.failed = false;
        Ok(())
    }

    /// Bytes taken so far.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Most bytes that were in memory at any time.
    pub fn buffered_bytes_max(&self) -> usize {
        self.buffered_max
    }

    /// Makes the object visible. When this fails with [`StoreError::Unavailable`] the outcome is unknown.
    pub async fn finish(mut self) -> Result<Stored> {
        self.check()?;
        if self.upload.is_none() {
            return self.finish_single().await;
        }
        if !self.buffer.is_empty() {
            self.flush_to_spool().await?;
        }
        if self.spooled > 0 {
            self.upload_spool().await?;
        }
        let Some(upload) = &self.upload else { return Err(lost()) };
        let etag = self.objects.complete_multipart(&self.key, &upload.id, &upload.parts).await?;
        self.upload = None;
        Ok(Stored { size: self.written, etag })
    }

    /// Gives the upload up; nothing of it stays at the server.
    pub async fn abort(mut self) -> Result<()> {
        match self.upload.take() {
            Some(upload) => self.objects.abort_multipart(&self.key, &upload.id).await,
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        if self.failed { Err(lost()) } else { Ok(()) }
    }

    /// Empties the full buffer into the spool, and the spool into a part when it holds one.
    async fn spill(&mut self) -> Result<()> {
        self.flush_to_spool().await?;
        if self.spooled == PART_BYTES {
            self.upload_spool().await?;
        }
        Ok(())
    }

    async fn flush_to_spool(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let (known, dir, offset) = (self.spool.clone(), self.spool_dir.clone(), self.spooled);
        let work = move || {
            let spool = match known {
                Some(spool) => spool,
                None => Arc::new(tempfile::tempfile_in(dir)?),
            };
            spool.write_all_at(&buffer, offset)?;
            Ok((buffer, spool))
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).and_then(|done| done);
        let (mut buffer, spool) = done.map_err(|error| StoreError::Internal(format!("upload spool: {error}")))?;
        self.spooled += buffer.len() as u64;
        self.spool = Some(spool);
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn spool_piece(&self) -> Result<Piece> {
        let spool = self.spool.as_ref().ok_or_else(lost)?;
        Ok(Piece { source: Source::Open(Arc::clone(spool)), offset: 0, len: self.spooled })
    }

    async fn upload_spool(&mut self) -> Result<()> {
        let piece = self.spool_piece()?;
        if self.upload.is_none() {
            let id = self.objects.create_multipart(&self.key, &self.content_type).await?;
            self.upload = Some(Upload { id, parts: Vec::new() });
        }
        let Some(upload) = &mut self.upload else { return Err(lost()) };
        let number = i32::try_from(upload.parts.len()).unwrap_or(PARTS_MAX) + 1;
        if number > PARTS_MAX {
            return Err(StoreError::Limit(format!("object of more than {PARTS_MAX} parts")));
        }
        let part = self.objects.upload_part(&self.key, &upload.id, number, piece).await?;
        upload.parts.push(part);
        self.spooled = 0;
        Ok(())
    }

    async fn finish_single(&mut self) -> Result<Stored> {
        if self.spool.is_none() {
            let bytes = std::mem::take(&mut self.buffer).freeze();
            return self.objects.put(&self.key, &self.content_type, bytes).await;
        }
        if !self.buffer.is_empty() {
            self.flush_to_spool().await?;
        }
        let (piece, size) = (self.spool_piece()?, self.written);
        observe("put", async {
            let request = self.objects.inner.client.put_object().bucket(self.objects.bucket()).key(&self.key);
            let pace = Pace::start();
            let request = request.content_type(&self.content_type).body(file_body(piece, &pace));
            let request = request.customize().disable_payload_signing().config_override(no_time_limit(CONNECT_TIMEOUT));
            let sent = async { request.send().await.map_err(store_error) };
            let output = pace.hold(self.objects.inner.op_timeout, sent).await?;
            Ok(Stored { size, etag: unquoted(output.e_tag()) })
        })
        .await
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) else { return };
        let (objects, key) = (self.objects.clone(), std::mem::take(&mut self.key));
        runtime.spawn(async move {
            if let Err(error) = objects.abort_multipart(&key, &upload.id).await {
                tracing::warn!(%error, key, "multipart upload not aborted");
            }
        });
    }
}

fn lost() -> StoreError {
    StoreError::Internal("upload failed before".into())
}
