//! What a handler gets to see of a request.

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use metastamp_protocol::{ErrorCode, ObjectId};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body::Body;
use super::error::{ApiError, Result};

pub struct Request {
    pub method: Method,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Body,
    /// The client, seen through the proxies that are trusted.
    pub peer: Option<IpAddr>,
    /// How the client speaks to us, or to a trusted proxy in front: `http` or `https`.
    pub scheme: &'static str,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Scheme and host by which the client reached us, without a slash at the end; empty when it named no host.
    pub fn origin(&self) -> String {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
        match self.header("host").filter(|host| !host.is_empty() && host.chars().all(named)) {
            Some(host) => format!("{}://{host}", self.scheme),
            None => String::new(),
        }
    }

    /// Media type without parameters, lower-case.
    pub fn content_type(&self) -> String {
        let text = self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_lowercase()
    }

    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Query parameters in order; empty values count as absent.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_pairs(&self.query).into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The body as a JSON object.
    pub async fn json_object(&mut self) -> Result<Map<String, Value>> {
        object(&self.body.read_small().await?)
    }

    /// The body as a JSON object; no body is an empty one.
    pub async fn json_object_or_nothing(&mut self) -> Result<Map<String, Value>> {
        match self.body.read_small().await? {
            bytes if bytes.trim_ascii().is_empty() => Ok(Map::new()),
            bytes => object(&bytes),
        }
    }

    /// The body as JSON or as a URL-encoded form, by its content type.
    pub async fn json_or_form(&mut self) -> Result<Map<String, Value>> {
        if self.content_type() != "application/x-www-form-urlencoded" {
            return self.json_object().await;
        }
        let bytes = self.body.read_small().await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::field("body", "is not valid UTF-8"))?;
        Ok(form_pairs(text).into_iter().map(|(name, value)| (name, Value::String(value))).collect())
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::field("body", "must be a JSON object")),
        Err(error) => Err(ApiError::field("body", format!("is not valid JSON: {error}"))),
    }
}

/// A JSON object as a type that borrows from it: members of interest can be kept as their text.
pub fn borrowed<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    // A struct would take a list as well.
    if !bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return Err(ApiError::field("body", "must be a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| ApiError::field("body", format!("is not valid JSON: {error}")))
}

/// The text of a JSON number, or what a JSON string says; `None` for anything else. Never goes through a float.
pub fn number_text(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Some(raw.get().to_owned()),
        [b'"', ..] => serde_json::from_str(raw.get()).ok(),
        _ => None,
    }
}

/// `a=b&c=d`, with `+` and percent escapes decoded.
fn form_pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| {
        let part = part.replace('+', " ");
        urlencoding::decode(&part).map(|decoded| decoded.into_owned()).unwrap_or(part)
    };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// An id out of a path or body.
pub fn object_id(text: &str) -> Result<ObjectId> {
    let invalid = |_| ApiError::new(ErrorCode::InvalidId, "The id must be 24 hexadecimal characters");
    text.to_lowercase().parse().map_err(invalid)
}
