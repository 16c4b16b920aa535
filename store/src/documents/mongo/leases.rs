//! Leases: who does what only one node should do at a time.

use std::time::Duration;

use metastamp_protocol::Timestamp;
use mongodb::bson::doc;

use super::fault::{Attempt, Failure, is_duplicate};
use super::on::{On, date};

pub(super) const LEASES: &str = "leases";

pub(super) async fn take(on: On, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Attempt<bool> {
    let free = doc! { "_id": name, "$or": [{ "holder": holder }, { "until": { "$lte": date(now) } }] };
    let mine = doc! { "$set": { "holder": holder, "until": date(now.plus(ttl)) } };
    // One that is someone else's is not found, and can't be made a second time.
    match on.db.collection::<mongodb::bson::Document>(LEASES).update_one(free, mine).upsert(true).await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(Failure::from(error)),
    }
}

pub(super) async fn give_back(on: On, name: &str, holder: &str) -> Attempt<()> {
    on.remove(LEASES, doc! { "_id": name, "holder": holder }).await.map(drop)
}
