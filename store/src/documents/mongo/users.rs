//! Users and revoked login sessions.

use metastamp_protocol::user::normalise_email;
use metastamp_protocol::{ObjectId, Role, Timestamp, User};
use mongodb::bson::{Document, doc};

use super::fault::{Attempt, Failure};
use super::on::{On, any_form, date};
use crate::documents::Principal;
use crate::records::Collection;
use crate::{StoreError, records};

pub(super) fn by_id(id: ObjectId) -> Document {
    doc! { "_id": any_form(id) }
}

pub(super) async fn find(on: On, filter: Document) -> Attempt<Option<User>> {
    on.one(Collection::Users, filter).await
}

pub(super) async fn insert(on: On, user: User, earlier_attempts: u32) -> Attempt<()> {
    let user = User { email: normalise_email(&user.email), ..user };
    match on.insert(Collection::Users, &user).await {
        // An attempt that was not answered may be what is in the way.
        Err(Failure::Final(StoreError::Conflict { index })) if earlier_attempts > 0 => {
            match find(on, by_id(user.id)).await? {
                Some(stored) if stored == user => Ok(()),
                _ => Err(StoreError::Conflict { index }.into()),
            }
        }
        result => result,
    }
}

async fn set(on: On, id: ObjectId, change: Document) -> Attempt<()> {
    match on.update(Collection::Users, by_id(id), doc! { "$set": change }).await? {
        true => Ok(()),
        false => Err(StoreError::NotFound { what: "user" }.into()),
    }
}

pub(super) async fn record_login(on: On, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Attempt<()> {
    let mut change = doc! { "last_login": date(at) };
    if let Some(hash) = new_hash {
        change.extend(doc! { "hashed_password": hash, "updated_at": date(at) });
    }
    set(on, id, change).await
}

pub(super) async fn set_role(on: On, id: ObjectId, role: Role) -> Attempt<()> {
    let role = records::bson::serialize_to_bson(&role).map_err(|e| StoreError::Internal(e.to_string()))?;
    set(on, id, doc! { "role": role }).await
}

/// Two reads at once. They need not be of one instant: a revocation is final, and whoever is told of one only later was
/// asked about it earlier.
pub(super) async fn principal(on: On, user_id: ObjectId, sid: &str) -> Attempt<Principal> {
    let user = find(on.clone(), by_id(user_id));
    let revoked = on.record(Collection::RevokedSessions, doc! { "_id": sid });
    let (user, revoked) = tokio::try_join!(user, revoked)?;
    Ok(Principal { user, revoked: revoked.is_some() })
}

pub(super) async fn revoke(on: On, sid: &str, until: Timestamp) -> Attempt<()> {
    let later = doc! { "$max": { "until": date(until) } };
    on.upsert(Collection::RevokedSessions.name(), doc! { "_id": sid }, later).await
}

pub(super) async fn forget_revocations(on: On, now: Timestamp) -> Attempt<u64> {
    on.remove(Collection::RevokedSessions.name(), doc! { "until": { "$lt": date(now) } }).await
}
