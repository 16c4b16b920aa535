//! Reading `multipart/form-data`: one file, a few short texts, in any order.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use metastamp_protocol::ErrorCode;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::body::{Body, Failed, broken};
use super::error::{Error, Result};
use super::request::Request;
use super::transfer::Transfer;

/// Boundaries and part headers around the file.
pub const OVERHEAD_BYTES_MAX: u64 = 64 << 10;
/// Longest pause between two pieces of a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const TEXT_BYTES_MAX: u64 = 16 << 10;
const PARTS_MAX: usize = 20;
/// Bytes that the parser may hold without giving anything out: part headers, or what comes before the first part.
const UNPARSED_BYTES_MAX: usize = 256 << 10;

/// The form of an upload request.
pub struct Form {
    multipart: Multipart<'static>,
    unparsed: Arc<AtomicUsize>,
    parts: usize,
}

impl Form {
    /// # Errors
    /// 422 when the request is no multipart form.
    pub fn new(request: &Request, file_bytes_max: u64) -> Result<Self> {
        request.refuse_encoded()?;
        let content_type = request.header("content-type").unwrap_or_default();
        let boundary = multer::parse_boundary(content_type)
            .map_err(|_| Error::field("file", "is required, as multipart/form-data"))?;
        // The whole stream is bounded here; the file's own bound has its own answer in the upload.
        let limits = SizeLimit::new().whole_stream(file_bytes_max.saturating_add(OVERHEAD_BYTES_MAX * 2));
        let constraints = Constraints::new().size_limit(limits);
        let unparsed = Arc::new(AtomicUsize::new(0));
        let metered = Metered { body: request.body.clone(), unparsed: unparsed.clone(), rest: false };
        Ok(Self { multipart: Multipart::with_constraints(metered, boundary, constraints), unparsed, parts: 0 })
    }

    pub async fn next_field(&mut self) -> Result<Option<Field<'static>>> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::field("body", format!("must have at most {PARTS_MAX} parts")));
        }
        let field = within(self.multipart.next_field()).await?.map_err(unreadable);
        self.unparsed.store(0, Ordering::Relaxed);
        field
    }

    /// The next piece of a part.
    pub async fn next_chunk(&self, field: &mut Field<'static>) -> Result<Option<Bytes>> {
        let chunk = within(field.chunk()).await?.map_err(unreadable);
        self.unparsed.store(0, Ordering::Relaxed);
        chunk
    }

    /// A short text part.
    pub async fn text(&self, mut field: Field<'static>, name: &str, chars_max: usize) -> Result<Option<String>> {
        let (mut bytes, mut transfer) = (Vec::new(), transfer(&field, name)?);
        while let Some(chunk) = self.next_chunk(&mut field).await? {
            bytes.extend_from_slice(&transfer.decode(chunk, name)?);
            if bytes.len() as u64 > TEXT_BYTES_MAX {
                return Err(Error::field(name, format!("must have at most {chars_max} characters")));
            }
        }
        transfer.finish(name)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::field(name, "must be valid UTF-8"))?;
        if text.chars().count() > chars_max {
            return Err(Error::field(name, format!("must have at most {chars_max} characters")));
        }
        let text = text.trim().to_owned();
        Ok((!text.is_empty()).then_some(text))
    }
}

/// How the bytes of a part come.
///
/// # Errors
/// 422 for a way that is not known here.
pub fn transfer(field: &Field<'static>, name: &str) -> Result<Transfer> {
    Transfer::of(field.headers().get("content-transfer-encoding").map(|value| value.as_bytes()), name)
}

/// The body as the parser gets it: one piece at a time (it would read on for as long as there is something to read,
/// into memory), and not for ever without finding a part.
struct Metered {
    body: Body,
    unparsed: Arc<AtomicUsize>,
    /// A piece was just given out: let the parser look at it first.
    rest: bool,
}

#[derive(Debug, thiserror::Error)]
enum MeterError {
    #[error("part headers are too large")]
    HeadersTooLarge,
    #[error(transparent)]
    Body(#[from] Failed),
}

impl Stream for Metered {
    type Item = std::result::Result<Bytes, MeterError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_next(cx);
        polled.map(|item| {
            item.map(|chunk| {
                let chunk = chunk?;
                self.rest = true;
                match self.unparsed.fetch_add(chunk.len(), Ordering::Relaxed) {
                    before if before > UNPARSED_BYTES_MAX => Err(MeterError::HeadersTooLarge),
                    _ => Ok(chunk),
                }
            })
        })
    }
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T> {
    let silent = |_| Error::new(ErrorCode::UploadFailed, "The upload was silent for too long").status(408);
    tokio::time::timeout(SILENCE_MAX, future).await.map_err(silent)
}

fn unreadable(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            Error::new(ErrorCode::FileTooLarge, "The request body is larger than the maximum upload size")
        }
        multer::Error::StreamReadFailed(cause) => match cause.downcast_ref::<MeterError>() {
            Some(MeterError::HeadersTooLarge) => Error::field("body", "has part headers that are too large"),
            Some(MeterError::Body(failed)) => (*failed).into(),
            None => broken(),
        },
        // The connection is whole, so the form is not.
        multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => Error::field("body", "is not a complete multipart form"),
        other => Error::field("body", format!("is not a valid multipart form: {other}")),
    }
}
