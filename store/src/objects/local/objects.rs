//! Operations on whole objects.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::{ReadConditions, WriteConditions};
use super::fault::Fault;
use super::meta::Change;
use super::receive::{expected, receive};
use super::rows::{self, NewObject, ObjectRow, Segment, headers};
use crate::objects::file_stream::{FileStream, Piece, Source};

/// Files of one object opened before its download starts, so that a concurrent overwrite can't break it. An object of
/// more parts opens the rest as it goes, and breaks off (never mixes) when it is replaced meanwhile.
const OPEN_AHEAD_MAX: usize = 16;

impl Store {
    pub async fn put(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let expected = expected!(req);
        let mut input = req.input;
        refuse_customer_key(input.sse_customer_key.is_some())?;
        rows::check_key(&input.key)?;
        let kept = headers!(input)?.to_json()?;
        let conditions = WriteConditions { if_match: input.if_match.take(), if_none_match: input.if_none_match.take() };
        let (bucket, key) = (input.bucket, input.key);
        self.require_bucket(&bucket).await?;
        let blob = receive(&self.blobs, input.body.take(), &expected).await?;
        let etag = hex::encode(blob.md5);
        let output = PutObjectOutput {
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
                rows::require_bucket(connection, &bucket)?;
                conditions.check(rows::find_object(connection, &bucket, &key)?.as_ref())?;
                let segments = [Segment { blob: owned(&blob.guard)?, size: blob.size }];
                let garbage = rows::put_object(
                    connection,
                    &NewObject {
                        bucket: &bucket,
                        key: &key,
                        etag: &etag,
                        headers: &kept,
                        upload_id: None,
                        segments: &segments,
                    },
                )?;
                Ok(Change::new(()).keep(blob.guard).garbage(garbage))
            })
            .await?;
        Ok(S3Response::new(output))
    }

    pub async fn get(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        refuse_customer_key(input.sse_customer_key.is_some())?;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "reading by part number"));
        }
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let (bucket, key, asked) = (input.bucket, input.key, input.range);
        let blobs = Arc::clone(&self.blobs);
        let (object, range, pieces) = self
            .meta
            .read_with_blobs(move |connection| {
                let object = rows::require_object(connection, &bucket, &key)?;
                conditions.check(&object)?;
                let range = resolve(asked, object.size)?;
                let mut pieces = pieces(&rows::segments(connection, object.id)?, &range, &blobs);
                for piece in pieces.iter_mut().take(OPEN_AHEAD_MAX) {
                    if let Source::Path(path) = &piece.source {
                        piece.source = Source::Open(Arc::new(std::fs::File::open(path)?));
                    }
                }
                Ok((object, range, pieces))
            })
            .await?;
        let output = GetObjectOutput {
            body: Some(StreamingBlob::new(FileStream::new(pieces))),
            content_length: Some(range.end.saturating_sub(range.start) as i64),
            content_range: asked.map(|_| content_range(&range, object.size)),
            accept_ranges: Some("bytes".into()),
            e_tag: Some(object.e_tag()),
            last_modified: Some(object.modified()),
            content_type: object.headers.content_type,
            cache_control: object.headers.cache_control,
            content_disposition: object.headers.content_disposition,
            content_encoding: object.headers.content_encoding,
            content_language: object.headers.content_language,
            metadata: Some(object.headers.metadata),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    pub async fn head(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let object: ObjectRow = self
            .meta
            .read(move |connection| {
                let object = rows::require_object(connection, &input.bucket, &input.key)?;
                conditions.check(&object)?;
                Ok(object)
            })
            .await?;
        let output = HeadObjectOutput {
            content_length: Some(object.size as i64),
            accept_ranges: Some("bytes".into()),
            e_tag: Some(object.e_tag()),
            last_modified: Some(object.modified()),
            content_type: object.headers.content_type,
            cache_control: object.headers.cache_control,
            content_disposition: object.headers.content_disposition,
            content_encoding: object.headers.content_encoding,
            content_language: object.headers.content_language,
            metadata: Some(object.headers.metadata),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    pub async fn copy(&self, mut req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &mut req.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = input.copy_source.clone() else {
            return Err(s3_error!(NotImplemented, "copy source is not a bucket and key"));
        };
        rows::check_key(&input.key)?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let replace = input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
        let replacement = if replace { Some(headers!(input)?) } else { None };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        self.require_bucket(&bucket).await?;
        let blobs = Arc::clone(&self.blobs);
        let (object, copies) = self
            .meta
            .read_with_blobs(move |connection| {
                let object = rows::require_object(connection, &from_bucket, &from_key)?;
                conditions.check(&object)?;
                let mut copies = Vec::new();
                for segment in rows::segments(connection, object.id)? {
                    copies.push((blobs.duplicate(&segment.blob)?, segment.size));
                }
                Ok((object, copies))
            })
            .await?;
        let kept = replacement.unwrap_or(object.headers.clone()).to_json()?;
        let etag = object.etag.clone();
        self.meta
            .write(move |connection| {
                rows::require_bucket(connection, &bucket)?;
                let segments = copies
                    .iter()
                    .map(|(guard, size)| Ok(Segment { blob: owned(guard)?, size: *size }))
                    .collect::<Result<Vec<_>, Fault>>()?;
                let object = NewObject {
                    bucket: &bucket,
                    key: &key,
                    etag: &etag,
                    headers: &kept,
                    upload_id: None,
                    segments: &segments,
                };
                let change = Change::new(()).garbage(rows::put_object(connection, &object)?);
                Ok(copies.into_iter().fold(change, |change, (guard, _)| change.keep(guard)))
            })
            .await?;
        let result = CopyObjectResult {
            e_tag: Some(object.e_tag()),
            last_modified: Some(rows::timestamp(rows::now_ms())),
            ..Default::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
    }

    pub async fn delete(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        let conditions = WriteConditions { if_match: input.if_match, if_none_match: None };
        self.meta
            .write(move |connection| {
                rows::require_bucket(connection, &input.bucket)?;
                if conditions.if_match.is_some() {
                    conditions.check(rows::find_object(connection, &input.bucket, &input.key)?.as_ref())?;
                }
                Ok(Change::new(()).garbage(rows::delete_object(connection, &input.bucket, &input.key)?))
            })
            .await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    pub async fn delete_many(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        if delete.objects.len() > super::listing::PAGE_MAX as usize {
            return Err(s3_error!(MalformedXML, "more than 1000 keys"));
        }
        let quiet = delete.quiet.unwrap_or(false);
        let keys: Vec<String> = delete.objects.into_iter().map(|object| object.key).collect();
        let deleted = self
            .meta
            .write(move |connection| {
                rows::require_bucket(connection, &bucket)?;
                let mut garbage = Vec::new();
                for key in &keys {
                    garbage.extend(rows::delete_object(connection, &bucket, key)?);
                }
                Ok(Change::new(keys).garbage(garbage))
            })
            .await?;
        let listed = deleted.into_iter().map(|key| DeletedObject { key: Some(key), ..Default::default() });
        let deleted = (!quiet).then(|| listed.collect());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
    }
}

/// The name of a blob a row may take over now, or a failure when a sweep took its file.
pub(super) fn owned(guard: &super::blobs::BlobGuard) -> Result<String, Fault> {
    if guard.exists() { Ok(guard.name().to_owned()) } else { Err(Fault::Busy("blob was swept".into())) }
}

fn refuse_customer_key(given: bool) -> S3Result<()> {
    if given { Err(s3_error!(NotImplemented, "customer-provided encryption keys")) } else { Ok(()) }
}

fn resolve(asked: Option<Range>, size: u64) -> S3Result<std::ops::Range<u64>> {
    match asked {
        None => Ok(0..size),
        Some(_) if size == 0 => Err(s3_error!(InvalidRange)),
        Some(range) => range.check(size).map_err(|_| s3_error!(InvalidRange)),
    }
}

fn content_range(range: &std::ops::Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

/// The parts of the blobs that make up `range` of the object.
fn pieces(segments: &[Segment], range: &std::ops::Range<u64>, blobs: &super::blobs::Blobs) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut position = 0;
    for segment in segments {
        let (from, to) = (range.start.max(position), range.end.min(position + segment.size));
        if from < to {
            let source = Source::Path(blobs.path(&segment.blob));
            pieces.push(Piece { source, offset: from - position, len: to - from });
        }
        position += segment.size;
    }
    pieces
}
