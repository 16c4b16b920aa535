//! What results and requests mean for asset and fingerprint, whichever backend keeps them.

use metastamp_protocol::fingerprint::{FingerprintContent, bounded_message};
use metastamp_protocol::{Asset, Fingerprint, ProcessingStatus, Timestamp, UploadStatus};

use crate::ports::JobResult;

/// A job ended.
pub(super) fn apply(asset: &mut Asset, fingerprint: &mut Fingerprint, result: JobResult, now: Timestamp) {
    let duration = match result {
        JobResult::Completed { content, asset_metadata, duration_s, .. } => {
            asset.pictures.clone_from(&content.pictures);
            fingerprint.content = *content;
            fingerprint.processing_status = ProcessingStatus::Completed;
            fingerprint.error_message = None;
            asset.upload_status = UploadStatus::Ready;
            asset.fingerprint_id = Some(fingerprint.id);
            asset.error_message = None;
            asset.metadata.extend(asset_metadata);
            duration_s
        }
        JobResult::Failed { message, asset_metadata, duration_s, .. } => {
            let message = bounded_message(&message);
            fingerprint.processing_status = ProcessingStatus::Failed;
            fingerprint.error_message = Some(message.clone());
            asset.upload_status = UploadStatus::Failed;
            asset.error_message = Some(message);
            asset.metadata.extend(asset_metadata);
            duration_s
        }
    };
    asset.processing_status = Some(fingerprint.processing_status);
    asset.updated_at = now;
    fingerprint.processing_duration = Some((duration * 1_000.0).round() / 1_000.0);
    fingerprint.updated_at = now;
    fingerprint.completed_at = Some(now);
}

/// A failed fingerprint is to be made once more.
pub(super) fn redo(fingerprint: &mut Fingerprint, now: Timestamp) {
    fingerprint.processing_status = ProcessingStatus::Pending;
    fingerprint.content = FingerprintContent::default();
    fingerprint.error_message = None;
    fingerprint.processing_duration = None;
    fingerprint.completed_at = None;
    fingerprint.updated_at = now;
}

/// A job for the asset was queued.
pub(super) fn queue_asset(asset: &mut Asset, now: Timestamp) {
    asset.upload_status = UploadStatus::Processing;
    asset.processing_status = Some(ProcessingStatus::Pending);
    asset.error_message = None;
    asset.updated_at = now;
}

/// The fingerprint of lost bytes will never be made. `message` is within its bounds.
pub(super) fn fail_fingerprint(asset: &mut Asset, fingerprint: &mut Fingerprint, message: &str, now: Timestamp) {
    fingerprint.processing_status = ProcessingStatus::Failed;
    fingerprint.error_message = Some(message.to_owned());
    fingerprint.updated_at = now;
    asset.processing_status = Some(ProcessingStatus::Failed);
}

/// The bytes of the asset are lost. `message` is within its bounds.
pub(super) fn fail_asset(asset: &mut Asset, message: String, now: Timestamp) {
    asset.upload_status = UploadStatus::Failed;
    asset.error_message = Some(message);
    asset.updated_at = now;
}
