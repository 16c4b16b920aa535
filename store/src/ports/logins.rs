//! Login sessions: who a token speaks for, and its end.

use async_trait::async_trait;
use metastamp_protocol::{ObjectId, Timestamp, User};

use crate::Result;

/// Who a token speaks for, read in one step.
#[derive(Debug, Clone)]
pub struct Principal {
    pub user: Option<User>,
    /// The login session was revoked.
    pub revoked: bool,
}

#[async_trait]
pub trait Logins: Send + Sync + 'static {
    /// The user and whether login session `sid` is revoked.
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal>;
    /// Final. Kept until `until`, the last instant at which a token of the session could be valid.
    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()>;
    /// Drops revocations that ended before `now`; returns how many.
    async fn forget_revocations(&self, now: Timestamp) -> Result<u64>;
}
