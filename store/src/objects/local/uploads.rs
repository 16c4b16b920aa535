//! Multipart uploads. A completed object takes over the blobs of its parts: no byte is copied.

use std::collections::HashSet;

use md5::{Digest as _, Md5};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::WriteConditions;
use super::fault::Fault;
use super::meta::Change;
use super::objects::owned;
use super::receive::{expected, receive};
use super::rows::{self, NewObject, Segment, headers, now_ms, timestamp};

const PART_NUMBER_MAX: i32 = 10_000;
/// Smallest part but the last, as in S3.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

struct PartRow {
    number: i32,
    blob: String,
    size: u64,
    etag: String,
    modified_ms: i64,
}

impl Store {
    pub async fn create_upload(
        &self,
        mut req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &mut req.input;
        rows::check_key(&input.key)?;
        let kept = headers!(input)?.to_json()?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id.clone()),
            ..Default::default()
        };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        self.meta
            .write(move |connection| {
                rows::require_bucket(connection, &bucket)?;
                connection
                    .prepare_cached(
                        "INSERT INTO uploads(id, bucket, key, headers, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![id, bucket, key.as_bytes(), kept, now_ms()])?;
                Ok(Change::new(()))
            })
            .await?;
        Ok(S3Response::new(output))
    }

    pub async fn upload_part(&self, mut req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let expected = expected!(req);
        let UploadPartInput { bucket, key, upload_id, part_number, body, .. } = req.input;
        if !(1..=PART_NUMBER_MAX).contains(&part_number) {
            return Err(s3_error!(InvalidArgument, "part number must be 1 to {PART_NUMBER_MAX}"));
        }
        let upload = (bucket, key, upload_id);
        let early = upload.clone();
        self.meta.read(move |connection| require_upload(connection, &early).map(drop)).await?;
        let blob = receive(&self.blobs, body, &expected).await?;
        let etag = hex::encode(blob.md5);
        let output = UploadPartOutput {
            e_tag: Some(ETag::Strong(etag.clone())),
            checksum_crc32: blob.checksum.checksum_crc32.clone(),
            checksum_crc32c: blob.checksum.checksum_crc32c.clone(),
            checksum_crc64nvme: blob.checksum.checksum_crc64nvme.clone(),
            checksum_sha1: blob.checksum.checksum_sha1.clone(),
            checksum_sha256: blob.checksum.checksum_sha256.clone(),
            ..Default::default()
        };
        self.meta
            .write(move |connection| {
                require_upload(connection, &upload)?;
                let id = &upload.2;
                let old: Option<String> = connection
                    .prepare_cached("SELECT blob FROM parts WHERE upload_id = ?1 AND number = ?2")?
                    .query_row(params![id, part_number], |row| row.get(0))
                    .optional()?;
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO parts(upload_id, number, blob, size, etag, modified_ms)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![id, part_number, owned(&blob.guard)?, rows::to_sql(blob.size), etag, now_ms()])?;
                Ok(Change::new(()).keep(blob.guard).garbage(old.into_iter().collect()))
            })
            .await?;
        Ok(S3Response::new(output))
    }

    pub async fn complete_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let conditions = WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let chosen = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let upload = (input.bucket, input.key, input.upload_id);
        let (bucket, key) = (upload.0.clone(), upload.1.clone());
        let etag = self.meta.write(move |connection| complete(connection, &upload, &chosen, &conditions)).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{bucket}/{key}")),
            bucket: Some(bucket),
            key: Some(key),
            e_tag: Some(ETag::Strong(etag)),
            ..Default::default()
        }))
    }

    pub async fn abort_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let upload = (req.input.bucket, req.input.key, req.input.upload_id);
        self.meta
            .write(move |connection| {
                require_upload(connection, &upload)?;
                Ok(Change::new(()).garbage(forget(connection, &upload.2)?))
            })
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let limit = input.max_parts.unwrap_or(super::listing::PAGE_MAX).clamp(0, super::listing::PAGE_MAX);
        let marker = input.part_number_marker.unwrap_or(0);
        let upload = (input.bucket, input.key, input.upload_id);
        let asked = upload.clone();
        let mut found = self
            .meta
            .read(move |connection| {
                require_upload(connection, &asked)?;
                parts(connection, &asked.2, marker, limit + 1)
            })
            .await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().map(|part| part.number);
        let listed = found.into_iter().map(|part| Part {
            part_number: Some(part.number),
            size: Some(part.size as i64),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(timestamp(part.modified_ms)),
            ..Default::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(listed.collect()),
            bucket: Some(upload.0),
            key: Some(upload.1),
            upload_id: Some(upload.2),
            is_truncated: Some(more),
            max_parts: Some(limit),
            part_number_marker: Some(marker),
            next_part_number_marker: last.filter(|_| more),
            ..Default::default()
        }))
    }
}

/// Bucket, key and id of an upload.
type Upload = (String, String, String);

/// The kept headers of the upload.
fn require_upload(connection: &Connection, (bucket, key, id): &Upload) -> Result<String, Fault> {
    rows::require_bucket(connection, bucket)?;
    let mut statement =
        connection.prepare_cached("SELECT headers FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3")?;
    let found = statement.query_row(params![id, bucket, key.as_bytes()], |row| row.get(0)).optional()?;
    found.ok_or_else(|| s3_error!(NoSuchUpload).into())
}

fn parts(connection: &Connection, id: &str, after: i32, limit: i32) -> Result<Vec<PartRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT number, blob, size, etag, modified_ms FROM parts WHERE upload_id = ?1 AND number > ?2
         ORDER BY number LIMIT ?3",
    )?;
    let read = |row: &Row<'_>| {
        Ok(PartRow {
            number: row.get(0)?,
            blob: row.get(1)?,
            size: rows::size(row, 2)?,
            etag: row.get(3)?,
            modified_ms: row.get(4)?,
        })
    };
    Ok(statement.query_map(params![id, after, limit], read)?.collect::<rusqlite::Result<_>>()?)
}

/// Deletes the rows of an upload; returns the blobs they leave behind.
pub(super) fn forget(connection: &Connection, id: &str) -> Result<Vec<String>, Fault> {
    let blobs = parts(connection, id, 0, i32::MAX)?.into_iter().map(|part| part.blob).collect();
    connection.prepare_cached("DELETE FROM parts WHERE upload_id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id])?;
    Ok(blobs)
}

fn complete(
    connection: &Connection,
    upload: &Upload,
    chosen: &[CompletedPart],
    conditions: &WriteConditions,
) -> Result<Change<String>, Fault> {
    let (bucket, key, id) = upload;
    rows::require_bucket(connection, bucket)?;
    let stored = rows::find_object(connection, bucket, key)?;
    let kept = match require_upload(connection, upload) {
        Ok(kept) => kept,
        Err(fault) => {
            // the answer to an earlier completion may have been lost
            let repeated = stored.filter(|object| object.upload_id.as_deref() == Some(id));
            return repeated.map(|object| Change::new(object.etag)).ok_or(fault);
        }
    };
    conditions.check(stored.as_ref())?;
    let uploaded = parts(connection, id, 0, i32::MAX)?;
    let (segments, etag) = choose(chosen, &uploaded)?;
    let used: HashSet<&str> = segments.iter().map(|segment| segment.blob.as_str()).collect();
    let unused = forget(connection, id)?.into_iter().filter(|blob| !used.contains(blob.as_str())).collect();
    let object = NewObject { bucket, key, etag: &etag, headers: &kept, upload_id: Some(id), segments: &segments };
    let replaced = rows::put_object(connection, &object)?;
    Ok(Change::new(etag).garbage(unused).garbage(replaced))
}

/// The parts the client lists, checked as S3 checks them, and the tag of the whole.
fn choose(chosen: &[CompletedPart], uploaded: &[PartRow]) -> Result<(Vec<Segment>, String), Fault> {
    if chosen.is_empty() || chosen.len() > PART_NUMBER_MAX as usize {
        return Err(s3_error!(MalformedXML, "1 to {PART_NUMBER_MAX} parts").into());
    }
    let mut segments = Vec::with_capacity(chosen.len());
    let mut digest = Md5::new();
    let mut previous = 0;
    for (index, part) in chosen.iter().enumerate() {
        let number = part.part_number.unwrap_or(0);
        if number <= previous {
            return Err(s3_error!(InvalidPartOrder).into());
        }
        previous = number;
        let found = uploaded.binary_search_by_key(&number, |row| row.number).ok().map(|at| &uploaded[at]);
        let row = found
            .filter(|row| part.e_tag.as_ref().is_none_or(|etag| etag.value() == row.etag))
            .ok_or_else(|| s3_error!(InvalidPart, "part {number} is missing or another"))?;
        if row.size < PART_BYTES_MIN && index + 1 < chosen.len() {
            return Err(s3_error!(EntityTooSmall, "part {number} is below 5 MiB").into());
        }
        digest.update(hex::decode(&row.etag).unwrap_or_default());
        segments.push(Segment { blob: row.blob.clone(), size: row.size });
    }
    let etag = format!("{}-{}", hex::encode(digest.finalize()), segments.len());
    Ok((segments, etag))
}
