//! Partners and their API keys.

use async_trait::async_trait;
use metastamp_protocol::partner::{ApiKey, Partner};
use metastamp_protocol::{ObjectId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{EmbeddedDocuments, decode, encode, execute, insert as insert_row, many, one};
use crate::sqlite::failed;
use crate::{Result, StoreError, ports};

#[async_trait]
impl ports::Partners for EmbeddedDocuments {
    async fn insert_partner(&self, partner: &Partner) -> Result<()> {
        let partner = partner.clone();
        self.db.write("insert_partner", move |c| insert(c, &partner)).await
    }

    async fn partner(&self, id: ObjectId) -> Result<Option<Partner>> {
        self.db.look_up("partner", |c| by_id(c, id))
    }

    async fn partners(&self, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)> {
        self.db.read("partners", move |c| page(c, skip, limit)).await
    }

    async fn save_partner(&self, partner: &Partner, seen: Timestamp) -> Result<()> {
        let partner = partner.clone();
        self.db.write("save_partner", move |c| save(c, &partner, seen)).await
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        let key = key.clone();
        self.db.write("insert_api_key", move |c| insert_key(c, &key)).await
    }

    async fn api_key(&self, id: ObjectId) -> Result<Option<(ApiKey, Partner)>> {
        self.db.look_up("api_key", |c| key_and_partner(c, id))
    }

    async fn api_keys(&self, partner_id: ObjectId) -> Result<Vec<ApiKey>> {
        self.db.read("api_keys", move |c| keys_of(c, partner_id)).await
    }

    async fn revoke_api_key(&self, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()> {
        self.db.write("revoke_api_key", move |c| revoke(c, partner_id, id, at)).await
    }
}

pub(super) fn insert(c: &Connection, partner: &Partner) -> Result<()> {
    let params = params![partner.id.to_hex(), partner.name, encode(partner)?];
    insert_row(c, "INSERT INTO partners VALUES (?1,?2,?3)", params, "partners.name")
}

fn by_id(c: &Connection, id: ObjectId) -> Result<Option<Partner>> {
    one(c, "SELECT doc FROM partners WHERE id=?1", [id.to_hex()])
}

/// Count and rows are of one instant: both run in one read transaction.
fn page(c: &Connection, skip: u64, limit: u32) -> Result<(Vec<Partner>, u64)> {
    let snapshot = c.unchecked_transaction().map_err(failed)?;
    let total: i64 = snapshot.query_row("SELECT count(*) FROM partners", [], |row| row.get(0)).map_err(failed)?;
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let rows = many(&snapshot, "SELECT doc FROM partners ORDER BY name LIMIT ?1 OFFSET ?2", params![limit, skip])?;
    snapshot.finish().map_err(failed)?;
    Ok((rows, total as u64))
}

fn save(c: &Connection, partner: &Partner, seen: Timestamp) -> Result<()> {
    let before = by_id(c, partner.id)?.ok_or(StoreError::NotFound { what: "partner" })?;
    if before.updated_at != seen {
        return Err(StoreError::Fenced { what: "partner" });
    }
    let partner = Partner { created_at: before.created_at, ..partner.clone() };
    let params = params![partner.id.to_hex(), partner.name, encode(&partner)?];
    insert_row(c, "UPDATE partners SET name=?2, doc=?3 WHERE id=?1", params, "partners.name")
}

pub(super) fn insert_key(c: &Connection, key: &ApiKey) -> Result<()> {
    let params = params![key.id.to_hex(), key.partner_id.to_hex(), key.created_at.millis(), encode(key)?];
    insert_row(c, "INSERT INTO api_keys VALUES (?1,?2,?3,?4)", params, "api_keys.id")
}

fn key_and_partner(c: &Connection, id: ObjectId) -> Result<Option<(ApiKey, Partner)>> {
    let sql = "SELECT k.doc, p.doc FROM api_keys k JOIN partners p ON p.id=k.partner_id WHERE k.id=?1";
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let found = query.query_row([id.to_hex()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let found = found.optional().map_err(failed)?;
    found.map(|(key, partner)| Ok((decode(&key)?, decode(&partner)?))).transpose()
}

fn keys_of(c: &Connection, partner_id: ObjectId) -> Result<Vec<ApiKey>> {
    many(c, "SELECT doc FROM api_keys WHERE partner_id=?1 ORDER BY created_at, id", [partner_id.to_hex()])
}

fn revoke(c: &Connection, partner_id: ObjectId, id: ObjectId, at: Timestamp) -> Result<()> {
    let ids = [id.to_hex(), partner_id.to_hex()];
    let key: Option<ApiKey> = one(c, "SELECT doc FROM api_keys WHERE id=?1 AND partner_id=?2", ids)?;
    let mut key = key.ok_or(StoreError::NotFound { what: "API key" })?;
    key.revoked_at.get_or_insert(at);
    execute(c, "UPDATE api_keys SET doc=?2 WHERE id=?1", params![id.to_hex(), encode(&key)?])?;
    Ok(())
}
