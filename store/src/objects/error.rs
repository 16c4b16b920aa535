//! Errors of the S3 client in the terms of this crate.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::StoreError;

/// HTTP status of an answer, when there was one.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// No answer and "not now" are transient; a missing thing is named; the rest makes no sense to repeat.
pub(super) fn store_error<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (&error, status(&error)) {
        (SdkError::ServiceError(_), Some(404)) => StoreError::NotFound { what: missing(error.code()) },
        (SdkError::ServiceError(_), Some(408 | 429 | 500..)) => StoreError::Unavailable(words(&error)),
        (SdkError::ConstructionFailure(_) | SdkError::ServiceError(_), _) => StoreError::Internal(words(&error)),
        (SdkError::DispatchFailure(failure), _) if failure.is_user() => StoreError::Internal(words(&error)),
        _ => StoreError::Unavailable(words(&error)),
    }
}

/// A body that broke off while it was read.
pub(super) fn broken_body(error: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(format!("object body broke off: {}", error.into()))
}

fn missing(code: Option<&str>) -> &'static str {
    match code {
        Some("NoSuchBucket") => "bucket",
        Some("NoSuchUpload") => "upload",
        _ => "object",
    }
}

/// The service's own words when it answered, else the chain of causes.
fn words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (error, status(error)) {
        (SdkError::ServiceError(_), Some(status)) => {
            let (code, message) = (error.code().unwrap_or("-"), error.message().unwrap_or("-"));
            format!("status {status}, code {code}, message {message}")
        }
        _ => DisplayErrorContext(error).to_string(),
    }
}
