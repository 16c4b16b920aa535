//! Buckets, and what lists over them: objects and multipart uploads.

use rusqlite::params;
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::Store;
use super::fault::Fault;
use super::listing::{self, PAGE_MAX, Query};
use super::meta::Change;
use super::rows::{self, now_ms, timestamp};

impl Store {
    /// Fails before a body is read when there is no such bucket.
    pub async fn require_bucket(&self, bucket: &str) -> Result<(), Fault> {
        let bucket = bucket.to_owned();
        self.meta.read(move |connection| rows::require_bucket(connection, &bucket)).await
    }

    pub async fn create_bucket(&self, bucket: String) -> S3Result<()> {
        self.meta
            .write(move |connection| {
                let created = connection
                    .prepare_cached("INSERT OR IGNORE INTO buckets(name, created_ms) VALUES (?1, ?2)")?
                    .execute(params![bucket, now_ms()])?;
                if created == 0 { Err(s3_error!(BucketAlreadyOwnedByYou).into()) } else { Ok(Change::new(())) }
            })
            .await?;
        Ok(())
    }

    pub async fn delete_bucket(&self, bucket: String) -> S3Result<()> {
        self.meta
            .write(move |connection| {
                rows::require_bucket(connection, &bucket)?;
                let mut used = connection.prepare_cached(
                    "SELECT 1 WHERE EXISTS(SELECT 1 FROM objects WHERE bucket = ?1)
                     OR EXISTS(SELECT 1 FROM uploads WHERE bucket = ?1)",
                )?;
                if used.exists([&bucket])? {
                    return Err(s3_error!(BucketNotEmpty).into());
                }
                connection.prepare_cached("DELETE FROM buckets WHERE name = ?1")?.execute([&bucket])?;
                Ok(Change::new(()))
            })
            .await?;
        Ok(())
    }

    pub async fn buckets(&self) -> S3Result<ListBucketsOutput> {
        let rows = self
            .meta
            .read(|connection| {
                let mut statement = connection.prepare_cached("SELECT name, created_ms FROM buckets ORDER BY name")?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
                Ok(statement.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?)
            })
            .await?;
        let listed = rows.into_iter().map(|(name, created_ms)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created_ms)),
            ..Default::default()
        });
        Ok(ListBucketsOutput { buckets: Some(listed.collect()), ..Default::default() })
    }

    pub async fn list(&self, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let limit = input.max_keys.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => listing::from_token(token).ok_or_else(|| s3_error!(InvalidArgument, "bad token"))?,
            (None, Some(key)) => listing::after_key(key.as_bytes()),
            (None, None) => Vec::new(),
        };
        let query = Query {
            bucket: input.bucket.clone(),
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            start,
            limit: limit as usize,
        };
        let page = self
            .meta
            .read(move |connection| {
                rows::require_bucket(connection, &query.bucket)?;
                listing::list(connection, &query)
            })
            .await?;
        let contents: Vec<Object> = page
            .entries
            .into_iter()
            .map(|entry| Object {
                key: Some(entry.key),
                size: Some(entry.size as i64),
                e_tag: Some(ETag::Strong(entry.etag)),
                last_modified: Some(timestamp(entry.modified_ms)),
                ..Default::default()
            })
            .collect();
        let prefixes: Vec<CommonPrefix> =
            page.prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: Some((contents.len() + prefixes.len()) as i32),
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(listing::to_token),
            continuation_token: input.continuation_token,
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            max_keys: Some(limit),
            ..Default::default()
        }))
    }

    pub async fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "listing uploads with a delimiter"));
        }
        let limit = input.max_uploads.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
        let prefix = input.prefix.clone().unwrap_or_default();
        let end = listing::after_prefix(prefix.as_bytes());
        let (key_marker, id_marker) = (input.key_marker.clone(), input.upload_id_marker.clone());
        let bucket = input.bucket.clone();
        let mut found = self
            .meta
            .read(move |connection| {
                rows::require_bucket(connection, &bucket)?;
                // after (key, id) when both markers are given, after the whole key when only that one is
                let marker = match (&key_marker, &id_marker) {
                    (Some(key), Some(_)) => key.as_bytes().to_vec(),
                    (Some(key), None) => listing::after_key(key.as_bytes()),
                    (None, _) => Vec::new(),
                };
                let after_id = if key_marker.is_some() { id_marker.unwrap_or_default() } else { String::new() };
                let mut statement = connection.prepare_cached(
                    "SELECT key, id, created_ms FROM uploads
                     WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND (key, id) > (?4, ?5)
                     ORDER BY key, id LIMIT ?6",
                )?;
                let read = |row: &rusqlite::Row<'_>| {
                    let key = String::from_utf8_lossy(row.get_ref(0)?.as_blob()?).into_owned();
                    Ok((key, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
                };
                let values = params![bucket, prefix.as_bytes(), end, marker, after_id, limit + 1];
                Ok(statement.query_map(values, read)?.collect::<rusqlite::Result<Vec<_>>>()?)
            })
            .await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| more).map(|(key, id, _)| (key.clone(), id.clone())).unzip();
        let listed = found.into_iter().map(|(key, id, created_ms)| MultipartUpload {
            key: Some(key),
            upload_id: Some(id),
            initiated: Some(timestamp(created_ms)),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(listed.collect()),
            bucket: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(limit),
            is_truncated: Some(more),
            next_key_marker: last.0,
            next_upload_id_marker: last.1,
            ..Default::default()
        }))
    }
}
