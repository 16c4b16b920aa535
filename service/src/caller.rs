//! Who asks, and what they may do.

use metastamp_protocol::partner::{ApiKey, Partner, UsageEvent};
use metastamp_protocol::{ErrorCode, ObjectId, Role, User};

use crate::accounts::tokens::Claims;
use crate::error::{Error, Result};

/// A user with an account that is there and active.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user: User,
    /// Of the token that was presented.
    pub claims: Claims,
}

impl Caller {
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    /// # Errors
    /// 403 for everybody else but administrators.
    pub fn require_admin(&self) -> Result<()> {
        match self.is_admin() {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::Forbidden, "This is for administrators only")),
        }
    }
}

/// Who reports usage: a partner with an API key, or an administrator for any of them.
#[derive(Debug, Clone)]
pub enum Reporter {
    Admin(ObjectId),
    Partner { partner: Partner, key: ApiKey },
}

impl Reporter {
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
pub fn require_active(partner: &Partner) -> Result<()> {
    match partner.is_active {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::AccountDisabled, "This partner is disabled")),
    }
}
