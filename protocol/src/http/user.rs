//! Accounts and sessions as clients see them. The password hash has no field here, so it can't leak.

use serde::Serialize;
use serde_json::{Value, json};

use super::object;
use crate::{ObjectId, Role, Timestamp, User};

#[derive(Debug, Serialize)]
pub struct UserView<'a> {
    id: ObjectId,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth0_id: Option<&'a str>,
    username: Option<&'a str>,
    full_name: Option<&'a str>,
    profile_image_url: Option<&'a str>,
    bio: Option<&'a str>,
    followers_count: u64,
    content_hours: f64,
    total_views: u64,
    primary_platform: Option<&'a str>,
    role: Role,
    is_active: bool,
    is_verified: bool,
    created_at: Timestamp,
    last_login: Option<Timestamp>,
    profile: Profile<'a>,
}

/// What the web client shows; members are left out when empty.
#[derive(Debug, Serialize)]
struct Profile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bio: Option<&'a str>,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        let full_name = user.full_name.as_deref();
        let username = user.username.as_deref();
        Self {
            id: user.id,
            email: &user.email,
            auth0_id: user.auth0_id.as_deref(),
            username,
            full_name,
            profile_image_url: user.profile_image_url.as_deref(),
            bio: user.bio.as_deref(),
            followers_count: user.followers_count,
            content_hours: user.content_hours,
            total_views: user.total_views,
            primary_platform: user.primary_platform.as_deref(),
            role: user.role,
            is_active: user.is_active,
            is_verified: user.is_verified,
            created_at: user.created_at,
            last_login: user.last_login,
            profile: Profile {
                name: full_name.or(username),
                avatar: user.profile_image_url.as_deref(),
                bio: user.bio.as_deref(),
            },
        }
    }
}

/// A fresh token and, at login, whose it is. Every spelling that a client is known to read.
#[derive(Debug)]
pub struct SessionView<'a> {
    pub token: &'a str,
    pub expires_in_s: u64,
    pub user: Option<&'a User>,
}

impl SessionView<'_> {
    pub fn body(&self) -> Value {
        let mut core = json!({
            "access_token": self.token,
            "token_type": "bearer",
            "expires_in": self.expires_in_s,
        });
        if let Some(user) = self.user {
            core["user"] = Value::Object(object(&UserView::from(user)));
        }
        let mut body = core.clone();
        body["token"] = json!(self.token);
        body["expiresIn"] = json!(self.expires_in_s);
        body["data"] = core;
        body
    }
}
