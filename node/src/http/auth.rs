//! Accounts and login sessions over HTTP: whose token or key a request carries, and the routes of `auth`.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use metastamp_protocol::http::{SessionView, UserView, enveloped_body};
use metastamp_protocol::partner::Scope;
use metastamp_protocol::user::{is_email, normalise_email};
use metastamp_protocol::{ErrorCode, Timestamp};
use metastamp_service::accounts::api_keys::PREFIX;
use metastamp_service::accounts::{Credentials, NewAccount, PASSWORD_CHARS, Session, invalid_token};
use metastamp_service::{Caller, Reporter};
use metastamp_setup::telemetry::context;
use serde_json::json;

use super::error::{Error, Result};
use super::read::Fields;
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

const API_KEY: &str = "x-api-key";
const NAME_CHARS_MAX: usize = 100;
/// Longer than any address that is valid.
const EMAIL_BYTES_MAX: usize = 254;

/// Whose token the request carries.
///
/// # Errors
/// 401 without a usable token, 403 for a disabled account.
pub async fn caller(app: &App, request: &Request) -> Result<Caller> {
    let caller = app.service.accounts.caller(bearer(request)?).await?;
    context::set_user(caller.user.id);
    Ok(caller)
}

/// The token of the Authorization header.
fn bearer(request: &Request) -> Result<&str> {
    let Some(header) = request.headers.get(AUTHORIZATION) else {
        return Err(Error::new(ErrorCode::MissingToken, "Not authenticated"));
    };
    let text = header.to_str().unwrap_or_default();
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim());
    token.ok_or_else(invalid_token)
}

/// Who reports usage: by `X-API-Key`, or by a bearer token that is a key or an administrator's.
///
/// # Errors
/// 401 without a usable key or token; 403 for a key without `scope`, of a partner that is switched off, and for tokens
/// of everybody else.
pub async fn reporter(app: &App, request: &Request, scope: Scope) -> Result<Reporter> {
    if let Some(sent) = api_key(request) {
        return app.service.accounts.partner(sent, scope).await;
    }
    let caller = caller(app, request).await?;
    caller.require_admin()?;
    Ok(Reporter::Admin(caller.user.id))
}

/// The key that was sent, or what was sent in its place. A header that is no text is a key that is not valid.
fn api_key(request: &Request) -> Option<&str> {
    if let Some(header) = request.headers.get(API_KEY) {
        return Some(header.to_str().unwrap_or_default().trim());
    }
    let (scheme, token) = request.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX))
}

pub async fn register(app: Arc<App>, mut request: Request) -> Result<Response> {
    app.service.accounts.admit_registration(request.peer).await?;
    let new = new_account(request.fields().await?)?;
    Ok(opened(201, &app.service.accounts.register(request.peer, new).await?))
}

pub async fn login(app: Arc<App>, mut request: Request) -> Result<Response> {
    let credentials = credentials(request.fields_or_form().await?)?;
    Ok(opened(200, &app.service.accounts.log_in(request.peer, credentials).await?))
}

pub async fn login_json(app: Arc<App>, mut request: Request) -> Result<Response> {
    let credentials = credentials(request.fields().await?)?;
    Ok(opened(200, &app.service.accounts.log_in(request.peer, credentials).await?))
}

fn opened(status: u16, session: &Session) -> Response {
    let Session { user, token, life } = session;
    context::set_user(user.id);
    response::json(status, &SessionView { token, expires_in_s: life.as_secs(), user: Some(user) }.body())
}

pub async fn me(_: Arc<App>, _: Request, caller: Caller) -> Result<Response> {
    response::encoded(200, enveloped_body(&UserView::from(&caller.user)))
}

/// The new token stays in the old one's session.
pub async fn refresh(app: Arc<App>, _: Request, caller: Caller) -> Result<Response> {
    let Session { token, life, .. } = app.service.accounts.refresh(caller)?;
    Ok(response::json(200, &SessionView { token: &token, expires_in_s: life.as_secs(), user: None }.body()))
}

/// Without a token there is nothing to end: the web client has thrown its token away before it calls.
pub async fn logout(app: Arc<App>, request: Request) -> Result<Response> {
    if request.headers.contains_key(AUTHORIZATION) {
        app.service.accounts.log_out(caller(&app, &request).await?).await?;
    }
    let message = "Successfully logged out";
    let body = json!({ "message": message, "logged_out_at": Timestamp::now(), "data": { "message": message } });
    Ok(response::json(200, &body))
}

/// What a registration must hold.
fn new_account(mut fields: Fields) -> Result<NewAccount> {
    let email = filled(&mut fields, "email");
    let email = fields.required("email", email);
    if email.as_ref().is_some_and(|email| !is_email(email)) {
        fields.wrong("email", "must be an email address");
    }
    let password = fields.string("password");
    let password = fields.required("password", password);
    if let Some(password) = &password {
        judge_password(&mut fields, password);
    }
    let [name, full_name] = ["name", "full_name"].map(|member| {
        let text = filled(&mut fields, member);
        if text.as_ref().is_some_and(|text| text.chars().count() > NAME_CHARS_MAX) {
            fields.wrong(member, format!("must have at most {NAME_CHARS_MAX} characters"));
        }
        text
    });
    let username = filled(&mut fields, "username");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if username.as_ref().is_some_and(|name| !(3..=50).contains(&name.len()) || !name.chars().all(plain)) {
        fields.wrong("username", "must have 3 to 50 letters, digits, _ or -");
    }
    let (email, password) = fields.end(email.zip(password))?;
    Ok(NewAccount { email: normalise_email(&email), password, full_name: full_name.or(name), username })
}

/// A text that is more than blanks.
fn filled(fields: &mut Fields, name: &str) -> Option<String> {
    fields.string(name).filter(|text| !text.trim().is_empty())
}

fn judge_password(fields: &mut Fields, password: &str) {
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        fields.wrong("password", "must have 8 to 128 characters");
    }
    if !password.chars().any(char::is_alphabetic) || !password.chars().any(|c| c.is_ascii_digit()) {
        fields.wrong("password", "must hold at least one letter and one digit");
    }
}

/// Email (or its synonym `username`), normalised, and password.
fn credentials(mut fields: Fields) -> Result<Credentials> {
    fields.synonym("username", "email");
    let email = fields.string("email").filter(|email| !email.is_empty());
    let email = fields.required("email", email);
    if email.as_ref().is_some_and(|email| email.len() > EMAIL_BYTES_MAX) {
        fields.wrong("email", format!("must have at most {EMAIL_BYTES_MAX} characters"));
    }
    let password = fields.string("password").filter(|password| !password.is_empty());
    let password = fields.required("password", password);
    let most = *PASSWORD_CHARS.end();
    if password.as_ref().is_some_and(|password| password.chars().count() > most) {
        fields.wrong("password", format!("must have at most {most} characters"));
    }
    let (email, password) = fields.end(email.zip(password))?;
    Ok(Credentials { email: normalise_email(&email), password })
}
