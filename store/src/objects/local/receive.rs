//! Takes a request body to disk: constant memory, digests computed and compared on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};
use tokio::task::JoinHandle;

use super::blobs::{BlobWriter, Blobs, SyncedBlob};
use super::fault::Fault;

/// Bytes gathered before they go to the blocking pool; at most two such batches are in memory per request.
const BATCH_BYTES: usize = 256 * 1024;
/// Largest single body, as in S3.
pub(super) const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// A client that sends nothing for this long loses its connection slot.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What the client said about the body, to be compared with what arrived.
#[derive(Default)]
pub(super) struct Expected {
    pub length: Option<i64>,
    pub md5: Option<String>,
    pub checksum: Checksum,
    pub trailer_names: String,
    pub trailers: Option<TrailingHeaders>,
}

/// Collects the expectations out of a `PutObject` or `UploadPart` request, whose fields have the same names.
macro_rules! expected {
    ($req:expr) => {
        $crate::objects::local::receive::Expected {
            length: $req.input.content_length,
            md5: $req.input.content_md5.take(),
            checksum: s3s::dto::Checksum {
                checksum_crc32: $req.input.checksum_crc32.take(),
                checksum_crc32c: $req.input.checksum_crc32c.take(),
                checksum_crc64nvme: $req.input.checksum_crc64nvme.take(),
                checksum_sha1: $req.input.checksum_sha1.take(),
                checksum_sha256: $req.input.checksum_sha256.take(),
                checksum_type: None,
            },
            trailer_names: $crate::objects::local::receive::trailer_names(&$req.headers),
            trailers: $req.trailing_headers.take(),
        }
    };
}
pub(super) use expected;

pub(super) fn trailer_names(headers: &HeaderMap) -> String {
    let value = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

impl Expected {
    fn hasher(&self) -> ChecksumHasher {
        let wants = |value: &Option<String>, name: &str| {
            value.is_some() || self.trailer_names.split(',').any(|trailer| trailer.trim() == name)
        };
        ChecksumHasher {
            crc32: wants(&self.checksum.checksum_crc32, "x-amz-checksum-crc32").then(Crc32::new),
            crc32c: wants(&self.checksum.checksum_crc32c, "x-amz-checksum-crc32c").then(Crc32c::new),
            sha1: wants(&self.checksum.checksum_sha1, "x-amz-checksum-sha1").then(Sha1::new),
            sha256: wants(&self.checksum.checksum_sha256, "x-amz-checksum-sha256").then(Sha256::new),
            crc64nvme: wants(&self.checksum.checksum_crc64nvme, "x-amz-checksum-crc64nvme").then(Crc64Nvme::new),
        }
    }

    fn verify(&self, blob: &SyncedBlob) -> S3Result<()> {
        if self.length.is_some_and(|length| u64::try_from(length) != Ok(blob.size)) {
            return Err(s3_error!(IncompleteBody));
        }
        if self.md5.as_ref().is_some_and(|md5| *md5 != base64(&blob.md5)) {
            return Err(s3_error!(BadDigest, "Content-MD5 does not match the body"));
        }
        let trailer = |name: &str| {
            let value =
                |headers: &HeaderMap| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            self.trailers.as_ref().and_then(|trailers| trailers.read(value).flatten())
        };
        let (said, found) = (&self.checksum, &blob.checksum);
        let pairs = [
            (&said.checksum_crc32, &found.checksum_crc32, "x-amz-checksum-crc32"),
            (&said.checksum_crc32c, &found.checksum_crc32c, "x-amz-checksum-crc32c"),
            (&said.checksum_crc64nvme, &found.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
            (&said.checksum_sha1, &found.checksum_sha1, "x-amz-checksum-sha1"),
            (&said.checksum_sha256, &found.checksum_sha256, "x-amz-checksum-sha256"),
        ];
        for (said, found, name) in pairs {
            let said = said.clone().or_else(|| trailer(name));
            if said.is_some() && said != *found {
                return Err(s3_error!(BadDigest, "{name} does not match the body"));
            }
        }
        Ok(())
    }
}

/// Writes the whole body into a new blob, synced, and compares it with what was `expected`.
pub(super) async fn receive(
    blobs: &Arc<Blobs>,
    body: Option<StreamingBlob>,
    expected: &Expected,
) -> Result<SyncedBlob, Fault> {
    if expected.length.is_some_and(|length| length > BODY_BYTES_MAX as i64) {
        return Err(s3_error!(EntityTooLarge).into());
    }
    let mut sink = Sink::Fresh(Arc::clone(blobs), Box::new(expected.hasher()));
    let mut batch: Vec<Bytes> = Vec::new();
    let (mut batched, mut total) = (0, 0);
    if let Some(mut body) = body {
        while let Some(chunk) = next(&mut body).await? {
            total += chunk.len() as u64;
            batched += chunk.len();
            batch.push(chunk);
            if total > BODY_BYTES_MAX {
                return Err(s3_error!(EntityTooLarge).into());
            }
            if batched >= BATCH_BYTES {
                sink = sink.append(std::mem::take(&mut batch)).await?;
                batched = 0;
            }
        }
    }
    let blob = sink.finish(batch).await?;
    expected.verify(&blob)?;
    Ok(blob)
}

async fn next(body: &mut StreamingBlob) -> S3Result<Option<Bytes>> {
    match tokio::time::timeout(IDLE_MAX, body.next()).await {
        Ok(chunk) => chunk.transpose().map_err(|error| s3_error!(IncompleteBody, "body failed: {error}")),
        Err(_) => Err(s3_error!(RequestTimeout, "no body bytes for {} s", IDLE_MAX.as_secs())),
    }
}

/// The blob on its way: one batch is written while the next one is gathered.
enum Sink {
    Fresh(Arc<Blobs>, Box<ChecksumHasher>),
    Writing(JoinHandle<std::io::Result<BlobWriter>>),
}

impl Sink {
    async fn append(self, batch: Vec<Bytes>) -> Result<Sink, Fault> {
        Ok(Sink::Writing(match self {
            Sink::Fresh(blobs, checksums) => tokio::task::spawn_blocking(move || {
                let mut writer = blobs.create(*checksums)?;
                writer.append(&batch)?;
                Ok(writer)
            }),
            Sink::Writing(task) => {
                let mut writer = task.await??;
                tokio::task::spawn_blocking(move || writer.append(&batch).map(|()| writer))
            }
        }))
    }

    async fn finish(self, batch: Vec<Bytes>) -> Result<SyncedBlob, Fault> {
        let Sink::Writing(task) = self.append(batch).await? else {
            return Err(Fault::Busy("blob writer lost".into()));
        };
        let writer = task.await??;
        Ok(tokio::task::spawn_blocking(move || writer.finish()).await??)
    }
}

/// Standard base64 of a digest, as `Content-MD5` carries it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_vectors() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
