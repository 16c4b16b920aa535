//! Mends what can be mended without losing anything that a creator gave.

use std::collections::HashSet;

use metastamp_protocol::{Asset, Job, ObjectId, Timestamp};
use metastamp_setup::progress::Unit;
use metastamp_store::StoreError;
use metastamp_store::ports::FingerprintRequest;
use metastamp_store::records::{Collection, encode};

use super::Check;
use super::find::Repair;
use super::findings::{Class, Findings};

/// Gives what was mended.
///
/// # Errors
/// When a store does not answer.
pub async fn mend(check: &Check<'_>, repairs: Vec<Repair>) -> anyhow::Result<Findings> {
    let meter = check.progress.step("mending", repairs.len() as u64, Unit::Items);
    let mut mended = Findings::default();
    // an asset whose bytes are lost is not to be worked on
    let lost: HashSet<ObjectId> = repairs.iter().filter_map(Repair::loses).collect();
    for repair in repairs {
        if let Some((class, id)) = repair.wants_work().filter(|(_, id)| lost.contains(id)) {
            mended.add(class, id);
            meter.add(1);
            continue;
        }
        if let Some((class, id)) = one(check, repair).await? {
            mended.add(class, id);
        }
        meter.add(1);
    }
    Ok(mended)
}

/// What was mended; none when it was not, or could not be.
async fn one(check: &Check<'_>, repair: Repair) -> anyhow::Result<Option<(Class, String)>> {
    let stores = &check.stores.documents;
    let now = Timestamp::now();
    Ok(match repair {
        Repair::Fail(class, id, message) => {
            stores.works.fail_asset(id, message, now).await?;
            Some((class, id.to_string()))
        }
        Repair::RemoveObject(key) => {
            // somebody may have come to need it since
            if !stores.uploads.key_is_used(&key).await? {
                check.stores.objects.delete(&key).await?;
            }
            Some((Class::ObjectWithoutRow, key))
        }
        Repair::RemoveRecord(class, collection, id, asset) => {
            let name = id.to_string();
            // it may have come since
            if stores.works.asset(asset).await?.is_none() {
                stores.records.remove_records(collection, vec![id]).await?;
            }
            Some((class, name))
        }
        Repair::Queue(asset, fingerprint) => {
            let queued = queue(check, &asset, fingerprint, now).await?;
            queued.then(|| (Class::ProcessingWithoutJob, asset.id.to_string()))
        }
        Repair::Fingerprint(asset) => match stores.works.request_fingerprint(asset, now).await {
            Ok(FingerprintRequest::Queued(_)) => Some((Class::ReadyWithoutFingerprint, asset.to_string())),
            Ok(FingerprintRequest::Exists(_)) | Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        },
        Repair::Discard(session) => {
            stores.uploads.discard_abandoned(&session, now).await?;
            Some((Class::ExpiredSession, session.id.to_string()))
        }
    })
}

/// The job that an asset waits for. One whose fingerprint is already there gets a job of its id.
async fn queue(
    check: &Check<'_>,
    asset: &Asset,
    fingerprint: Option<ObjectId>,
    now: Timestamp,
) -> anyhow::Result<bool> {
    let stores = &check.stores.documents;
    if stores.works.asset(asset.id).await?.is_none_or(|there| there.upload_status != asset.upload_status) {
        return Ok(true);
    }
    if let Some(fingerprint) = fingerprint {
        let job = encode(Collection::Jobs, &Job::queued(fingerprint, asset, now))?;
        stores.records.put_records(Collection::Jobs, vec![job]).await?;
        return Ok(true);
    }
    Ok(matches!(stores.works.request_fingerprint(asset.id, now).await?, FingerprintRequest::Queued(_)))
}
