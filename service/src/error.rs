//! Failures of a use case: what a client is told, whatever the way it asked.

use metastamp_protocol::cluster::Failure;
use metastamp_protocol::http::{ErrorBody, FieldErrors};
use metastamp_protocol::{ErrorCode, NodeRef, Object};
use metastamp_store::StoreError;
use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Error>;

/// What a use case returns instead of its result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: ErrorCode,
    status: u16,
    message: String,
    details: Option<Object>,
    errors: FieldErrors,
    retry_after_s: Option<u64>,
    owner: Option<Box<NodeRef>>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            details: None,
            errors: FieldErrors::new(),
            retry_after_s: None,
            owner: None,
        }
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// It came after the owner of what was asked for had decided.
    pub fn decided_by(mut self, owner: Option<NodeRef>) -> Self {
        self.owner = owner.map(Box::new);
        self
    }

    /// 422 for one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::fields(FieldErrors::from([(name.to_owned(), vec![message.into()])]))
    }

    /// 422 with everything that is wrong.
    pub fn fields(errors: FieldErrors) -> Self {
        Self { errors, ..Self::new(ErrorCode::ValidationError, "Request validation failed") }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    pub fn busy() -> Self {
        Self::new(ErrorCode::ServiceUnavailable, "The service is busy, please try again").retry_after(2)
    }

    /// Nothing is wrong with what is stored, and nothing was done.
    pub fn newer_version() -> Self {
        let message = "This was written by a newer version of the service than answers here, please try again later";
        Self::new(ErrorCode::NewerVersion, message).retry_after(10)
    }

    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalError, "An internal error occurred")
    }

    /// What is wrong, by member or parameter.
    pub fn field_errors(&self) -> &FieldErrors {
        &self.errors
    }

    /// HTTP's status for it.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// When to try again, in seconds.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// Who decided what was asked for, before this went wrong.
    pub fn owner(&self) -> Option<&NodeRef> {
        self.owner.as_deref()
    }

    /// The body that clients get.
    pub fn body(self, request_id: &str) -> ErrorBody {
        let mut body = ErrorBody::new(self.code, self.status, &self.message, request_id);
        if let Some(details) = self.details {
            body = body.details(details);
        }
        if !self.errors.is_empty() {
            body = body.errors(self.errors);
        }
        body
    }
}

impl Error {
    /// Why an upload does not go on.
    pub fn of_upload(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::new(ErrorCode::UploadFailed, format!("The upload can't go on: {reason}")),
            failure => failure.into(),
        }
    }

    /// Status and error of one item of a batch.
    pub fn into_item(self) -> (u16, Value) {
        let Self { code, status, message, details, errors, .. } = self;
        let mut item = json!({ "code": code, "message": message, "details": details });
        if !errors.is_empty() {
            item["errors"] = json!(errors);
        }
        (status, item)
    }
}

impl From<StoreError> for Error {
    /// What a store says is logged, never shown: it may name hosts and paths.
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "store unavailable");
                Self::new(ErrorCode::ServiceUnavailable, "A storage service is not available, please try again")
                    .retry_after(2)
            }
            StoreError::Fenced { .. } => {
                Self::new(ErrorCode::ServiceUnavailable, "The resource was changed meanwhile, please try again")
                    .retry_after(1)
            }
            StoreError::NotFound { what } => Self::not_found(what),
            StoreError::NewerVersion { .. } => {
                tracing::error!(%error, "this node is too old for what is stored");
                Self::newer_version()
            }
            StoreError::Conflict { .. } | StoreError::Limit(_) | StoreError::Internal(_) => {
                tracing::error!(%error, "store failed");
                Self::internal()
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => {
                Self::new(ErrorCode::ValidationError, format!("This can't be done as things stand: {reason}"))
            }
            Failure::Fenced(what) => {
                tracing::info!(what, "a later writer was first");
                Self::new(ErrorCode::ServiceUnavailable, "The resource was changed meanwhile, please try again")
                    .retry_after(1)
            }
            Failure::NotFound(what) => Self::not_found(&what),
            Failure::NewerVersion(error) => {
                tracing::error!(error, "the owner is too old for what is stored");
                Self::newer_version()
            }
            Failure::Internal(error) => {
                tracing::error!(error, "owner failed");
                Self::internal()
            }
            failure => {
                tracing::warn!(%failure, "owner did not answer");
                Self::busy()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uploads_are_told_about_uploads() {
        let refused = || Failure::Refused("it has ended".to_owned());
        let said = |error: Error| (error.status_code(), error.code, error.to_string());
        let upload = "The upload can't go on: it has ended".to_owned();
        assert_eq!(said(Error::of_upload(refused())), (400, ErrorCode::UploadFailed, upload));
        let other = "This can't be done as things stand: it has ended".to_owned();
        assert_eq!(said(refused().into()), (422, ErrorCode::ValidationError, other));
        assert_eq!(said(Error::of_upload(Failure::Busy)), said(Failure::Busy.into()));
    }
}
