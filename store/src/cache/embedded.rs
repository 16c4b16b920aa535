//! The cache in a SQLite file that all node processes of one data directory share. No fsync: it may be lost.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::bucket::spend;
use super::{Admission, Cache, Looked, RateLimit};
use crate::Result;
use crate::sqlite::{Durability, Sqlite, failed};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_expires ON entries(expires_at);
CREATE TABLE IF NOT EXISTS locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, tokens REAL NOT NULL, at INTEGER NOT NULL, full_at INTEGER NOT NULL) WITHOUT ROWID;
";

#[derive(Clone)]
pub struct EmbeddedCache {
    db: Sqlite,
}

impl EmbeddedCache {
    /// Opens `cache.db` in `dir`. Blocks on file I/O.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { db: Sqlite::open("cache", &dir.join("cache.db"), Durability::Process, SCHEMA)? })
    }
}

#[async_trait]
impl Cache for EmbeddedCache {
    async fn ping(&self) -> Result<()> {
        // An empty write: whoever can only read is not ready.
        self.db.write("ping", |_| Ok(())).await
    }

    async fn get(&self, key: &str) -> Result<Option<String>> {
        self.db.look_up("get", |c| {
            let mut query =
                c.prepare_cached("SELECT value FROM entries WHERE key=?1 AND expires_at>?2").map_err(failed)?;
            query.query_row(params![key, Timestamp::now().millis()], |row| row.get(0)).optional().map_err(failed)
        })
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.db
            .write("set", move |c| {
                let mut insert =
                    c.prepare_cached("INSERT OR REPLACE INTO entries VALUES (?1,?2,?3)").map_err(failed)?;
                insert.execute(params![key, value, Timestamp::now().plus(ttl).millis()]).map_err(failed)?;
                Ok(())
            })
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.db
            .write("delete", move |c| {
                c.execute("DELETE FROM entries WHERE key=?1", [key]).map_err(failed)?;
                Ok(())
            })
            .await
    }

    async fn keep(&self, key: &str, value: &str) -> Result<String> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.db
            .write("keep", move |c| {
                c.execute("INSERT OR IGNORE INTO entries VALUES (?1,?2,?3)", params![key, value, i64::MAX])
                    .map_err(failed)?;
                c.query_row("SELECT value FROM entries WHERE key=?1", [key], |row| row.get(0)).map_err(failed)
            })
            .await
    }

    async fn look(&self, key: &str, within: Duration) -> Result<Looked> {
        if let Some(value) = self.get(key).await? {
            return Ok(Looked::Hit(value));
        }
        let token = uuid::Uuid::new_v4().simple().to_string();
        let is_ours = self.lock(&loader(key), &token, within).await?;
        Ok(if is_ours { Looked::Load(token) } else { Looked::Wait })
    }

    async fn fill(&self, key: &str, token: &str, value: &str, ttl: Duration) -> Result<bool> {
        let (key, token, value) = (key.to_owned(), token.to_owned(), value.to_owned());
        self.db
            .write("fill", move |c| {
                let now = Timestamp::now();
                let params = params![loader(&key), token, now.millis()];
                let held = c.execute("DELETE FROM locks WHERE name=?1 AND holder=?2 AND expires_at>?3", params);
                if held.map_err(failed)? == 0 {
                    return Ok(false);
                }
                c.execute(
                    "INSERT OR REPLACE INTO entries VALUES (?1,?2,?3)",
                    params![key, value, now.plus(ttl).millis()],
                )
                .map_err(failed)?;
                Ok(true)
            })
            .await
    }

    async fn drop_entries(&self, keys: &[String]) -> Result<()> {
        let keys = keys.to_vec();
        self.db
            .write("drop_entries", move |c| {
                for key in keys {
                    c.execute("DELETE FROM entries WHERE key=?1", [&key]).map_err(failed)?;
                    c.execute("DELETE FROM locks WHERE name=?1", [loader(&key)]).map_err(failed)?;
                }
                Ok(())
            })
            .await
    }

    async fn take_token(&self, key: &str, limit: RateLimit) -> Result<Admission> {
        let key = key.to_owned();
        self.db
            .write("take_token", move |c| {
                let now = Timestamp::now().millis();
                let stored = c
                    .query_row("SELECT tokens, at FROM buckets WHERE key=?1", [&key], |r| Ok((r.get(0)?, r.get(1)?)))
                    .optional()
                    .map_err(failed)?;
                let (admission, tokens) = spend(stored, limit, now);
                let full_at = now + limit.refill.as_millis() as i64;
                c.execute("INSERT OR REPLACE INTO buckets VALUES (?1,?2,?3,?4)", params![key, tokens, now, full_at])
                    .map_err(failed)?;
                Ok(admission)
            })
            .await
    }

    async fn return_token(&self, key: &str, limit: RateLimit) -> Result<()> {
        let key = key.to_owned();
        self.db
            .write("return_token", move |c| {
                c.execute("UPDATE buckets SET tokens=MIN(?2, tokens+1) WHERE key=?1", params![key, limit.capacity])
                    .map_err(failed)?;
                Ok(())
            })
            .await
    }

    async fn lock(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db
            .write("lock", move |c| {
                let now = Timestamp::now();
                let taken = c.execute(
                    "INSERT INTO locks VALUES (?1,?2,?3) ON CONFLICT(name) DO UPDATE \
                     SET holder=excluded.holder, expires_at=excluded.expires_at WHERE holder=?2 OR expires_at<=?4",
                    params![name, holder, now.plus(ttl).millis(), now.millis()],
                );
                Ok(taken.map_err(failed)? == 1)
            })
            .await
    }

    async fn unlock(&self, name: &str, holder: &str) -> Result<()> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db
            .write("unlock", move |c| {
                c.execute("DELETE FROM locks WHERE name=?1 AND holder=?2", params![name, holder]).map_err(failed)?;
                Ok(())
            })
            .await
    }

    async fn sweep(&self) -> Result<()> {
        self.db
            .write("sweep", |c| {
                let now = Timestamp::now().millis();
                c.execute("DELETE FROM entries WHERE expires_at<=?1", [now]).map_err(failed)?;
                c.execute("DELETE FROM locks WHERE expires_at<=?1", [now]).map_err(failed)?;
                c.execute("DELETE FROM buckets WHERE full_at<=?1", [now]).map_err(failed)?;
                Ok(())
            })
            .await
    }
}

/// The lock that whoever loads an entry holds.
fn loader(key: &str) -> String {
    format!("load:{key}")
}
