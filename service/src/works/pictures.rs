//! Pictures of works: thumbnails, waveforms, spectrograms, contact sheets.
//!
//! Clients put their addresses into `<img>`, which sends no token: so views carry signed addresses. The owner opens them
//! as well.

use bytes::Bytes;
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{Asset, ErrorCode, ObjectId, Timestamp};
use metastamp_store::StoreError;

use super::Works;
use crate::error::{Error, Result};

/// Larger ones are not made.
const BYTES_MAX: u64 = 16 << 20;

/// The bytes of one picture.
#[derive(Debug, Clone)]
pub struct PictureFile {
    pub media_type: &'static str,
    pub bytes: Bytes,
}

impl Works {
    /// Path and query under which anybody who has them may see the picture, for a while.
    pub fn picture_path(&self, asset_id: ObjectId, name: &str, now: Timestamp) -> String {
        self.links.path(asset_id, name, now)
    }

    /// # Errors
    /// As [`Works::owned`]; 404 when the work has no such picture.
    pub async fn picture(&self, user_id: ObjectId, asset_id: ObjectId, name: &str) -> Result<PictureFile> {
        let asset = self.owned(user_id, asset_id).await?;
        self.read_picture(&asset, name).await
    }

    /// For whoever has its signed address.
    ///
    /// # Errors
    /// 403 when the address is not ours or has run out; 404 when there is no such work or picture.
    pub async fn signed_picture(
        &self,
        asset_id: ObjectId,
        name: &str,
        expires: &str,
        signature: &str,
    ) -> Result<PictureFile> {
        if !self.links.holds(asset_id, name, expires, signature, Timestamp::now()) {
            return Err(Error::new(ErrorCode::Forbidden, "The address of this picture is no longer valid"));
        }
        self.read_picture(&self.any(asset_id).await?, name).await
    }

    async fn read_picture(&self, asset: &Asset, name: &str) -> Result<PictureFile> {
        let not_found = || Error::not_found("Picture");
        let picture = asset.pictures.iter().find(|picture| picture.name == name).ok_or_else(not_found)?;
        let read = self.objects.get_range(&picture_key(&asset.s3_key, picture), 0..BYTES_MAX).await;
        let bytes = read.map_err(|error| match error {
            StoreError::NotFound { .. } => not_found(),
            error => error.into(),
        })?;
        let media_type = if picture.media_type == "image/png" { "image/png" } else { "image/jpeg" };
        Ok(PictureFile { media_type, bytes })
    }
}
