//! AI Touch Value calculations.

use async_trait::async_trait;
use metastamp_protocol::ObjectId;
use metastamp_protocol::analytics::Calculation;

use crate::Result;

/// Calculations go with their asset: [`Works::delete_asset`](super::Works::delete_asset) removes them.
#[async_trait]
pub trait Analytics: Send + Sync + 'static {
    /// Stores it under its id, in place of one that is there. When it is of an asset, the asset's `ai_touch_score`
    /// becomes that of this calculation in the same step; an asset that is gone changes nothing.
    async fn put_calculation(&self, calculation: &Calculation) -> Result<()>;
    async fn calculation(&self, id: ObjectId) -> Result<Option<Calculation>>;
    /// One page of a user's calculations, newest first, ties by id; and how many match. Records that make no sense are
    /// left out.
    async fn calculations(
        &self,
        user_id: ObjectId,
        asset_id: Option<ObjectId>,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Calculation>, u64)>;
}
