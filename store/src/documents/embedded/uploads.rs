//! Upload sessions, the commit of an upload, and garbage.

use async_trait::async_trait;
use metastamp_protocol::{Asset, NodeRef, ObjectId, Timestamp, UploadSession, UploadState};
use rusqlite::{Connection, OptionalExtension, params};

use super::{EmbeddedDocuments, encode, execute, insert, jobs, many, one, works};
use crate::ports::{self, Garbage, UploadCommit, UploadOutcome};
use crate::sqlite::failed;
use crate::{Result, StoreError, unfenced};

#[async_trait]
impl ports::Uploads for EmbeddedDocuments {
    async fn open_upload(&self, session: &UploadSession) -> Result<()> {
        let session = session.clone();
        self.db.write("open_upload", move |c| open(c, &session)).await
    }

    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>> {
        self.db.look_up("upload", |c| by_id(c, id))
    }

    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.db.write("renew_upload", move |c| renew(c, id, expires_at)).await
    }

    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()> {
        self.db.write("discard_upload", move |c| discard(c, id, now)).await
    }

    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool> {
        let seen = seen.clone();
        self.db.write("discard_abandoned", move |c| discard_seen(c, &seen, now)).await
    }

    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
        let of = of.clone();
        self.db.read("abandoned_uploads", move |c| abandoned(c, now, &of, limit)).await
    }

    async fn forget_uploads(&self, before: Timestamp) -> Result<u64> {
        self.db.write("forget_uploads", move |c| forget(c, before)).await
    }

    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        self.db.read("garbage", move |c| garbage(c, limit)).await
    }

    async fn forget_garbage(&self, s3_key: &str) -> Result<()> {
        let key = s3_key.to_owned();
        self.db.write("forget_garbage", move |c| forget_garbage(c, &key)).await
    }

    async fn key_is_used(&self, s3_key: &str) -> Result<bool> {
        let key = s3_key.to_owned();
        self.db.read("key_is_used", move |c| key_is_used(c, &key)).await
    }
}

fn state_word(state: UploadState) -> &'static str {
    match state {
        UploadState::Receiving => "receiving",
        UploadState::Stored => "stored",
        UploadState::Discarded => "discarded",
    }
}

pub(super) fn open(c: &Connection, session: &UploadSession) -> Result<()> {
    let params = params![
        session.id.to_hex(),
        state_word(session.state),
        session.s3_key,
        session.owner.node_id,
        session.owner.generation,
        session.expires_at.millis(),
        encode(session)?
    ];
    insert(c, "INSERT INTO uploads VALUES (?1,?2,?3,?4,?5,?6,?7)", params, "uploads.id")
}

fn by_id(c: &Connection, id: ObjectId) -> Result<Option<UploadSession>> {
    one(c, "SELECT doc FROM uploads WHERE id=?1", [id.to_hex()])
}

fn save(c: &Connection, session: &UploadSession) -> Result<()> {
    let params = params![session.id.to_hex(), state_word(session.state), session.expires_at.millis(), encode(session)?];
    execute(c, "UPDATE uploads SET state=?2, expires_at=?3, doc=?4 WHERE id=?1", params)?;
    Ok(())
}

/// The session, if it is still receiving.
fn receiving(c: &Connection, id: ObjectId) -> Result<UploadSession> {
    let session = by_id(c, id)?.ok_or(StoreError::NotFound { what: "upload session" })?;
    match session.state {
        UploadState::Receiving => Ok(session),
        _ => Err(StoreError::Fenced { what: "upload session" }),
    }
}

fn renew(c: &Connection, id: ObjectId, expires_at: Timestamp) -> Result<()> {
    let mut session = receiving(c, id)?;
    session.expires_at = expires_at;
    save(c, &session)
}

pub(super) fn commit(c: &Connection, commit: UploadCommit) -> Result<UploadOutcome> {
    let UploadCommit { asset, fingerprint, repeat_since } = commit;
    let mut session = by_id(c, asset.id)?.ok_or(StoreError::NotFound { what: "upload session" })?;
    match session.state {
        UploadState::Receiving => {}
        // The answer to an earlier commit was lost on the way: tell it again.
        UploadState::Stored => {
            let stored = works::by_id(c, asset.id)?.ok_or(StoreError::NotFound { what: "asset" })?;
            return Ok(UploadOutcome::Stored(stored));
        }
        UploadState::Discarded if unfenced::is_unfenced() => {}
        // The same for the answer that it was a repeat; otherwise the session was given up.
        UploadState::Discarded => return repeated(c, session.id),
    }
    if asset.s3_key != session.s3_key {
        return Err(StoreError::Internal("the asset names another object than its session".to_owned()));
    }
    if let Some(first) = repeat_of(c, &asset, repeat_since)?
        && !unfenced::is_unfenced()
    {
        execute(c, "INSERT INTO repeats VALUES (?1,?2)", [session.id.to_hex(), first.id.to_hex()])?;
        end(c, session, UploadState::Discarded, asset.created_at)?;
        return Ok(UploadOutcome::Repeat(first));
    }
    works::insert_asset(c, &asset)?;
    if let Some((fingerprint, job)) = &fingerprint {
        works::insert_fingerprint(c, fingerprint)?;
        jobs::queue(c, job)?;
    }
    session.state = UploadState::Stored;
    save(c, &session)?;
    Ok(UploadOutcome::Stored(asset))
}

/// What a discarded session was a repeat of. Not searched for again: another upload may have become the first since.
fn repeated(c: &Connection, id: ObjectId) -> Result<UploadOutcome> {
    let sql = "SELECT first FROM repeats WHERE id=?1";
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let first: Option<String> = query.query_row([id.to_hex()], |row| row.get(0)).optional().map_err(failed)?;
    let first = first.ok_or(StoreError::Fenced { what: "upload session" })?;
    let asset = one(c, "SELECT doc FROM assets WHERE id=?1", [first])?;
    asset.map(UploadOutcome::Repeat).ok_or(StoreError::NotFound { what: "asset" })
}

fn repeat_of(c: &Connection, asset: &Asset, since: Timestamp) -> Result<Option<Asset>> {
    one(
        c,
        "SELECT doc FROM assets WHERE user_id=?1 AND sha256=?2 AND created_at>=?3 AND file_name=?4 AND file_size=?5 \
         ORDER BY created_at LIMIT 1",
        params![asset.user_id.to_hex(), asset.sha256, since.millis(), asset.file_name, asset.file_size as i64],
    )
}

fn discard(c: &Connection, id: ObjectId, now: Timestamp) -> Result<()> {
    let Some(session) = by_id(c, id)? else { return Ok(()) };
    match session.state {
        UploadState::Receiving => end(c, session, UploadState::Discarded, now),
        UploadState::Discarded => Ok(()),
        UploadState::Stored => Err(StoreError::Fenced { what: "upload session" }),
    }
}

fn discard_seen(c: &Connection, seen: &UploadSession, now: Timestamp) -> Result<bool> {
    match by_id(c, seen.id)? {
        Some(session) if session == *seen && session.state == UploadState::Receiving => {
            end(c, session, UploadState::Discarded, now)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn end(c: &Connection, mut session: UploadSession, state: UploadState, now: Timestamp) -> Result<()> {
    session.state = state;
    save(c, &session)?;
    add_garbage(c, &session.s3_key, now)
}

fn abandoned(c: &Connection, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
    many(
        c,
        "SELECT doc FROM uploads WHERE state='receiving' AND (expires_at<=?1 OR (owner=?2 AND generation<?3)) ORDER BY expires_at LIMIT ?4",
        params![now.millis(), of.node_id, of.generation, limit],
    )
}

fn forget(c: &Connection, before: Timestamp) -> Result<u64> {
    const ENDED: &str = "FROM uploads WHERE state<>'receiving' AND expires_at<?1";
    execute(c, &format!("DELETE FROM repeats WHERE id IN (SELECT id {ENDED})"), [before.millis()])?;
    Ok(execute(c, &format!("DELETE {ENDED}"), [before.millis()])? as u64)
}

pub(super) fn add_garbage(c: &Connection, s3_key: &str, now: Timestamp) -> Result<()> {
    execute(c, "INSERT OR IGNORE INTO garbage VALUES (?1,?2)", params![s3_key, now.millis()])?;
    Ok(())
}

fn garbage(c: &Connection, limit: u32) -> Result<Vec<Garbage>> {
    let mut query = c.prepare_cached("SELECT s3_key, since FROM garbage ORDER BY since LIMIT ?1").map_err(failed)?;
    let rows = query
        .query_map([limit], |row| Ok(Garbage { s3_key: row.get(0)?, since: Timestamp(row.get(1)?) }))
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn forget_garbage(c: &Connection, s3_key: &str) -> Result<()> {
    execute(c, "DELETE FROM garbage WHERE s3_key=?1", [s3_key])?;
    Ok(())
}

fn key_is_used(c: &Connection, s3_key: &str) -> Result<bool> {
    let mut query = c
        .prepare_cached(
            "SELECT 1 FROM assets WHERE s3_key=?1 UNION ALL \
             SELECT 1 FROM uploads WHERE s3_key=?1 AND state='receiving' LIMIT 1",
        )
        .map_err(failed)?;
    Ok(query.query_row([s3_key], |_| Ok(())).optional().map_err(failed)?.is_some())
}
