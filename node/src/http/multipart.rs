//! Reading `multipart/form-data`: one file, a few short texts, in any order.

use std::time::Duration;

use bytes::Bytes;
use metastamp_protocol::ErrorCode;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::body::broken;
use super::error::{ApiError, Result};
use super::request::Request;

/// Boundaries and part headers around the file.
pub const OVERHEAD_BYTES_MAX: u64 = 64 << 10;
/// Longest pause between two pieces of a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const TEXT_BYTES_MAX: u64 = 16 << 10;
const PARTS_MAX: usize = 20;

/// The form of an upload request.
pub struct Form {
    multipart: Multipart<'static>,
    parts: usize,
}

impl Form {
    /// # Errors
    /// 422 when the request is no multipart form.
    pub fn new(request: &Request, file_bytes_max: u64) -> Result<Self> {
        let content_type = request.header("content-type").unwrap_or_default();
        let boundary = multer::parse_boundary(content_type)
            .map_err(|_| ApiError::field("file", "is required, as multipart/form-data"))?;
        // The whole stream is bounded here; the file's own bound has its own answer in the upload.
        let limits = SizeLimit::new().whole_stream(file_bytes_max.saturating_add(OVERHEAD_BYTES_MAX * 2));
        let constraints = Constraints::new().size_limit(limits);
        Ok(Self { multipart: Multipart::with_constraints(request.body.clone(), boundary, constraints), parts: 0 })
    }

    pub async fn next_field(&mut self) -> Result<Option<Field<'static>>> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(ApiError::field("body", format!("must have at most {PARTS_MAX} parts")));
        }
        within(self.multipart.next_field()).await?.map_err(unreadable)
    }
}

/// The next piece of a part.
pub async fn next_chunk(field: &mut Field<'static>) -> Result<Option<Bytes>> {
    within(field.chunk()).await?.map_err(unreadable)
}

/// A short text part.
pub async fn text(mut field: Field<'static>, name: &str, chars_max: usize) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut field).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > TEXT_BYTES_MAX {
            return Err(ApiError::field(name, format!("must have at most {chars_max} characters")));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| ApiError::field(name, "must be valid UTF-8"))?;
    if text.chars().count() > chars_max {
        return Err(ApiError::field(name, format!("must have at most {chars_max} characters")));
    }
    let text = text.trim().to_owned();
    Ok((!text.is_empty()).then_some(text))
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T> {
    let silent = |_| ApiError::new(ErrorCode::UploadFailed, "The upload was silent for too long").status(408);
    tokio::time::timeout(SILENCE_MAX, future).await.map_err(silent)
}

fn unreadable(error: multer::Error) -> ApiError {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            ApiError::new(ErrorCode::FileTooLarge, "The request body is larger than the maximum upload size")
        }
        multer::Error::StreamReadFailed(_)
        | multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. } => broken(),
        other => ApiError::field("body", format!("is not a valid multipart form: {other}")),
    }
}
