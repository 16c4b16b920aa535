//! Multipart uploads: used by the writer here, and by clients that upload parts themselves through presigned URLs.

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use md5::{Digest as _, Md5};

use super::client::{CONNECT_TIMEOUT, Objects, unquoted};
use super::error::store_error;
use super::file_stream::{FileStream, Piece};
use super::observe::observe;
use super::pace::{Pace, no_time_limit};
use crate::error::{Result, StoreError};

/// Size of every part but the last.
pub const PART_BYTES: u64 = 5 * 1024 * 1024;
/// Most parts of one object.
pub const PARTS_MAX: i32 = 10_000;
/// The completion of an upload may take this many times what other calls may.
const COMPLETE_FACTOR: u32 = 3;

/// A part the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// From 1.
    pub number: i32,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

impl Objects {
    /// Starts a multipart upload; returns its id.
    pub async fn create_multipart(&self, key: &str, content_type: &str) -> Result<String> {
        observe("create_multipart", async {
            let request = self.inner.client.create_multipart_upload().bucket(self.bucket()).key(key);
            let output = request.content_type(content_type).send().await.map_err(store_error)?;
            let id = output.upload_id().map(str::to_owned);
            id.ok_or_else(|| StoreError::Internal("server gave no upload id".into()))
        })
        .await
    }

    /// Uploads one part from a file, streamed.
    pub(super) async fn upload_part(&self, key: &str, id: &str, number: i32, from: Piece) -> Result<UploadedPart> {
        observe("upload_part", async {
            let (size, pace) = (from.len, Pace::start());
            let request = self.inner.client.upload_part().bucket(self.bucket()).key(key).upload_id(id);
            let request = request.part_number(number).body(file_body(from, &pace));
            let request = request.customize().disable_payload_signing().config_override(no_time_limit(CONNECT_TIMEOUT));
            let sent = async { request.send().await.map_err(store_error) };
            let output = pace.hold(self.inner.op_timeout, sent).await?;
            Ok(UploadedPart { number, size, etag: unquoted(output.e_tag()) })
        })
        .await
    }

    /// Makes the object out of the parts, in their order; returns its tag. Succeeds again when repeated, because the
    /// answer to the first attempt may have been lost.
    pub async fn complete_multipart(&self, key: &str, id: &str, parts: &[UploadedPart]) -> Result<String> {
        let completed = observe("complete_multipart", async {
            let completed = parts.iter().map(|part| {
                CompletedPart::builder().part_number(part.number).e_tag(format!("\"{}\"", part.etag)).build()
            });
            let upload = CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
            let request = self.inner.client.complete_multipart_upload().bucket(self.bucket()).key(key);
            let request = request.upload_id(id).multipart_upload(upload).customize();
            // servers that copy the parts together may take their time, by the size of the object
            let request = request.config_override(no_time_limit(CONNECT_TIMEOUT));
            let sent = async { request.send().await.map_err(store_error) };
            let output = Pace::start().hold(self.inner.op_timeout * COMPLETE_FACTOR, sent).await?;
            Ok(unquoted(output.e_tag()))
        })
        .await;
        let Err(StoreError::NotFound { what: "upload" } | StoreError::Unavailable(_)) = &completed else {
            return completed;
        };
        match (self.head(key).await, combined_etag(parts)) {
            (Ok(Some(object)), Some(etag)) if object.etag == etag => Ok(etag),
            _ => completed,
        }
    }

    /// Gives up a multipart upload; one that is not there is fine.
    pub async fn abort_multipart(&self, key: &str, id: &str) -> Result<()> {
        observe("abort_multipart", async {
            let request = self.inner.client.abort_multipart_upload().bucket(self.bucket()).key(key).upload_id(id);
            match request.send().await.map_err(store_error) {
                Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Gives up every multipart upload of exactly this key; returns how many.
    pub async fn abort_multiparts(&self, key: &str) -> Result<usize> {
        let ids = observe("list_multiparts", self.multiparts(key)).await?;
        for id in &ids {
            self.abort_multipart(key, id).await?;
        }
        Ok(ids.len())
    }

    async fn multiparts(&self, key: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self.inner.client.list_multipart_uploads().bucket(self.bucket()).prefix(key);
            let request = request.set_key_marker(key_marker.clone()).set_upload_id_marker(id_marker);
            let output = request.send().await.map_err(store_error)?;
            let uploads = output.uploads().iter().filter(|upload| upload.key() == Some(key));
            ids.extend(uploads.filter_map(|upload| upload.upload_id().map(str::to_owned)));
            key_marker = output.next_key_marker().map(str::to_owned);
            id_marker = output.next_upload_id_marker().map(str::to_owned);
            // keys come in order, and the key itself before all that only start with it
            let beyond = key_marker.as_deref().is_none_or(|marker| marker > key);
            if output.is_truncated() != Some(true) || beyond {
                return Ok(ids);
            }
        }
    }

    /// The parts the server has of an upload, in order.
    pub async fn list_parts(&self, key: &str, id: &str) -> Result<Vec<UploadedPart>> {
        observe("list_parts", async {
            let mut parts = Vec::new();
            let mut marker = None;
            loop {
                let request = self.inner.client.list_parts().bucket(self.bucket()).key(key).upload_id(id);
                let output = request.set_part_number_marker(marker).send().await.map_err(store_error)?;
                parts.extend(output.parts().iter().map(|part| UploadedPart {
                    number: part.part_number().unwrap_or_default(),
                    size: u64::try_from(part.size().unwrap_or_default()).unwrap_or_default(),
                    etag: unquoted(part.e_tag()),
                }));
                marker = output.next_part_number_marker().map(str::to_owned);
                if output.is_truncated() != Some(true) || marker.is_none() {
                    return Ok(parts);
                }
            }
        })
        .await
    }
}

/// A request body out of a file, of known length, that can be sent again on a retry.
pub(super) fn file_body(from: Piece, pace: &Pace) -> ByteStream {
    let pace = pace.clone();
    ByteStream::new(SdkBody::retryable(move || SdkBody::from_body_1_x(pace.body(FileStream::new([from.clone()])))))
}

/// The tag S3 gives an object of these parts; none when a server's tags are not MD5.
fn combined_etag(parts: &[UploadedPart]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(hex::decode(&part.etag).ok().filter(|etag| etag.len() == 16)?);
    }
    Some(format!("{}-{}", hex::encode(digest.finalize()), parts.len()))
}
