//! Accounts.

use async_trait::async_trait;
use metastamp_protocol::user::normalise_email;
use metastamp_protocol::{ObjectId, Role, Timestamp, User};
use rusqlite::{Connection, params};

use super::{EmbeddedDocuments, encode, execute, insert as insert_row, one};
use crate::{Result, StoreError, ports};

#[async_trait]
impl ports::Users for EmbeddedDocuments {
    async fn insert_user(&self, user: &User) -> Result<()> {
        let user = user.clone();
        self.db.write("insert_user", move |c| insert(c, &user)).await
    }

    async fn user(&self, id: ObjectId) -> Result<Option<User>> {
        self.db.look_up("user", |c| by_id(c, id))
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let email = normalise_email(email);
        self.db.look_up("user_by_email", |c| by_email(c, &email))
    }

    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
        self.db.write("record_login", move |c| record_login(c, id, at, new_hash)).await
    }

    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()> {
        self.db.write("set_role", move |c| set_role(c, id, role)).await
    }
}

pub(super) fn insert(c: &Connection, user: &User) -> Result<()> {
    let user = &User { email: normalise_email(&user.email), ..user.clone() };
    let doc = encode(user)?;
    insert_row(
        c,
        "INSERT INTO users VALUES (?1,?2,?3,?4,?5,?6)",
        params![user.id.to_hex(), user.email, user.auth0_id, role(user.role)?, user.created_at.millis(), doc],
        "users.email",
    )
}

fn by_id(c: &Connection, id: ObjectId) -> Result<Option<User>> {
    one(c, "SELECT doc FROM users WHERE id=?1", [id.to_hex()])
}

fn by_email(c: &Connection, email: &str) -> Result<Option<User>> {
    one(c, "SELECT doc FROM users WHERE email=?1", [email])
}

fn role(role: Role) -> Result<String> {
    Ok(encode(&role)?.trim_matches('"').to_owned())
}

fn update(c: &Connection, id: ObjectId, change: impl FnOnce(&mut User)) -> Result<()> {
    let mut user = by_id(c, id)?.ok_or(StoreError::NotFound { what: "user" })?;
    change(&mut user);
    let params = params![id.to_hex(), role(user.role)?, encode(&user)?];
    execute(c, "UPDATE users SET role=?2, doc=?3 WHERE id=?1", params)?;
    Ok(())
}

fn record_login(c: &Connection, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
    update(c, id, |user| {
        user.last_login = Some(at);
        if new_hash.is_some() {
            user.hashed_password = new_hash;
            user.updated_at = at;
        }
    })
}

fn set_role(c: &Connection, id: ObjectId, role: Role) -> Result<()> {
    update(c, id, |user| user.role = role)
}
