//! Usage events are read from the truth. What a calculation changes of its asset is dropped.

use async_trait::async_trait;
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use super::Cached;
use super::changes::Invalidated;
use crate::Result;
use crate::ports::{self, UsageClaim, UsagePage, UsageQuery};

#[async_trait]
impl ports::Usage for Cached {
    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)> {
        self.truth.usage.open_usage(event).await
    }

    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>> {
        self.truth.usage.usage(id).await
    }

    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
        self.truth.usage.usages(query, skip, limit).await
    }

    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
        self.truth.usage.claim_usage(claim).await
    }

    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent> {
        let finish = self.truth.usage.finish_usage(id, worker, to, reason, now);
        // Only a new calculation gives its asset another score.
        if to != UsageStatus::Pending {
            return finish.await;
        }
        let invalidated = |event: &UsageEvent| Invalidated::Keys(Self::showing(event.asset_id, Some(event.user_id)));
        self.changes.make_and_see(Invalidated::Everything, finish, invalidated).await
    }

    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>> {
        self.truth.usage.overdue_usages(limit).await
    }
}
