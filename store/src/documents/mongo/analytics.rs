//! Calculations.

use async_trait::async_trait;
use metastamp_protocol::ObjectId;
use metastamp_protocol::analytics::Calculation;
use mongodb::bson::doc;

use super::MongoDocuments;
use super::fault::Attempt;
use super::scope::{Query, Scope, any_form};
use crate::records::Collection::{self, Assets};
use crate::records::{decode, encode};
use crate::{Result, ports};

#[async_trait]
impl ports::Analytics for MongoDocuments {
    async fn put_calculation(&self, calculation: &Calculation) -> Result<()> {
        self.server.transact("put_calculation", |on| put(on, calculation)).await
    }
    async fn calculation(&self, id: ObjectId) -> Result<Option<Calculation>> {
        let Self { server } = self;
        server.call("calculation", |_| by_id(server.on(), id)).await
    }
    async fn calculations(
        &self,
        user_id: ObjectId,
        asset_id: Option<ObjectId>,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Calculation>, u64)> {
        let Self { server } = self;
        let step = |_| async move { page(server.snapshot().await?, user_id, asset_id, skip, limit).await };
        server.call("calculations", step).await
    }
}

/// Within a transaction. See [`ports::Analytics::put_calculation`].
pub(super) async fn put(on: Scope, calculation: &Calculation) -> Attempt<()> {
    on.put(Collection::Analytics, encode(Collection::Analytics, calculation)?).await?;
    if let Some(asset_id) = calculation.asset_id {
        let score = doc! { "$set": { "ai_touch_score": calculation.touch_score() } };
        on.update(Assets, doc! { "_id": any_form(asset_id) }, score).await?;
    }
    Ok(())
}

/// Sets the status of a calculation of reported usage; false when it is not there.
pub(super) async fn set_status(on: &Scope, id: ObjectId, status: &str) -> Attempt<bool> {
    on.update(Collection::Analytics, doc! { "_id": any_form(id) }, doc! { "$set": { "status": status } }).await
}

async fn by_id(on: Scope, id: ObjectId) -> Attempt<Option<Calculation>> {
    let record = on.record(Collection::Analytics, doc! { "_id": any_form(id) }).await?;
    Ok(record.and_then(|record| decode(Collection::Analytics, record).ok()))
}

/// Count and rows are of one instant when `on` is a snapshot.
async fn page(
    on: Scope,
    user_id: ObjectId,
    asset_id: Option<ObjectId>,
    skip: u64,
    limit: u32,
) -> Attempt<(Vec<Calculation>, u64)> {
    let mut filter = doc! { "user_id": any_form(user_id) };
    if let Some(asset_id) = asset_id {
        filter.insert("asset_id", any_form(asset_id));
    }
    let total = on.count(Collection::Analytics.name(), filter.clone()).await?;
    if limit == 0 || skip >= total {
        return Ok((Vec::new(), total));
    }
    let query = Query { filter, sort: doc! { "created_at": -1, "_id": -1 }, skip, limit };
    let records = on.records(Collection::Analytics, query).await?;
    Ok((records.into_iter().filter_map(|record| decode(Collection::Analytics, record).ok()).collect(), total))
}
