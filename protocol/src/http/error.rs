//! The one error body: everything any known client looks for.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{ErrorCode, Object, Timestamp};

/// Field name to what is wrong with it.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// Body of every 4xx and 5xx. `message` and `detail` repeat `error.message` for clients that read only those.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    error: Inner,
    message: String,
    detail: String,
    code: ErrorCode,
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    request_id: String,
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    errors: FieldErrors,
}

#[derive(Debug, Serialize)]
struct Inner {
    code: ErrorCode,
    message: String,
    details: Value,
    timestamp: Timestamp,
}

impl ErrorBody {
    pub fn new(code: ErrorCode, status: u16, message: &str, request_id: &str) -> Self {
        Self {
            error: Inner { code, message: message.to_owned(), details: Value::Null, timestamp: Timestamp::now() },
            message: message.to_owned(),
            detail: message.to_owned(),
            code,
            status_code: status,
            path: None,
            request_id: request_id.to_owned(),
            errors: FieldErrors::new(),
        }
    }

    pub fn details(mut self, details: Object) -> Self {
        self.error.details = Value::Object(details);
        self
    }

    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Field errors travel under `errors`, and their first messages as `error.details`.
    pub fn errors(mut self, errors: FieldErrors) -> Self {
        let first = |(field, messages): (&String, &Vec<String>)| {
            (field.clone(), Value::from(messages.first().cloned().unwrap_or_default()))
        };
        self.error.details = Value::Object(errors.iter().map(first).collect());
        self.errors = errors;
        self
    }
}
