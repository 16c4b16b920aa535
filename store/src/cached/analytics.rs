//! Calculations are not cached; the score that they give an asset is, with the asset.

use async_trait::async_trait;
use metastamp_protocol::ObjectId;
use metastamp_protocol::analytics::Calculation;

use super::Cached;
use super::changes::Invalidated;
use crate::{Result, ports};

impl Cached {
    /// What a calculation changes of what is shown. Only the owner of an asset has calculations of it.
    pub(super) fn invalidated_by_calculation(calculation: &Calculation) -> Invalidated {
        match calculation.asset_id {
            Some(asset_id) => Invalidated::Keys(Self::showing(asset_id, Some(calculation.user_id))),
            None => Invalidated::Nothing,
        }
    }
}

#[async_trait]
impl ports::Analytics for Cached {
    async fn put_calculation(&self, calculation: &Calculation) -> Result<()> {
        let invalidated = Self::invalidated_by_calculation(calculation);
        self.changes.make(invalidated, self.truth.analytics.put_calculation(calculation)).await
    }
    async fn calculation(&self, id: ObjectId) -> Result<Option<Calculation>> {
        self.truth.analytics.calculation(id).await
    }
    async fn calculations(
        &self,
        user_id: ObjectId,
        asset_id: Option<ObjectId>,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Calculation>, u64)> {
        self.truth.analytics.calculations(user_id, asset_id, skip, limit).await
    }
}
