//! A file that is coming in: its first bytes are judged, all of them counted, hashed and sent on to the object store. No
//! file is ever held whole.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use metastamp_protocol::files::{Refusal, SNIFF_BYTES, Sniffed, check_content, sniff};
use metastamp_protocol::{ErrorCode, NewUpload, Received};
use metastamp_store::StoreError;
use metastamp_store::objects::ObjectWriter;
use metrics::counter;

use super::meter::Meter;
use super::session::OpenSession;
use super::{Stored, Tools, refused};
use crate::error::{Error, Result};
use crate::metrics::UPLOAD_BYTES_TOTAL;

/// When enough is there to refuse what is dangerous.
const EARLY_BYTES: usize = 4_096;

/// One file under way. Dropped, it is given up.
pub struct Incoming {
    tools: Arc<Tools>,
    new: NewUpload,
    meter: Meter,
    stage: Stage,
}

enum Stage {
    /// Too few bytes to say what they are.
    Head(BytesMut),
    Body(Box<Body>),
    /// Refused, failed or cut off half-way: nothing that follows may pass for the beginning of a file.
    Failed,
}

/// Where the bytes go.
struct Body {
    writer: ObjectWriter,
    session: OpenSession,
    mime_type: &'static str,
}

impl Incoming {
    pub(super) fn new(tools: Arc<Tools>, new: NewUpload, meter: Meter) -> Self {
        Self { tools, new, meter, stage: Stage::Head(BytesMut::new()) }
    }

    /// Takes the next bytes, at the pace of the object store. After a failure the upload can only be given up.
    ///
    /// # Errors
    /// 400 at the limit of direct uploads, 413 above that of all; 415 for content that does not go with the name; 503
    /// when a store does not take it.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let stage = std::mem::replace(&mut self.stage, Stage::Failed);
        self.meter.count(&chunk)?;
        self.stage = match stage {
            Stage::Head(head) if head.is_empty() && chunk.len() >= SNIFF_BYTES => Stage::Body(self.begin(chunk).await?),
            Stage::Head(mut head) => {
                let early = head.len() < EARLY_BYTES && head.len() + chunk.len() >= EARLY_BYTES;
                head.extend_from_slice(&chunk);
                if early {
                    refused_early(&head)?;
                }
                if head.len() < SNIFF_BYTES { Stage::Head(head) } else { Stage::Body(self.begin(head.freeze()).await?) }
            }
            Stage::Body(mut body) => {
                body.writer.write(chunk).await.map_err(storage)?;
                Stage::Body(body)
            }
            Stage::Failed => return Err(failed_before()),
        };
        Ok(())
    }

    /// Judges the first bytes, opens the session and stores them.
    async fn begin(&self, head: Bytes) -> Result<Box<Body>> {
        let mime_type = check_content(&self.new.file_name, &head).map_err(refused)?;
        let session = OpenSession::begin(self.tools.clone(), self.new.clone()).await?;
        let mut writer = self.tools.objects.writer(session.s3_key(), mime_type, &self.tools.settings.temp_dir);
        writer.write(head).await.map_err(storage)?;
        Ok(Box::new(Body { writer, session, mime_type }))
    }

    /// There is no more: makes the object whole.
    ///
    /// # Errors
    /// 400 for no bytes at all, and for others than were stated; 415 for content that does not go with the name; 503
    /// when a store does not take it.
    pub async fn finish(mut self) -> Result<Uploaded> {
        let body = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Head(head) if head.is_empty() => return Err(Error::new(ErrorCode::EmptyFile, "The file is empty")),
            Stage::Head(head) => self.begin(head.freeze()).await?,
            Stage::Body(body) => body,
            Stage::Failed => return Err(failed_before()),
        };
        let Body { writer, session, mime_type } = *body;
        let (size, found) = self.meter.read()?;
        writer.finish().await.map_err(storage)?;
        counter!(UPLOAD_BYTES_TOTAL, "type" => self.new.kind.as_str()).increment(size);
        let (sha256, digests) = found.split();
        let received = Received {
            size,
            sha256,
            digests: Some(digests),
            mime_type: mime_type.to_owned(),
            title: None,
            description: None,
        };
        Ok(Uploaded { session, received })
    }
}

/// What is dangerous or not read shows by fewer bytes than tell the encoding of a text.
fn refused_early(head: &[u8]) -> Result<()> {
    match sniff(head) {
        Sniffed::Dangerous(what) => Err(refused(Refusal::DangerousContent(what))),
        Sniffed::Foreign(what, advice) => Err(refused(Refusal::NotRead { what, advice })),
        Sniffed::Known(_) | Sniffed::Unknown => Ok(()),
    }
}

/// What the owner says about a file.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub title: Option<String>,
    pub description: Option<String>,
}

/// A file whose bytes are all in the object store, and that is no asset yet. Dropped, it is given up.
pub struct Uploaded {
    session: OpenSession,
    received: Received,
}

impl Uploaded {
    /// Makes it an asset, or finds that it is one already.
    ///
    /// # Errors
    /// 400 when the session was given up meanwhile, 503 when its owner or the store does not answer.
    pub async fn commit(self, about: About) -> Result<Stored> {
        let About { title, description } = about;
        self.session.complete(Received { title, description, ..self.received }).await
    }
}

fn failed_before() -> Error {
    tracing::error!("bytes of an upload that has failed");
    Error::internal()
}

fn storage(error: StoreError) -> Error {
    tracing::warn!(%error, "object store failed during an upload");
    Error::new(ErrorCode::StorageError, "The file could not be stored, please try again").retry_after(2)
}
