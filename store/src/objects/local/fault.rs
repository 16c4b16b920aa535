//! What can go wrong inside the embedded service, and how it is told to S3 clients.

use std::io;

use s3s::{S3Error, s3_error};

use crate::StoreError;

/// Failure of an operation of the embedded service.
#[derive(Debug)]
pub(super) enum Fault {
    /// An answer of the S3 protocol.
    S3(S3Error),
    /// The metadata database failed.
    Sql(rusqlite::Error),
    /// A file operation failed.
    Io(io::Error),
    /// The service is stopping, or its metadata could not be written now.
    Busy(String),
}

impl From<S3Error> for Fault {
    fn from(error: S3Error) -> Self {
        Fault::S3(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// Of the engine below the metadata.
impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Busy(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Fault {
    fn from(error: tokio::task::JoinError) -> Self {
        Fault::Busy(error.to_string())
    }
}

/// The cause travels in the message: whoever handles the answer logs it.
impl From<Fault> for S3Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::S3(error) => error,
            Fault::Sql(error) => s3_error!(InternalError, "metadata: {error}"),
            Fault::Io(error) => s3_error!(InternalError, "file: {error}"),
            Fault::Busy(reason) => s3_error!(ServiceUnavailable, "busy: {reason}"),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::S3(error) => write!(f, "{error}"),
            Fault::Sql(error) => write!(f, "metadata: {error}"),
            Fault::Io(error) => write!(f, "file: {error}"),
            Fault::Busy(reason) => write!(f, "busy: {reason}"),
        }
    }
}
