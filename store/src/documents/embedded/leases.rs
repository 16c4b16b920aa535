//! Leases: who does what only one node should do at a time.

use std::time::Duration;

use metastamp_protocol::Timestamp;
use rusqlite::{Connection, params};

use super::execute;
use crate::Result;

pub(super) fn take(c: &Connection, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
    let taken = execute(
        c,
        "INSERT INTO leases VALUES (?1,?2,?3) ON CONFLICT(name) DO UPDATE \
         SET holder=excluded.holder, until=excluded.until WHERE holder=?2 OR until<=?4",
        params![name, holder, now.plus(ttl).millis(), now.millis()],
    )?;
    Ok(taken == 1)
}

pub(super) fn give_back(c: &Connection, name: &str, holder: &str) -> Result<()> {
    execute(c, "DELETE FROM leases WHERE name=?1 AND holder=?2", [name, holder])?;
    Ok(())
}
