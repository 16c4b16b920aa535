//! Users and revoked login sessions.

use metastamp_protocol::user::normalise_email;
use metastamp_protocol::{ObjectId, Role, Timestamp, User};
use rusqlite::{Connection, params};

use super::{decode, encode, execute, insert as insert_row, one};
use crate::documents::Principal;
use crate::sqlite::failed;
use crate::{Result, StoreError};

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

pub(super) fn by_id(c: &Connection, id: ObjectId) -> Result<Option<User>> {
    one(c, "SELECT doc FROM users WHERE id=?1", [id.to_hex()])
}

pub(super) fn by_email(c: &Connection, email: &str) -> Result<Option<User>> {
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

pub(super) fn record_login(c: &Connection, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
    update(c, id, |user| {
        user.last_login = Some(at);
        if new_hash.is_some() {
            user.hashed_password = new_hash;
            user.updated_at = at;
        }
    })
}

pub(super) fn set_role(c: &Connection, id: ObjectId, role: Role) -> Result<()> {
    update(c, id, |user| user.role = role)
}

pub(super) fn principal(c: &Connection, user_id: ObjectId, sid: &str) -> Result<Principal> {
    // One statement, so one instant, and one round of locks.
    let sql = "SELECT EXISTS(SELECT 1 FROM revoked_sessions WHERE sid=?1), (SELECT doc FROM users WHERE id=?2)";
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let (revoked, doc): (bool, Option<String>) =
        query.query_row([sid, &user_id.to_hex()], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    Ok(Principal { user: doc.map(|doc| decode(&doc)).transpose()?, revoked })
}

pub(super) fn revoke(c: &Connection, sid: &str, until: Timestamp) -> Result<()> {
    execute(
        c,
        "INSERT INTO revoked_sessions VALUES (?1,?2) ON CONFLICT(sid) DO UPDATE SET until=max(until, excluded.until)",
        params![sid, until.millis()],
    )?;
    Ok(())
}

pub(super) fn forget_revocations(c: &Connection, now: Timestamp) -> Result<u64> {
    Ok(execute(c, "DELETE FROM revoked_sessions WHERE until<?1", [now.millis()])? as u64)
}
