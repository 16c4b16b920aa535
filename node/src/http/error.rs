//! Failures of a request, and how they become the one error body.

use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use metastamp_protocol::cluster::Failure;
use metastamp_protocol::http::{ErrorBody, FieldErrors};
use metastamp_protocol::{ErrorCode, Object};
use metastamp_store::StoreError;
use serde_json::{Value, json};

use super::response::{self, Response};

pub type Result<T> = std::result::Result<T, ApiError>;

/// What a handler returns instead of an answer.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub code: ErrorCode,
    status: u16,
    message: String,
    details: Option<Object>,
    errors: FieldErrors,
    retry_after_s: Option<u64>,
    allow: Option<&'static str>,
    unknown_path: bool,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            details: None,
            errors: FieldErrors::new(),
            retry_after_s: None,
            allow: None,
            unknown_path: false,
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

    /// 422 for one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::fields(FieldErrors::from([(name.to_owned(), vec![message.into()])]))
    }

    /// 422 with everything that is wrong.
    pub fn fields(errors: FieldErrors) -> Self {
        Self { errors, ..Self::new(ErrorCode::ValidationError, "Request validation failed") }
    }

    pub fn unknown_path() -> Self {
        Self { unknown_path: true, ..Self::new(ErrorCode::NotFound, "The requested path does not exist") }
    }

    pub fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("Method not allowed; this path answers {allow}");
        Self { allow: Some(allow), ..Self::new(ErrorCode::MethodNotAllowed, message) }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    pub fn busy() -> Self {
        Self::new(ErrorCode::ServiceUnavailable, "The service is busy, please try again").retry_after(2)
    }

    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalError, "An internal error occurred")
    }

    #[cfg(test)]
    pub fn field_errors(&self) -> &FieldErrors {
        &self.errors
    }

    #[cfg(test)]
    pub fn status_code(&self) -> u16 {
        self.status
    }

    pub fn into_response(self, request_id: &str, path: &str) -> Response {
        let mut body = ErrorBody::new(self.code, self.status, &self.message, request_id);
        if let Some(details) = self.details {
            body = body.details(details);
        }
        if !self.errors.is_empty() {
            body = body.errors(self.errors);
        }
        if self.unknown_path {
            body = body.path(path);
        }
        let mut response = response::json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl ApiError {
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

impl From<StoreError> for ApiError {
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
            StoreError::Conflict { .. } | StoreError::Limit(_) | StoreError::Internal(_) => {
                tracing::error!(%error, "store failed");
                Self::internal()
            }
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::new(ErrorCode::UploadFailed, format!("The upload can't go on: {reason}")),
            Failure::Fenced(what) => {
                tracing::info!(what, "a later writer was first");
                Self::new(ErrorCode::ServiceUnavailable, "The resource was changed meanwhile, please try again")
                    .retry_after(1)
            }
            Failure::NotFound(what) => Self::not_found(&what),
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
