//! What a handler gets to see of a request.

use std::net::IpAddr;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use metastamp_protocol::{ErrorCode, ObjectId};

use super::body::Body;
use super::error::{Error, Result};
use super::read::{Fields, form_pairs};
use super::table::Params;

pub struct Request {
    pub method: Method,
    /// As it was asked for.
    pub path: String,
    /// What stood in the places of the route's path.
    pub params: Params,
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

    /// The id in a place of the path.
    ///
    /// # Errors
    /// 400 for what is none.
    pub fn id(&self, name: &str) -> Result<ObjectId> {
        object_id(self.params.get(name))
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

    /// Bodies are read as they come: what is compressed would be taken for a broken one.
    ///
    /// # Errors
    /// 415 for a `Content-Encoding`.
    pub fn refuse_encoded(&self) -> Result<()> {
        let encodings = self.headers.get_all(CONTENT_ENCODING).iter();
        let plain = |value: &HeaderValue| {
            matches!(value.as_bytes().trim_ascii(), b"") || value.as_bytes().eq_ignore_ascii_case(b"identity")
        };
        if encodings.into_iter().all(plain) {
            return Ok(());
        }
        let message = "Bodies with a Content-Encoding are not accepted: send it as it is";
        Err(Error::new(ErrorCode::InvalidFileType, message).detail("reason", "content-encoding"))
    }

    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Query parameters in order; empty values count as absent.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_pairs(self.query.as_bytes()).into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The members of the body, a JSON object.
    pub async fn fields(&mut self) -> Result<Fields> {
        Fields::parse(&self.body.read().await?)
    }

    /// As [`Request::fields`]; no body has no members.
    pub async fn fields_or_nothing(&mut self) -> Result<Fields> {
        Fields::parse_or_nothing(&self.body.read().await?)
    }

    /// The members of the body, JSON or a URL-encoded form, by its content type.
    pub async fn fields_or_form(&mut self) -> Result<Fields> {
        if self.content_type() != "application/x-www-form-urlencoded" {
            return self.fields().await;
        }
        Fields::parse_form(&self.body.read().await?)
    }
}

/// An id out of a path or body.
pub fn object_id(text: &str) -> Result<ObjectId> {
    let invalid = |_| Error::new(ErrorCode::InvalidId, "The id must be 24 hexadecimal characters");
    text.to_lowercase().parse().map_err(invalid)
}
