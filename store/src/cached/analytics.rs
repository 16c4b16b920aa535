//! Calculations are not cached; the score that they give an asset is, with the asset.

use async_trait::async_trait;
use metastamp_protocol::ObjectId;
use metastamp_protocol::analytics::Calculation;

use super::Cached;
use super::changes::Touched;
use crate::{Result, ports};

impl Cached {
    /// What a calculation changes of what is shown. Only the owner of an asset has calculations of it.
    pub(super) fn calculation_touches(calculation: &Calculation) -> Touched {
        match calculation.asset_id {
            Some(asset_id) => Touched::Keys(Self::showing(asset_id, Some(calculation.user_id))),
            None => Touched::Nothing,
        }
    }
}

#[async_trait]
impl ports::Analytics for Cached {
    async fn put_calculation(&self, calculation: &Calculation) -> Result<()> {
        let touched = Self::calculation_touches(calculation);
        self.changes.make(touched, self.truth.analytics.put_calculation(calculation)).await
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
