//! Leases: who does what only one node should do at a time.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{NodeRef, Timestamp};
use rusqlite::{Connection, params};

use super::{EmbeddedDocuments, execute};
use crate::{Result, ports};

#[async_trait]
impl ports::Leases for EmbeddedDocuments {
    async fn come_up(&self, _: &NodeRef) -> Result<()> {
        // A process that dies leaves nothing open: its locks go with it.
        Ok(())
    }

    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db.write("take_lease", move |c| take(c, &name, &holder, now, ttl)).await
    }

    async fn return_lease(&self, name: &str, holder: &str) -> Result<()> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db.write("return_lease", move |c| give_back(c, &name, &holder)).await
    }
}

fn take(c: &Connection, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
    let taken = execute(
        c,
        "INSERT INTO leases VALUES (?1,?2,?3) ON CONFLICT(name) DO UPDATE \
         SET holder=excluded.holder, until=excluded.until WHERE holder=?2 OR until<=?4",
        params![name, holder, now.plus(ttl).millis(), now.millis()],
    )?;
    Ok(taken == 1)
}

fn give_back(c: &Connection, name: &str, holder: &str) -> Result<()> {
    execute(c, "DELETE FROM leases WHERE name=?1 AND holder=?2", [name, holder])?;
    Ok(())
}
