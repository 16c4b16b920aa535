//! Presigned URLs: a client without keys may do one thing, for a while, at the public endpoint.

use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;

use super::client::Objects;
use crate::error::{Result, StoreError};

impl Objects {
    /// A URL to `PUT` exactly `content_length` bytes of exactly this type under the key; both are signed.
    pub async fn presign_put(
        &self,
        key: &str,
        content_type: &str,
        content_length: u64,
        expires_in: Duration,
    ) -> Result<String> {
        let request = self.inner.presigner.put_object().bucket(self.bucket()).key(key).content_type(content_type);
        let request = request.content_length(length(content_length)?);
        Ok(request.presigned(expires(expires_in)?).await.map_err(internal)?.uri().to_owned())
    }

    /// A URL to `GET` the object; with `file_name` the browser saves it under that name.
    pub async fn presign_get(&self, key: &str, file_name: Option<&str>, expires_in: Duration) -> Result<String> {
        let disposition = file_name.map(|name| format!("attachment; filename*=UTF-8''{}", urlencoding::encode(name)));
        let request = self.inner.presigner.get_object().bucket(self.bucket()).key(key);
        let request = request.set_response_content_disposition(disposition);
        Ok(request.presigned(expires(expires_in)?).await.map_err(internal)?.uri().to_owned())
    }

    /// A URL to `PUT` one part of a multipart upload; the length is signed when it is given.
    pub async fn presign_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        content_length: Option<u64>,
        expires_in: Duration,
    ) -> Result<String> {
        let request = self.inner.presigner.upload_part().bucket(self.bucket()).key(key).upload_id(upload_id);
        let request = request.part_number(number).set_content_length(content_length.map(length).transpose()?);
        Ok(request.presigned(expires(expires_in)?).await.map_err(internal)?.uri().to_owned())
    }
}

fn length(bytes: u64) -> Result<i64> {
    i64::try_from(bytes).map_err(|_| StoreError::Limit(format!("content length {bytes}")))
}

fn expires(after: Duration) -> Result<PresigningConfig> {
    PresigningConfig::expires_in(after).map_err(|error| StoreError::Limit(error.to_string()))
}

fn internal(error: impl std::error::Error) -> StoreError {
    StoreError::Internal(format!("presigning: {}", DisplayErrorContext(error)))
}
