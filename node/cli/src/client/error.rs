//! What can go wrong between us and a node.

use metastamp_setup::table::plain;
use serde_json::{Value, json};

/// Why a call did not bring what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The node answered with an error.
    #[error("{0}")]
    Refused(Refused),
    /// No answer at all.
    #[error("no answer from {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// An answer that is not the contract's.
    #[error("the answer of {url} is not understood: {reason}")]
    Garbled { url: String, reason: String },
    /// A file that we can't or won't send.
    #[error("{name}: {reason}")]
    File { name: String, reason: String },
    /// The fingerprint did not move for too long; it may still come.
    #[error("no progress for {0} minutes; look again later with `metastamp assets`")]
    Stalled(u64),
}

/// An error body of the contract, or what is left of one when something between us and the node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// Field errors as `field: message`.
    pub fields: Vec<String>,
    pub request_id: Option<String>,
}

impl CallError {
    pub fn status(&self) -> Option<u16> {
        match self {
            CallError::Refused(refused) => Some(refused.status),
            _ => None,
        }
    }

    /// The stable error code, if the node gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            CallError::Refused(refused) => Some(&refused.code),
            _ => None,
        }
    }

    /// Whether the token is the problem: then no further call can succeed.
    pub fn needs_login(&self) -> bool {
        matches!(self.code(), Some("MISSING_TOKEN" | "INVALID_TOKEN")) || self.code() == Some("HTTP_401")
    }

    /// For `--json`.
    pub fn as_json(&self) -> Value {
        match self {
            CallError::Refused(refused) => json!({
                "status": refused.status,
                "code": refused.code,
                "message": refused.message,
                "request_id": refused.request_id,
            }),
            other => json!({ "status": null, "code": null, "message": other.to_string(), "request_id": null }),
        }
    }
}

impl Refused {
    /// Reads an error answer. `request_id` is the header's, for bodies that lack it.
    pub fn read(status: u16, request_id: Option<&str>, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let inner = &body["error"];
        let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("error");
        let fields = body["errors"].as_object().into_iter().flatten().map(|(field, messages)| {
            let all: Vec<&str> = messages.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("{field}: {}", all.join(", "))
        });
        Self {
            status,
            code: text(&inner["code"]).or_else(|| text(&body["code"])).unwrap_or_else(|| format!("HTTP_{status}")),
            message: text(&inner["message"])
                .or_else(|| text(&body["message"]))
                .or_else(|| text(&body["detail"]))
                .unwrap_or_else(|| reason.to_lowercase()),
            fields: fields.collect(),
            request_id: text(&body["request_id"]).or_else(|| request_id.map(str::to_owned)),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = plain(&self.code);
        write!(f, "{code}: {}", plain(&self.message))?;
        for field in &self.fields {
            write!(f, "; {}", plain(field))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request id {})", plain(id))?;
        }
        // A wrong password is also a 401, but there logging in is what was just tried.
        if self.status == 401 && self.code != "INVALID_CREDENTIALS" {
            f.write_str("; run `metastamp login`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_is_shown_with_code_message_and_request_id() {
        let body = br#"{"error":{"code":"USE_PRESIGNED_UPLOAD","message":"too large here"},"request_id":"r-1"}"#;
        let refused = Refused::read(400, Some("other"), body);
        assert_eq!(refused.to_string(), "USE_PRESIGNED_UPLOAD: too large here (request id r-1)");
    }

    #[test]
    fn field_errors_are_named() {
        let body = br#"{"code":"VALIDATION_ERROR","message":"bad","errors":{"password":["too short","no digit"]}}"#;
        assert_eq!(Refused::read(422, None, body).to_string(), "VALIDATION_ERROR: bad; password: too short, no digit");
    }

    #[test]
    fn a_missing_token_says_what_to_do_and_a_wrong_password_does_not() {
        let answer = |code: &str| {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#);
            CallError::Refused(Refused::read(401, None, body.as_bytes()))
        };
        assert!(answer("INVALID_TOKEN").to_string().ends_with("run `metastamp login`"));
        assert!(answer("INVALID_TOKEN").needs_login());
        assert!(!answer("INVALID_CREDENTIALS").to_string().contains("metastamp login"));
        assert!(!answer("INVALID_CREDENTIALS").needs_login());
    }

    #[test]
    fn an_answer_from_something_else_is_still_readable() {
        let refused = Refused::read(502, Some("abc"), b"<html>\x1b[31mBad Gateway</html>");
        assert_eq!(refused.to_string(), "HTTP_502: bad gateway (request id abc)");
    }
}
