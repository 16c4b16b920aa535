//! Accounts and sessions.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use metastamp_protocol::http::{FieldErrors, SessionView, UserView, enveloped_body};
use metastamp_protocol::user::{is_email, normalise_email};
use metastamp_protocol::{ErrorCode, Timestamp, User};
use metastamp_store::StoreError;
use metastamp_store::cache::{Admission, RateLimit};
use serde_json::{Map, Value, json};

use super::error::{ApiError, Result};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;
use crate::auth::passwords::{Overloaded, Verdict};
use crate::auth::tokens::{Claims, new_session_id};
use crate::telemetry::context;

const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// Attempts per account and network address; one human attempt may count four times, because the web client retries a 429.
const LOGIN_LIMIT: RateLimit = RateLimit { capacity: 60, refill: Duration::from_secs(600) };
/// Attempts per network address, over all accounts.
const LOGIN_PEER_LIMIT: RateLimit = RateLimit { capacity: 600, refill: Duration::from_secs(600) };
/// New accounts per network address.
const REGISTER_LIMIT: RateLimit = RateLimit { capacity: 300, refill: Duration::from_secs(600) };

/// Who is calling, with an account that is there and active.
pub struct Caller {
    pub user: User,
    pub claims: Claims,
}

/// # Errors
/// 401 without a usable token, 403 for a disabled account.
pub async fn caller(app: &App, request: &Request) -> Result<Caller> {
    let invalid = || ApiError::new(ErrorCode::InvalidToken, "The bearer token is not valid or has run out");
    let claims = bearer(app, request)?;
    if app.revoked.contains_key(&claims.sid) {
        return Err(invalid());
    }
    // "Not revoked" always comes from the document store: no cache can bring a token back.
    let principal = app.documents.principal(claims.sub, &claims.sid).await?;
    if principal.revoked {
        app.revoked.insert(claims.sid, ());
        return Err(invalid());
    }
    let user = principal.user.ok_or_else(invalid)?;
    context::set_user(user.id);
    if !user.is_active {
        return Err(ApiError::new(ErrorCode::AccountDisabled, "This account is disabled"));
    }
    Ok(Caller { user, claims })
}

/// The claims of the Authorization header.
fn bearer(app: &App, request: &Request) -> Result<Claims> {
    let Some(header) = request.headers.get(AUTHORIZATION) else {
        return Err(ApiError::new(ErrorCode::MissingToken, "Not authenticated"));
    };
    let text = header.to_str().unwrap_or_default();
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim());
    token
        .and_then(|token| app.tokens.verify(token))
        .ok_or_else(|| ApiError::new(ErrorCode::InvalidToken, "The bearer token is not valid or has run out"))
}

pub async fn register(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    if !app.config.allow_registration {
        return Err(ApiError::new(ErrorCode::RegistrationDisabled, "Registration is switched off"));
    }
    let peer = request.peer.map(|ip| ip.to_string()).unwrap_or_default();
    admit(app, &format!("rate:register:{peer}"), REGISTER_LIMIT).await?;
    let body = request.json_object().await?;
    let new = NewAccount::from(&body)?;
    let hash = app.passwords.hash(new.password).await.map_err(overloaded)?;
    let now = Timestamp::now();
    let mut user = User::local(&new.email, hash, now);
    user.full_name = new.full_name;
    user.username = new.username;
    user.last_login = Some(now);
    match app.documents.insert_user(&user).await {
        Ok(()) => {}
        Err(StoreError::Conflict { .. }) => {
            return Err(ApiError::new(ErrorCode::EmailExists, "An account with this email address exists already"));
        }
        Err(error) => return Err(error.into()),
    }
    session(app, &user, 201).await
}

/// What a registration must hold.
struct NewAccount {
    email: String,
    password: String,
    full_name: Option<String>,
    username: Option<String>,
}

impl NewAccount {
    fn from(body: &Map<String, Value>) -> Result<Self> {
        let mut errors = FieldErrors::new();
        let mut wrong =
            |field: &str, message: &str| errors.entry(field.to_owned()).or_default().push(message.to_owned());
        let mut text = |field: &str| match body.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() && field != "password" => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                wrong(field, "must be a string");
                None
            }
        };
        let (email, password) = (text("email"), text("password"));
        let (name, full_name, username) = (text("name"), text("full_name"), text("username"));
        match &email {
            Some(email) if is_email(email) => {}
            Some(_) => wrong("email", "must be an email address"),
            None => wrong("email", "is required"),
        }
        match &password {
            None => wrong("password", "is required"),
            Some(password) => {
                if !PASSWORD_CHARS.contains(&password.chars().count()) {
                    wrong("password", "must have 8 to 128 characters");
                }
                if !password.chars().any(char::is_alphabetic) || !password.chars().any(|c| c.is_ascii_digit()) {
                    wrong("password", "must hold at least one letter and one digit");
                }
            }
        }
        for (field, text) in [("name", &name), ("full_name", &full_name)] {
            if text.as_ref().is_some_and(|text| text.chars().count() > 100) {
                wrong(field, "must have at most 100 characters");
            }
        }
        let full_name = full_name.or(name);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if username.as_ref().is_some_and(|name| !(3..=50).contains(&name.len()) || !name.chars().all(plain)) {
            wrong("username", "must have 3 to 50 letters, digits, _ or -");
        }
        match (email, password) {
            (Some(email), Some(password)) if errors.is_empty() => {
                Ok(Self { email: normalise_email(&email), password, full_name, username })
            }
            _ => Err(ApiError::fields(errors)),
        }
    }
}

pub async fn login(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let body = request.json_or_form().await?;
    log_in(app, request, &body).await
}

pub async fn login_json(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let body = request.json_object().await?;
    log_in(app, request, &body).await
}

async fn log_in(app: &Arc<App>, request: &Request, body: &Map<String, Value>) -> Result<Response> {
    let (email, password) = credentials(body)?;
    // By account and network address: a stranger who guesses must not lock the owner out.
    let peer = request.peer.map(|ip| ip.to_string()).unwrap_or_default();
    admit(app, &format!("rate:login:{peer}"), LOGIN_PEER_LIMIT).await?;
    admit(app, &format!("rate:login:{email}:{peer}"), LOGIN_LIMIT).await?;
    let user = app.documents.user_by_email(&email).await?;
    let stored = user.as_ref().and_then(|user| user.hashed_password.clone());
    let verdict = app.passwords.verify(password, stored).await.map_err(overloaded)?;
    let upgrade = match verdict {
        Verdict::Right => None,
        Verdict::RightUpgrade(hash) => Some(hash),
        Verdict::Wrong => return Err(wrong_credentials()),
    };
    let mut user = user.ok_or_else(wrong_credentials)?;
    if !user.is_active {
        return Err(ApiError::new(ErrorCode::AccountDisabled, "This account is disabled"));
    }
    let now = Timestamp::now();
    app.documents.record_login(user.id, now, upgrade).await?;
    user.last_login = Some(now);
    session(app, &user, 200).await
}

/// Email (or its synonym `username`), normalised, and password.
fn credentials(body: &Map<String, Value>) -> Result<(String, String)> {
    let mut errors = FieldErrors::new();
    let mut text = |names: &[&str]| {
        let found = names.iter().find_map(|name| body.get(*name).filter(|value| !value.is_null()));
        match found.map(|value| value.as_str()) {
            Some(Some(text)) if !text.is_empty() => Some(text.to_owned()),
            Some(Some(_)) | None => {
                errors.insert(names[0].to_owned(), vec!["is required".to_owned()]);
                None
            }
            Some(None) => {
                errors.insert(names[0].to_owned(), vec!["must be a string".to_owned()]);
                None
            }
        }
    };
    let (email, password) = (text(&["email", "username"]), text(&["password"]));
    if password.as_ref().is_some_and(|p| p.chars().count() > *PASSWORD_CHARS.end()) {
        errors.insert("password".to_owned(), vec!["must have at most 128 characters".to_owned()]);
    }
    if email.as_ref().is_some_and(|email| email.len() > 254) {
        errors.insert("email".to_owned(), vec!["must have at most 254 characters".to_owned()]);
    }
    match (email, password) {
        (Some(email), Some(password)) if errors.is_empty() => Ok((normalise_email(&email), password)),
        _ => Err(ApiError::fields(errors)),
    }
}

/// A new login session for a user who has proved to be one.
async fn session(app: &Arc<App>, user: &User, status: u16) -> Result<Response> {
    let sid = new_session_id();
    let token = sign(app, user, &sid)?;
    let record = json!({ "created_at": Timestamp::now(), "user_id": user.id, "sid": sid });
    // For people who look; nothing depends on it.
    let _ = app.cache.set(&format!("session:{}", user.id), &record.to_string(), app.tokens.life()).await;
    context::set_user(user.id);
    let view = SessionView { token: &token, expires_in_s: app.tokens.life().as_secs(), user: Some(user) };
    Ok(response::json(status, &view.body()))
}

fn sign(app: &App, user: &User, sid: &str) -> Result<String> {
    app.tokens.issue(user.id, &user.email, sid).map_err(|error| {
        tracing::error!(%error, "token can't be signed");
        ApiError::internal()
    })
}

pub async fn me(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    response::encoded(200, enveloped_body(&UserView::from(&caller.user)))
}

/// The new token stays in the old one's session.
pub async fn refresh(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let token = sign(app, &caller.user, &caller.claims.sid)?;
    let view = SessionView { token: &token, expires_in_s: app.tokens.life().as_secs(), user: None };
    Ok(response::json(200, &view.body()))
}

/// Without a token there is nothing to end: the web client has thrown its token away before it calls.
pub async fn logout(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    if request.headers.contains_key(AUTHORIZATION) {
        let caller = caller(app, request).await?;
        // Durable first, cached after.
        app.documents.revoke_session(&caller.claims.sid, app.tokens.latest_expiry()).await?;
        app.revoked.insert(caller.claims.sid, ());
        let _ = app.cache.delete(&format!("session:{}", caller.user.id)).await;
    }
    let message = "Successfully logged out";
    let body = json!({ "message": message, "logged_out_at": Timestamp::now(), "data": { "message": message } });
    Ok(response::json(200, &body))
}

fn wrong_credentials() -> ApiError {
    ApiError::new(ErrorCode::InvalidCredentials, "Incorrect email or password")
}

fn overloaded(_: Overloaded) -> ApiError {
    ApiError::new(ErrorCode::ServiceUnavailable, "Too many logins at once, please try again").retry_after(3)
}

/// A cache that is away limits nobody.
async fn admit(app: &App, key: &str, limit: RateLimit) -> Result<()> {
    match app.cache.take_token(key, limit).await {
        Ok(Admission::Refused { retry_after }) => {
            let message = "Too many attempts, please wait before trying again";
            Err(ApiError::new(ErrorCode::RateLimitExceeded, message).retry_after(retry_after.as_secs() + 1))
        }
        Ok(Admission::Allowed) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "rate limit not checked");
            Ok(())
        }
    }
}
