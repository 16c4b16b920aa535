//! Who a token speaks for, and revoked login sessions.

use async_trait::async_trait;
use metastamp_protocol::{ObjectId, Timestamp};
use mongodb::bson::doc;

use super::fault::Attempt;
use super::scope::{Scope, date};
use super::{MongoDocuments, users};
use crate::Result;
use crate::ports::{self, Principal};
use crate::records::Collection;

#[async_trait]
impl ports::Logins for MongoDocuments {
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let Self { server } = self;
        server.call("principal", |_| principal(server.on(), user_id, sid)).await
    }

    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("revoke_session", |_| revoke(server.on(), sid, until)).await
    }

    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        let Self { server } = self;
        server.call("forget_revocations", |_| forget_revocations(server.on(), now)).await
    }
}

/// Two reads at once. They need not be of one instant: a revocation is final, and whoever is told of one only later was
/// asked about it earlier.
async fn principal(on: Scope, user_id: ObjectId, sid: &str) -> Attempt<Principal> {
    let user = users::find(on.clone(), users::by_id(user_id));
    let revoked = on.record(Collection::RevokedSessions, doc! { "_id": sid });
    let (user, revoked) = tokio::try_join!(user, revoked)?;
    Ok(Principal { user, revoked: revoked.is_some() })
}

async fn revoke(on: Scope, sid: &str, until: Timestamp) -> Attempt<()> {
    let later = doc! { "$max": { "until": date(until) } };
    on.upsert(Collection::RevokedSessions.name(), doc! { "_id": sid }, later).await
}

async fn forget_revocations(on: Scope, now: Timestamp) -> Attempt<u64> {
    on.remove(Collection::RevokedSessions.name(), doc! { "until": { "$lt": date(now) } }).await
}
