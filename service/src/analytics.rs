//! AI Touch Value: calculate, look back, look ahead.

use metastamp_protocol::analytics::{Calculation, CreatorMetrics, Growth, Projection, Terms};
use metastamp_protocol::money::AmountError;
use metastamp_protocol::{Object, ObjectId, Timestamp};
use metastamp_store::Stores;

use crate::Deps;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// All about calculations. Cheap to clone.
#[derive(Clone)]
pub struct Analytics {
    stores: Stores,
}

/// What a calculation is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub terms: Terms,
    /// A score was left out, and is derived of the metrics.
    pub derived: bool,
    pub metrics: Option<CreatorMetrics>,
    /// Free members that are kept with it.
    pub metadata: Object,
    /// One of the caller's, that it is about.
    pub asset_id: Option<ObjectId>,
}

/// What a projection is made of. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    pub terms: Terms,
    pub periods: u32,
    pub growth: Growth,
}

impl Prediction {
    /// # Errors
    /// 422 when earnings or value are no amount.
    pub fn calculation(self, user_id: ObjectId, now: Timestamp) -> Result<Calculation> {
        let Self { terms, derived, metrics, metadata, asset_id } = self;
        let calculation = Calculation::of(ObjectId::generate(), user_id, &terms, now);
        let mut calculation = calculation.map_err(|error| Error::field("model_earnings", error.to_string()))?;
        calculation.asset_id = asset_id;
        calculation.metadata = metadata;
        if let Some(metrics) = metrics {
            calculation.note_metrics(metrics);
        }
        if derived {
            calculation.calculation_type = "predicted".to_owned();
            calculation.metadata.insert("prediction_method".to_owned(), CreatorMetrics::METHOD.into());
        }
        Ok(calculation)
    }
}

impl Forecast {
    /// # Errors
    /// 422 when the sums grow beyond what an amount may be.
    pub fn projection(&self) -> Result<Projection> {
        let projection = metastamp_protocol::analytics::project(&self.terms, self.periods, &self.growth);
        projection.map_err(|error| match error {
            AmountError::TooLarge => Error::field("growth_rate", "lets the sums grow beyond 9999999999999.99"),
            error => Error::field("model_earnings", error.to_string()),
        })
    }
}

impl Analytics {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone() }
    }

    /// Calculates, and keeps it.
    ///
    /// # Errors
    /// 404 for an asset that is not the caller's, 422 for what is no amount.
    pub async fn predict(&self, caller: &Caller, prediction: Prediction) -> Result<Calculation> {
        let calculation = prediction.calculation(caller.user.id, Timestamp::now())?;
        if let Some(asset_id) = calculation.asset_id {
            self.require_own_asset(caller, asset_id).await?;
        }
        self.stores.analytics.put_calculation(&calculation).await?;
        Ok(calculation)
    }

    /// Someone else's asset is as unknown as one that is not there.
    async fn require_own_asset(&self, caller: &Caller, id: ObjectId) -> Result<()> {
        let asset = self.stores.works.asset(id).await?;
        asset.filter(|asset| asset.user_id == caller.user.id).map(|_| ()).ok_or_else(|| Error::not_found("Asset"))
    }

    /// One page of the caller's calculations, newest first, and how many there are.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(
        &self,
        caller: &Caller,
        asset_id: Option<ObjectId>,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Calculation>, u64)> {
        Ok(self.stores.analytics.calculations(caller.user.id, asset_id, skip, limit).await?)
    }

    /// # Errors
    /// 404 for what is no calculation of the caller's.
    pub async fn by_id(&self, caller: &Caller, id: ObjectId) -> Result<Calculation> {
        let found = self.stores.analytics.calculation(id).await?;
        let found = found.filter(|calculation| calculation.user_id == caller.user.id);
        found.ok_or_else(|| Error::not_found("Calculation"))
    }
}
