//! Accounts and login sessions: register, log in, log out, and who a token or an API key speaks for.

pub mod api_keys;
pub mod passwords;
pub mod tokens;

use std::net::IpAddr;
use std::time::Duration;

use metastamp_protocol::partner::Scope;
use metastamp_protocol::user::older_emails;
use metastamp_protocol::{ErrorCode, Timestamp, User};
use metastamp_store::StoreError;
use metastamp_store::Stores;
use metastamp_store::cache::{Admission, RateLimit, SharedCache};
use serde_json::json;

use self::api_keys::Presented;
use self::passwords::{Overloaded, Passwords, Verdict};
use self::tokens::{Tokens, new_session_id};
use crate::Deps;
use crate::caller::{Caller, Reporter, require_active};
use crate::error::{Error, Result};
use crate::fair::Origin;

/// Characters of a password.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// Attempts per account and network address; one human attempt may count four times, because the web client retries a 429.
const LOGIN_LIMIT: RateLimit = RateLimit { capacity: 60, refill: Duration::from_secs(600) };
/// Attempts per network address, over all accounts.
const LOGIN_PEER_LIMIT: RateLimit = RateLimit { capacity: 600, refill: Duration::from_secs(600) };
/// New accounts per network address.
const REGISTER_LIMIT: RateLimit = RateLimit { capacity: 300, refill: Duration::from_secs(600) };
/// Sessions remembered as revoked.
const REVOKED_MAX: u64 = 100_000;

#[derive(Debug, Clone)]
pub struct Settings {
    pub allow_registration: bool,
    /// Signs tokens; the same on every node.
    pub jwt_secret: String,
    pub token_life: Duration,
    /// Passwords hashed at once.
    pub hashes_at_once: usize,
}

/// What a registration says, judged before.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Normalised.
    pub email: String,
    pub password: String,
    pub full_name: Option<String>,
    pub username: Option<String>,
}

/// What somebody logs in with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Normalised.
    pub email: String,
    pub password: String,
}

/// A login session that was opened, with its first token.
#[derive(Debug, Clone)]
pub struct Session {
    pub user: User,
    pub token: String,
    pub life: Duration,
}

pub struct Accounts {
    stores: Stores,
    cache: SharedCache,
    tokens: Tokens,
    passwords: Passwords,
    allow_registration: bool,
    /// Sessions known to be revoked. Revocation is final, so this may be remembered for as long as we like.
    revoked: moka::sync::Cache<String, ()>,
}

impl Accounts {
    pub fn new(deps: &Deps, settings: Settings) -> Self {
        Self {
            stores: deps.stores.clone(),
            cache: deps.cache.clone(),
            tokens: Tokens::new(&settings.jwt_secret, settings.token_life),
            passwords: Passwords::new(settings.hashes_at_once),
            allow_registration: settings.allow_registration,
            revoked: moka::sync::Cache::new(REVOKED_MAX),
        }
    }

    /// Who a bearer token speaks for.
    ///
    /// # Errors
    /// 401 for a token that is not ours, has run out or was revoked, 403 for a disabled account.
    pub async fn caller(&self, token: &str) -> Result<Caller> {
        let claims = self.tokens.verify(token).ok_or_else(invalid_token)?;
        if self.revoked.contains_key(&claims.sid) {
            return Err(invalid_token());
        }
        // "Not revoked" always comes from the document store: no cache can bring a token back.
        let principal = self.stores.logins.principal(claims.sub, &claims.sid).await?;
        if principal.revoked {
            self.revoked.insert(claims.sid, ());
            return Err(invalid_token());
        }
        let user = principal.user.ok_or_else(invalid_token)?;
        if !user.is_active {
            return Err(disabled());
        }
        Ok(Caller { user, claims })
    }

    /// The partner whose API key was sent.
    ///
    /// # Errors
    /// 401 for what is no key or was revoked; 403 without `scope`, and for a partner that is switched off.
    pub async fn partner(&self, api_key: &str, scope: Scope) -> Result<Reporter> {
        let invalid = || Error::new(ErrorCode::InvalidToken, "The API key is not valid or was revoked");
        let presented = Presented::parse(api_key).ok_or_else(invalid)?;
        let (key, partner) = self.stores.partners.api_key(presented.id).await?.ok_or_else(invalid)?;
        if !presented.is(&key) {
            return Err(invalid());
        }
        require_active(&partner)?;
        if !key.scopes.contains(&scope) {
            let message = format!("The API key lacks the scope {}", scope.as_str());
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        Ok(Reporter::Partner { partner, key })
    }

    /// Whether somebody at this address may register now.
    ///
    /// # Errors
    /// 403 when registration is switched off, 429 after too many attempts.
    pub async fn admit_registration(&self, peer: Option<IpAddr>) -> Result<()> {
        if !self.allow_registration {
            return Err(Error::new(ErrorCode::RegistrationDisabled, "Registration is switched off"));
        }
        self.admit(&register_key(peer.into()), REGISTER_LIMIT).await
    }

    /// Makes an account and logs it in.
    ///
    /// # Errors
    /// 409 for an address that is taken, 503 when too many passwords wait to be hashed.
    pub async fn register(&self, peer: Option<IpAddr>, new: NewAccount) -> Result<Session> {
        if self.kept_as_before(&new.email).await?.is_some() {
            return Err(email_exists());
        }
        let origin = Origin::from(peer);
        let hash = match self.passwords.hash(origin, new.password).await {
            Ok(hash) => hash,
            Err(Overloaded) => {
                self.give_back(&register_key(origin), REGISTER_LIMIT).await;
                return Err(overloaded());
            }
        };
        let now = Timestamp::now();
        let mut user = User::local(&new.email, hash, now);
        user.full_name = new.full_name;
        user.username = new.username;
        user.last_login = Some(now);
        match self.stores.users.insert_user(&user).await {
            Ok(()) => self.open_session(user).await,
            Err(StoreError::Conflict { .. }) => Err(email_exists()),
            Err(error) => Err(error.into()),
        }
    }

    /// The account of an address in a form from before there was one for each.
    async fn kept_as_before(&self, email: &str) -> Result<Option<User>> {
        for older in older_emails(email) {
            if let Some(user) = self.stores.users.user_by_email(&older).await? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// Opens a login session for whoever knows the password.
    ///
    /// # Errors
    /// 401 for a wrong address or password alike, 403 for a disabled account, 429 after too many attempts, 503 when too
    /// many passwords wait to be hashed.
    pub async fn log_in(&self, peer: Option<IpAddr>, credentials: Credentials) -> Result<Session> {
        let Credentials { email, password } = credentials;
        // By account and network address: a stranger who guesses must not lock the owner out.
        let origin = Origin::from(peer);
        let (by_origin, by_account) = (format!("rate:login:{origin}"), format!("rate:login:{email}:{origin}"));
        self.admit(&by_origin, LOGIN_PEER_LIMIT).await?;
        self.admit(&by_account, LOGIN_LIMIT).await?;
        let user = match self.stores.users.user_by_email(&email).await? {
            Some(user) => Some(user),
            None => self.kept_as_before(&email).await?,
        };
        let stored = user.as_ref().and_then(|user| user.hashed_password.clone());
        let upgrade = match self.passwords.verify(origin, password, stored).await {
            Ok(Verdict::Right) => None,
            Ok(Verdict::RightUpgrade(hash)) => Some(hash),
            Ok(Verdict::Wrong) => return Err(wrong_credentials()),
            // No attempt was made.
            Err(Overloaded) => {
                self.give_back(&by_origin, LOGIN_PEER_LIMIT).await;
                self.give_back(&by_account, LOGIN_LIMIT).await;
                return Err(overloaded());
            }
        };
        let mut user = user.ok_or_else(wrong_credentials)?;
        if !user.is_active {
            return Err(disabled());
        }
        let now = Timestamp::now();
        self.stores.users.record_login(user.id, now, upgrade).await?;
        user.last_login = Some(now);
        self.open_session(user).await
    }

    /// A new login session for a user who has proved to be one.
    async fn open_session(&self, user: User) -> Result<Session> {
        let sid = new_session_id();
        let token = self.sign(&user, &sid)?;
        let record = json!({ "created_at": Timestamp::now(), "user_id": user.id, "sid": sid });
        // For people who look; nothing depends on it.
        let _ = self.cache.set(&session_key(&user), &record.to_string(), self.tokens.life()).await;
        Ok(Session { user, token, life: self.tokens.life() })
    }

    /// A fresh token of the same login session.
    pub fn refresh(&self, caller: Caller) -> Result<Session> {
        let token = self.sign(&caller.user, &caller.claims.sid)?;
        Ok(Session { user: caller.user, token, life: self.tokens.life() })
    }

    /// Ends the login session of a token, for all its tokens and for ever.
    pub async fn log_out(&self, caller: Caller) -> Result<()> {
        // Durable first, cached after.
        self.stores.logins.revoke_session(&caller.claims.sid, self.tokens.latest_expiry()).await?;
        self.revoked.insert(caller.claims.sid, ());
        let _ = self.cache.delete(&session_key(&caller.user)).await;
        Ok(())
    }

    fn sign(&self, user: &User, sid: &str) -> Result<String> {
        self.tokens.issue(user.id, &user.email, sid).map_err(|error| {
            tracing::error!(%error, "token can't be signed");
            Error::internal()
        })
    }

    /// A cache that is away limits nobody.
    async fn admit(&self, key: &str, limit: RateLimit) -> Result<()> {
        match self.cache.take_token(key, limit).await {
            Ok(Admission::Refused { retry_after }) => {
                let message = "Too many attempts, please wait before trying again";
                Err(Error::new(ErrorCode::RateLimitExceeded, message).retry_after(retry_after.as_secs() + 1))
            }
            Ok(Admission::Allowed) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "rate limit not checked");
                Ok(())
            }
        }
    }

    /// What was refused for want of room was no attempt, and costs nobody behind the address one.
    async fn give_back(&self, key: &str, limit: RateLimit) {
        if let Err(error) = self.cache.return_token(key, limit).await {
            tracing::debug!(%error, "a token of a rate limit was not given back");
        }
    }
}

fn register_key(origin: Origin) -> String {
    format!("rate:register:{origin}")
}

fn session_key(user: &User) -> String {
    format!("session:{}", user.id)
}

/// What a client is told whose token is not good.
pub fn invalid_token() -> Error {
    Error::new(ErrorCode::InvalidToken, "The bearer token is not valid or has run out")
}

fn disabled() -> Error {
    Error::new(ErrorCode::AccountDisabled, "This account is disabled")
}

fn email_exists() -> Error {
    Error::new(ErrorCode::EmailExists, "An account with this email address exists already")
}

fn wrong_credentials() -> Error {
    Error::new(ErrorCode::InvalidCredentials, "Incorrect email or password")
}

fn overloaded() -> Error {
    Error::new(ErrorCode::ServiceUnavailable, "Too many logins at once, please try again").retry_after(3)
}
