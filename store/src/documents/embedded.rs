//! Documents in one SQLite file. A row is a JSON document plus the columns that queries and unique indexes need. Each
//! port lies with its statements in the file of its subject.

mod analytics;
mod jobs;
mod leases;
mod ledger;
mod logins;
mod partners;
mod records;
mod schema;
mod uploads;
mod usage;
mod users;
mod works;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sqlite::{Durability, Sqlite, failed};
use crate::{Result, StoreError};

#[derive(Clone)]
pub struct EmbeddedDocuments {
    db: Sqlite,
}

impl EmbeddedDocuments {
    /// Opens `metastamp.db` in `dir` and brings its tables up to date. Blocks on file I/O.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("metastamp.db");
        let db = Sqlite::open_and_upgrade("documents", &path, Durability::Full, schema::SCHEMA, records::move_plain)?;
        Ok(Self { db })
    }
}

fn encode<T: Serialize>(document: &T) -> Result<String> {
    serde_json::to_string(document).map_err(|e| StoreError::Internal(format!("can't encode a document: {e}")))
}

fn decode<T: DeserializeOwned>(document: &str) -> Result<T> {
    serde_json::from_str(document).map_err(|e| StoreError::Internal(format!("can't decode a document: {e}")))
}

/// The one document a query selects in its first column.
fn one<T: DeserializeOwned>(c: &Connection, sql: &str, params: impl Params) -> Result<Option<T>> {
    one_by(c, sql, params, decode)
}

/// The same, of what has a reader of its own.
fn one_by<T>(
    c: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&str) -> Result<T>,
) -> Result<Option<T>> {
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let text: Option<String> = query.query_row(params, |row| row.get(0)).optional().map_err(failed)?;
    text.map(|text| read(&text)).transpose()
}

/// All documents a query selects in its first column.
fn many<T: DeserializeOwned>(c: &Connection, sql: &str, params: impl Params) -> Result<Vec<T>> {
    many_by(c, sql, params, decode)
}

/// The same, of what has a reader of its own.
fn many_by<T>(c: &Connection, sql: &str, params: impl Params, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let mut rows = query.query(params).map_err(failed)?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let text = row.get_ref(0).map_err(failed)?;
        documents.push(read(text.as_str().map_err(|e| StoreError::Internal(e.to_string()))?)?);
    }
    Ok(documents)
}

fn execute(c: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    c.prepare_cached(sql).map_err(failed)?.execute(params).map_err(failed)
}

/// Like [`execute`], with a broken unique index told apart by its name.
fn insert(c: &Connection, sql: &str, params: impl Params, index: &'static str) -> Result<()> {
    match c.prepare_cached(sql).map_err(failed)?.execute(params) {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(e, _)) if e.code == rusqlite::ErrorCode::ConstraintViolation => {
            Err(StoreError::Conflict { index })
        }
        Err(error) => Err(failed(error)),
    }
}
