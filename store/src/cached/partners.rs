//! Partners, keys and usage events are only passed on: whether a key is good, nobody but the truth may say. What a
//! calculation changes of its asset is dropped.

use async_trait::async_trait;
use metastamp_protocol::partner::{ApiKey, Partner, UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use super::Cached;
use super::changes::Touched;
use crate::partners::{UsageClaim, UsagePage, UsageQuery};
use crate::{Partners, Result};

#[async_trait]
impl Partners for Cached {
    async fn insert_partner(&self, partner: &Partner) -> Result<()> {
        self.documents.insert_partner(partner).await
    }
    async fn partner(&self, id: ObjectId) -> Result<Option<Partner>> {
        self.documents.partner(id).await
    }
    async fn partners(&self, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)> {
        self.documents.partners(skip, limit).await
    }
    async fn save_partner(&self, partner: &Partner, seen: Timestamp) -> Result<()> {
        self.documents.save_partner(partner, seen).await
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        self.documents.insert_api_key(key).await
    }
    async fn api_key(&self, id: ObjectId) -> Result<Option<(ApiKey, Partner)>> {
        self.documents.api_key(id).await
    }
    async fn api_keys(&self, partner_id: ObjectId) -> Result<Vec<ApiKey>> {
        self.documents.api_keys(partner_id).await
    }
    async fn revoke_api_key(&self, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()> {
        self.documents.revoke_api_key(partner_id, id, at).await
    }

    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)> {
        self.documents.open_usage(event).await
    }
    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>> {
        self.documents.usage(id).await
    }
    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
        self.documents.usages(query, skip, limit).await
    }
    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
        self.documents.claim_usage(claim).await
    }
    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent> {
        let finish = self.documents.finish_usage(id, worker, to, reason, now);
        // Only a new calculation gives its asset another score.
        if to != UsageStatus::Pending {
            return finish.await;
        }
        let touched = |event: &UsageEvent| Touched::Keys(Self::showing(event.asset_id, Some(event.user_id)));
        self.changes.make_and_see(Touched::Everything, finish, touched).await
    }
    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>> {
        self.documents.overdue_usages(limit).await
    }
}
