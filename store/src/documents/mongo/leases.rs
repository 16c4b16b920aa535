//! Leases: who does what only one node should do at a time.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{NodeRef, Timestamp};
use mongodb::bson::doc;

use super::fault::{Attempt, Failure, is_duplicate};
use super::scope::{Scope, date};
use super::sessions::lives_before;
use super::{MongoDocuments, STAY_OPEN};
use crate::{Result, ports};

#[async_trait]
impl ports::Leases for MongoDocuments {
    async fn come_up(&self, node: &NodeRef) -> Result<()> {
        let Self { server } = self;
        server.sessions.belong_to(node);
        match server.call("come_up", |_| server.end_sessions(lives_before(node), true)).await {
            Ok(ended) => tracing::debug!(sessions = ended, "transactions of former lives ended"),
            Err(error) => tracing::warn!(%node, %error, "{STAY_OPEN}"),
        }
        Ok(())
    }

    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
        let Self { server } = self;
        server.call("take_lease", |_| take(server.on(), name, holder, now, ttl)).await
    }

    async fn return_lease(&self, name: &str, holder: &str) -> Result<()> {
        let Self { server } = self;
        server.call("return_lease", |_| give_back(server.on(), name, holder)).await
    }
}

pub(super) const LEASES: &str = "leases";

pub(super) async fn take(on: Scope, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Attempt<bool> {
    let free = doc! { "_id": name, "$or": [{ "holder": holder }, { "until": { "$lte": date(now) } }] };
    let mine = doc! { "$set": { "holder": holder, "until": date(now.plus(ttl)) } };
    // One that is someone else's is not found, and can't be made a second time.
    match on.db.collection::<mongodb::bson::Document>(LEASES).update_one(free, mine).upsert(true).await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(Failure::from(error)),
    }
}

pub(super) async fn give_back(on: Scope, name: &str, holder: &str) -> Attempt<()> {
    on.remove(LEASES, doc! { "_id": name, "holder": holder }).await.map(drop)
}
