//! The rows of the metadata: buckets, objects and the blobs (segments) they are made of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use s3s::dto::{ETag, Metadata, Timestamp};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// Most bytes of user metadata and kept headers together, as in S3.
const HEADERS_BYTES_MAX: usize = 2 * 1024;
/// Longest key, as in S3.
const KEY_BYTES_MAX: usize = 1024;

/// What is kept of the headers of an upload and given back with the object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Headers {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
}

/// Collects the kept headers out of a request input; the inputs name their fields alike.
macro_rules! headers {
    ($input:expr) => {
        $crate::objects::local::rows::Headers {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            metadata: $input.metadata.take().unwrap_or_default(),
        }
        .checked()
    };
}
pub(super) use headers;

impl Headers {
    /// Drops the transport's own coding and refuses what is over the limit.
    pub fn checked(mut self) -> S3Result<Self> {
        // `aws-chunked` describes the transfer, not the object
        let own = |coding: &&str| !coding.eq_ignore_ascii_case("aws-chunked") && !coding.is_empty();
        self.content_encoding = self.content_encoding.and_then(|codings| {
            let kept: Vec<&str> = codings.split(',').map(str::trim).filter(own).collect();
            (!kept.is_empty()).then(|| kept.join(","))
        });
        let fixed = [
            &self.content_type,
            &self.cache_control,
            &self.content_disposition,
            &self.content_encoding,
            &self.content_language,
        ];
        let fixed_bytes: usize = fixed.into_iter().flatten().map(String::len).sum();
        let user_bytes: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if fixed_bytes + user_bytes > HEADERS_BYTES_MAX {
            return Err(s3_error!(MetadataTooLarge));
        }
        Ok(self)
    }

    pub fn to_json(&self) -> Result<String, Fault> {
        serde_json::to_string(self).map_err(|error| Fault::Sql(rusqlite::Error::ToSqlConversionFailure(error.into())))
    }

    fn from_json(text: &str) -> rusqlite::Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
    }
}

/// One stored object.
#[derive(Debug, Clone)]
pub(super) struct ObjectRow {
    pub id: i64,
    pub size: u64,
    pub etag: String,
    pub headers: Headers,
    pub modified_ms: i64,
    /// The multipart upload it came from, so that a repeated completion is recognised.
    pub upload_id: Option<String>,
}

impl ObjectRow {
    pub fn e_tag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    pub fn modified(&self) -> Timestamp {
        timestamp(self.modified_ms)
    }
}

/// A piece of an object: one whole blob.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub blob: String,
    pub size: u64,
}

/// An object about to be stored.
pub(super) struct NewObject<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub etag: &'a str,
    pub headers: &'a str,
    pub upload_id: Option<&'a str>,
    pub segments: &'a [Segment],
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite has signed integers only.
pub(super) fn to_sql(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn size(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

pub(super) fn check_key(key: &str) -> S3Result<()> {
    match key.len() {
        0 => Err(s3_error!(InvalidArgument, "empty key")),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(s3_error!(KeyTooLongError)),
    }
}

pub(super) fn require_bucket(connection: &Connection, bucket: &str) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM buckets WHERE name = ?1")?;
    if statement.exists([bucket])? { Ok(()) } else { Err(s3_error!(NoSuchBucket).into()) }
}

pub(super) fn find_object(connection: &Connection, bucket: &str, key: &str) -> Result<Option<ObjectRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, size, etag, headers, modified_ms, upload_id FROM objects WHERE bucket = ?1 AND key = ?2",
    )?;
    let read = |row: &Row<'_>| {
        Ok(ObjectRow {
            id: row.get(0)?,
            size: size(row, 1)?,
            etag: row.get(2)?,
            headers: Headers::from_json(row.get_ref(3)?.as_str()?)?,
            modified_ms: row.get(4)?,
            upload_id: row.get(5)?,
        })
    };
    Ok(statement.query_row(params![bucket, key.as_bytes()], read).optional()?)
}

/// The object, or the S3 error that says what is missing.
pub(super) fn require_object(connection: &Connection, bucket: &str, key: &str) -> Result<ObjectRow, Fault> {
    require_bucket(connection, bucket)?;
    find_object(connection, bucket, key)?.ok_or_else(|| s3_error!(NoSuchKey).into())
}

pub(super) fn segments(connection: &Connection, object_id: i64) -> Result<Vec<Segment>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT blob, size FROM segments WHERE object_id = ?1 ORDER BY idx")?;
    let read = |row: &Row<'_>| Ok(Segment { blob: row.get(0)?, size: size(row, 1)? });
    Ok(statement.query_map([object_id], read)?.collect::<rusqlite::Result<_>>()?)
}

/// Stores the object, replacing any other under its key; returns the blobs that one leaves behind.
pub(super) fn put_object(connection: &Connection, object: &NewObject<'_>) -> Result<Vec<String>, Fault> {
    let garbage = delete_object(connection, object.bucket, object.key)?;
    let size: u64 = object.segments.iter().map(|segment| segment.size).sum();
    connection
        .prepare_cached(
            "INSERT INTO objects(bucket, key, size, etag, headers, modified_ms, upload_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            object.bucket,
            object.key.as_bytes(),
            to_sql(size),
            object.etag,
            object.headers,
            now_ms(),
            object.upload_id
        ])?;
    let id = connection.last_insert_rowid();
    let mut insert =
        connection.prepare_cached("INSERT INTO segments(object_id, idx, blob, size) VALUES (?1, ?2, ?3, ?4)")?;
    for (idx, segment) in object.segments.iter().enumerate() {
        insert.execute(params![id, to_sql(idx as u64), segment.blob, to_sql(segment.size)])?;
    }
    Ok(garbage)
}

/// Deletes the object if there is one; returns the blobs it leaves behind.
pub(super) fn delete_object(connection: &Connection, bucket: &str, key: &str) -> Result<Vec<String>, Fault> {
    let mut find = connection.prepare_cached("SELECT id FROM objects WHERE bucket = ?1 AND key = ?2")?;
    let Some(id) = find.query_row(params![bucket, key.as_bytes()], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(Vec::new());
    };
    let blobs = segments(connection, id)?.into_iter().map(|segment| segment.blob).collect();
    connection.prepare_cached("DELETE FROM segments WHERE object_id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM objects WHERE id = ?1")?.execute([id])?;
    Ok(blobs)
}

/// Whether any row owns the blob.
pub(super) fn blob_owned(connection: &Connection, blob: &str) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 WHERE EXISTS(SELECT 1 FROM segments WHERE blob = ?1) OR EXISTS(SELECT 1 FROM parts WHERE blob = ?1)",
    )?;
    Ok(statement.exists([blob])?)
}
