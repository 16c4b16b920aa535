//! Partners, their API keys and the usage they report.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::partner::{ApiKey, Partner, UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use crate::Result;

/// Filters combine with AND.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageQuery {
    pub partner_id: Option<ObjectId>,
    pub user_id: Option<ObjectId>,
    pub asset_id: Option<ObjectId>,
    pub status: Option<UsageStatus>,
}

#[derive(Debug, Clone, Default)]
pub struct UsagePage {
    /// Newest first, ties by id.
    pub items: Vec<UsageEvent>,
    pub total: u64,
}

/// A step of a usage event that somebody wants to take.
#[derive(Debug, Clone)]
pub struct UsageClaim {
    pub id: ObjectId,
    /// Where it may stand now; besides, it may stand at `to` with nobody at work.
    pub from: Vec<UsageStatus>,
    pub to: UsageStatus,
    /// New for every attempt.
    pub worker: ObjectId,
    /// How long nobody else goes on with it.
    pub lease: Duration,
    /// Why, for cancellations.
    pub reason: Option<String>,
    /// Only if it has run out by the store's clock; without it, only if it has not.
    pub expired: bool,
}

#[allow(unused_variables)] // until it is built
#[async_trait]
pub trait Partners: Send + Sync + 'static {
    /// `Conflict { "partners.name" }` when the name is taken.
    async fn insert_partner(&self, partner: &Partner) -> Result<()> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    async fn partner(&self, id: ObjectId) -> Result<Option<Partner>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// By name.
    async fn partners(&self, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Writes back name, limits and state. `NotFound`, or `Conflict { "partners.name" }`.
    async fn save_partner(&self, partner: &Partner) -> Result<()> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// The key and its partner, in one step.
    async fn api_key(&self, id: ObjectId) -> Result<Option<(ApiKey, Partner)>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Of one partner, oldest first.
    async fn api_keys(&self, partner_id: ObjectId) -> Result<Vec<ApiKey>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Final. `NotFound` when the partner has no such key.
    async fn revoke_api_key(&self, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }

    /// Stores the event unless its id is known; answers the one that is stored, and whether it is new.
    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Takes a step for `claim.worker`; answers the event as it is then. `None`: it stands elsewhere, somebody is at it,
    /// or it has (not) run out. Time is the store's.
    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Ends the step that `worker` has taken: the event stands at `to` from now on, and nobody is at it; where it stood
    /// before means that it is given back. The calculation of the same id in
    /// `analytics` follows: made when `to` is pending, settled or cancelled later. `Fenced` when the step was lost to
    /// another worker.
    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
    /// Events whose step was begun and whose worker is overdue, and those that have run out, by the store's clock.
    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>> {
        Err(crate::StoreError::Internal("not built yet".to_owned()))
    }
}
