//! Partners and their API keys.

use async_trait::async_trait;
use metastamp_protocol::partner::{ApiKey, Partner};
use metastamp_protocol::{ObjectId, Timestamp};

use crate::Result;

#[async_trait]
pub trait Partners: Send + Sync + 'static {
    /// `Conflict { "partners.name" }` when the name is taken.
    async fn insert_partner(&self, partner: &Partner) -> Result<()>;
    async fn partner(&self, id: ObjectId) -> Result<Option<Partner>>;
    /// By name.
    async fn partners(&self, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)>;
    /// Writes back name, limits and state of a partner that was read when it said `updated_at: seen`, and says a later
    /// instant now. `Fenced` when somebody was faster, `NotFound`, or `Conflict { "partners.name" }`.
    async fn save_partner(&self, partner: &Partner, seen: Timestamp) -> Result<()>;

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()>;
    /// The key and its partner, in one step.
    async fn api_key(&self, id: ObjectId) -> Result<Option<(ApiKey, Partner)>>;
    /// Of one partner, oldest first.
    async fn api_keys(&self, partner_id: ObjectId) -> Result<Vec<ApiKey>>;
    /// Final. `NotFound` when the partner has no such key.
    async fn revoke_api_key(&self, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()>;
}
