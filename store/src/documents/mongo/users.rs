//! Accounts.

use async_trait::async_trait;
use metastamp_protocol::user::normalise_email;
use metastamp_protocol::{ObjectId, Role, Timestamp, User};
use mongodb::bson::{Document, doc};

use super::MongoDocuments;
use super::fault::{Attempt, Failure};
use super::scope::{Scope, any_form, date};
use crate::records::Collection;
use crate::{Result, StoreError, ports, records};

#[async_trait]
impl ports::Users for MongoDocuments {
    async fn insert_user(&self, user: &User) -> Result<()> {
        let Self { server } = self;
        server.call("insert_user", |earlier| insert(server.on(), user.clone(), earlier)).await
    }

    async fn user(&self, id: ObjectId) -> Result<Option<User>> {
        let Self { server } = self;
        server.call("user", |_| find(server.on(), by_id(id))).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let (Self { server }, email) = (self, normalise_email(email));
        server.call("user_by_email", |_| find(server.on(), doc! { "email": &email })).await
    }

    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
        let Self { server } = self;
        server.call("record_login", |_| record_login(server.on(), id, at, new_hash.clone())).await
    }

    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()> {
        let Self { server } = self;
        server.call("set_role", |_| set_role(server.on(), id, role)).await
    }
}

pub(super) fn by_id(id: ObjectId) -> Document {
    doc! { "_id": any_form(id) }
}

pub(super) async fn find(on: Scope, filter: Document) -> Attempt<Option<User>> {
    on.one(Collection::Users, filter).await
}

async fn insert(on: Scope, user: User, earlier_attempts: u32) -> Attempt<()> {
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

async fn set(on: Scope, id: ObjectId, change: Document) -> Attempt<()> {
    match on.update(Collection::Users, by_id(id), doc! { "$set": change }).await? {
        true => Ok(()),
        false => Err(StoreError::NotFound { what: "user" }.into()),
    }
}

async fn record_login(on: Scope, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Attempt<()> {
    let mut change = doc! { "last_login": date(at) };
    if let Some(hash) = new_hash {
        change.extend(doc! { "hashed_password": hash, "updated_at": date(at) });
    }
    set(on, id, change).await
}

async fn set_role(on: Scope, id: ObjectId, role: Role) -> Attempt<()> {
    let role = records::bson::serialize_to_bson(&role).map_err(|e| StoreError::Internal(e.to_string()))?;
    set(on, id, doc! { "role": role }).await
}
