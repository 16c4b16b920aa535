//! Who a token speaks for, and revoked login sessions.

use async_trait::async_trait;
use metastamp_protocol::{ObjectId, Timestamp};
use rusqlite::{Connection, params};

use super::{EmbeddedDocuments, decode, execute};
use crate::Result;
use crate::ports::{self, Principal};
use crate::sqlite::failed;

#[async_trait]
impl ports::Logins for EmbeddedDocuments {
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let sid = sid.to_owned();
        self.db.look_up("principal", |c| principal(c, user_id, &sid))
    }

    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        let sid = sid.to_owned();
        self.db.write("revoke_session", move |c| revoke(c, &sid, until)).await
    }

    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        self.db.write("forget_revocations", move |c| forget_revocations(c, now)).await
    }
}

fn principal(c: &Connection, user_id: ObjectId, sid: &str) -> Result<Principal> {
    // One statement, so one instant, and one round of locks.
    let sql = "SELECT EXISTS(SELECT 1 FROM revoked_sessions WHERE sid=?1), (SELECT doc FROM users WHERE id=?2)";
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let (revoked, doc): (bool, Option<String>) =
        query.query_row([sid, &user_id.to_hex()], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    Ok(Principal { user: doc.map(|doc| decode(&doc)).transpose()?, revoked })
}

fn revoke(c: &Connection, sid: &str, until: Timestamp) -> Result<()> {
    execute(
        c,
        "INSERT INTO revoked_sessions VALUES (?1,?2) ON CONFLICT(sid) DO UPDATE SET until=max(until, excluded.until)",
        params![sid, until.millis()],
    )?;
    Ok(())
}

fn forget_revocations(c: &Connection, now: Timestamp) -> Result<u64> {
    Ok(execute(c, "DELETE FROM revoked_sessions WHERE until<?1", [now.millis()])? as u64)
}
