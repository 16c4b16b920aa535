//! Who reports usage: a partner with an API key, or an administrator for any of them.

use http::header::AUTHORIZATION;
use metastamp_protocol::partner::{ApiKey, Partner, Scope, UsageEvent};
use metastamp_protocol::{ErrorCode, ObjectId};

use crate::app::App;
use crate::auth::api_keys::{PREFIX, Presented};
use crate::http::cluster::admin;
use crate::http::error::{ApiError, Result};
use crate::http::request::Request;

const API_KEY: &str = "x-api-key";

pub enum Reporter {
    Admin(ObjectId),
    Partner { partner: Partner, key: ApiKey },
}

impl Reporter {
    /// By `X-API-Key`, or by a bearer token that is a key or an administrator's.
    ///
    /// # Errors
    /// 401 without a usable key or token; 403 for a key without `scope`, of a partner that is switched off, and for
    /// tokens of everybody else.
    pub async fn of(app: &App, request: &Request, scope: Scope) -> Result<Self> {
        let Some(sent) = api_key(request) else { return Ok(Self::Admin(admin(app, request).await?.user.id)) };
        let invalid = || ApiError::new(ErrorCode::InvalidToken, "The API key is not valid or was revoked");
        let presented = Presented::parse(sent).ok_or_else(invalid)?;
        let (key, partner) = app.documents.api_key(presented.id).await?.ok_or_else(invalid)?;
        if !presented.is(&key) {
            return Err(invalid());
        }
        active(&partner)?;
        if !key.scopes.contains(&scope) {
            let message = format!("The API key lacks the scope {}", scope.as_str());
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        Ok(Self::Partner { partner, key })
    }

    /// The only partner that this one speaks for; `None` for administrators.
    pub fn partner_id(&self) -> Option<ObjectId> {
        match self {
            Self::Admin(_) => None,
            Self::Partner { partner, .. } => Some(partner.id),
        }
    }

    /// Of the user or the key.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Admin(id) => *id,
            Self::Partner { key, .. } => key.id,
        }
    }

    pub fn may_see(&self, event: &UsageEvent) -> bool {
        self.partner_id().is_none_or(|mine| mine == event.partner_id)
    }
}

/// # Errors
/// 403 for a partner that is switched off.
pub fn active(partner: &Partner) -> Result<()> {
    match partner.is_active {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::AccountDisabled, "This partner is disabled")),
    }
}

/// The key that was sent, or what was sent in its place. A header that is no text is a key that is not valid.
fn api_key(request: &Request) -> Option<&str> {
    if let Some(header) = request.headers.get(API_KEY) {
        return Some(header.to_str().unwrap_or_default().trim());
    }
    let (scheme, token) = request.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX))
}
