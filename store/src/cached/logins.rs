//! Logins are decided by the truth; a revocation is known to the cache for when the truth is away.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{ObjectId, Timestamp};

use super::{Cached, keys};
use crate::Result;
use crate::ports::{self, Principal};

#[async_trait]
impl ports::Logins for Cached {
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let answer = self.truth.logins.principal(user_id, sid).await;
        // A revocation is final, so a yes may come from anywhere; a no is the truth's alone.
        let away = answer.as_ref().is_err_and(|error| error.is_transient());
        if away && matches!(self.cache.get(&keys::revoked(sid)).await, Ok(Some(_))) {
            return Ok(Principal { user: None, revoked: true });
        }
        answer
    }

    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        self.truth.logins.revoke_session(sid, until).await?;
        let left = u64::try_from(until.millis() - Timestamp::now().millis()).unwrap_or_default();
        if left > 0 {
            // A hint; the truth is written.
            let _ = self.cache.set(&keys::revoked(sid), "1", Duration::from_millis(left)).await;
        }
        Ok(())
    }

    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        self.truth.logins.forget_revocations(now).await
    }
}
