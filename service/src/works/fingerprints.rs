//! Fingerprints of works: ask for one, read one.

use metastamp_actors::fingerprint::{first_answer_key, progress_key};
use metastamp_fingerprint::audio;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::http::Progress;
use metastamp_protocol::{ErrorCode, Fingerprint, ObjectId, ProcessingStatus, Timestamp};
use metastamp_store::ports::FingerprintRequest;
use serde::de::DeserializeOwned;

use super::Works;
use crate::error::{Error, Result};

/// A fingerprint, with the latest word of the job that makes it.
#[derive(Debug, Clone)]
pub struct FingerprintDetail {
    pub fingerprint: Fingerprint,
    pub progress: Option<Progress>,
    /// What is known before the end.
    pub first: Option<FingerprintContent>,
}

impl Works {
    /// Queues a fingerprint of a work that has none, or whose fingerprint failed.
    ///
    /// # Errors
    /// As [`Works::owned`]; 409 when there is one or one is being made, 503 when fingerprinting is switched off.
    pub async fn request_fingerprint(&self, user_id: ObjectId, asset_id: ObjectId) -> Result<Fingerprint> {
        let asset = self.owned(user_id, asset_id).await?;
        if !self.fingerprinting {
            let message = "Fingerprinting is switched off on this installation";
            return Err(Error::new(ErrorCode::ServiceUnavailable, message));
        }
        match self.stores.works.request_fingerprint(asset.id, Timestamp::now()).await? {
            FingerprintRequest::Queued(fingerprint) => {
                self.actors.job_queued();
                Ok(fingerprint)
            }
            FingerprintRequest::Exists(fingerprint) => Err(exists(&fingerprint)),
        }
    }

    /// # Errors
    /// 404 when there is no such fingerprint, 403 when it belongs to someone else.
    pub async fn fingerprint(&self, user_id: ObjectId, id: ObjectId) -> Result<FingerprintDetail> {
        let fingerprint = self.stores.works.fingerprint(id).await?.ok_or_else(not_found)?;
        if fingerprint.user_id != user_id {
            return Err(Error::new(ErrorCode::Forbidden, "This fingerprint belongs to someone else"));
        }
        Ok(self.with_news(fingerprint).await)
    }

    /// # Errors
    /// As [`Works::owned`]; 404 when the work has no fingerprint.
    pub async fn fingerprint_of(&self, user_id: ObjectId, asset_id: ObjectId) -> Result<FingerprintDetail> {
        let asset = self.owned(user_id, asset_id).await?;
        let fingerprint = self.stores.works.fingerprint_of(asset.id).await?.ok_or_else(not_found)?;
        Ok(self.with_news(fingerprint).await)
    }

    async fn with_news(&self, mut fingerprint: Fingerprint) -> FingerprintDetail {
        let (mut progress, mut first) = (None, None);
        if fingerprint.processing_status == ProcessingStatus::Processing {
            progress = self.cached(&progress_key(fingerprint.id)).await;
            first = self.cached(&first_answer_key(fingerprint.id)).await;
        }
        unpack(&mut fingerprint);
        FingerprintDetail { fingerprint, progress, first }
    }

    /// What a running job told, if it did. A courtesy: without a cache there is none.
    async fn cached<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let text = self.cache.get(key).await.ok().flatten()?;
        serde_json::from_str(&text).ok()
    }
}

/// The raw form of a Chromaprint is not stored, because the compressed one says the same in a quarter of the room.
fn unpack(fingerprint: &mut Fingerprint) {
    let Some(sound) = &mut fingerprint.content.chromaprint else { return };
    if let Some(raw) = audio::decompress(&sound.fingerprint) {
        sound.raw = Some(raw);
    }
}

fn exists(fingerprint: &Fingerprint) -> Error {
    let message = match fingerprint.processing_status {
        ProcessingStatus::Completed => "This asset has a fingerprint already",
        _ => "A fingerprint of this asset is being made",
    };
    Error::new(ErrorCode::FingerprintExists, message).detail("fingerprint_id", fingerprint.id.to_hex())
}

fn not_found() -> Error {
    Error::not_found("Fingerprint")
}
