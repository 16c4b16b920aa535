//! Goes through records, then objects.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::ensure;
use metastamp_protocol::{
    Asset, Fingerprint, Job, ObjectId, ProcessingStatus, UploadSession, UploadState, UploadStatus, User,
};
use metastamp_setup::progress::{Meter, Unit};
use metastamp_store::ports::Snapshot;
use metastamp_store::records::{Bson, Collection, Document, decode};

use super::findings::{Class, Findings};
use super::{Check, objects};
use crate::restore::count;

const PAGE: u32 = 500;
/// Ids and keys of so many assets are held in memory, about 100 bytes each.
const ASSETS_MAX: usize = 10_000_000;
/// A session counts once it is expired for this long: a running node discards it before.
const EXPIRED_SLACK: Duration = Duration::from_secs(60);
/// The marks that mending leaves: such an asset is known to be lost.
pub const LOST: &str = "the stored bytes are lost";
pub const CHANGED: &str = "the stored bytes are not those that were uploaded";

/// What is to be done about a finding.
pub enum Repair {
    Fail(Class, ObjectId, &'static str),
    RemoveObject(String),
    /// A record that belongs to this asset, which is not there.
    RemoveRecord(Class, Collection, Bson, ObjectId),
    Queue(Box<Asset>, Option<ObjectId>),
    Fingerprint(ObjectId),
    Discard(Box<UploadSession>),
}

impl Repair {
    /// The asset that will be marked as failed.
    pub fn loses(&self) -> Option<ObjectId> {
        match self {
            Repair::Fail(_, id, _) => Some(*id),
            _ => None,
        }
    }

    /// The asset that would get a job.
    pub fn wants_work(&self) -> Option<(Class, ObjectId)> {
        match self {
            Repair::Queue(asset, _) => Some((Class::ProcessingWithoutJob, asset.id)),
            Repair::Fingerprint(id) => Some((Class::ReadyWithoutFingerprint, *id)),
            _ => None,
        }
    }
}

/// Ids met so far, for what refers to them.
#[derive(Default)]
pub struct Seen {
    /// Asset of each unfinished job.
    jobs: HashSet<ObjectId>,
    fingerprints: HashMap<ObjectId, (ObjectId, ProcessingStatus)>,
    assets: HashSet<ObjectId>,
    /// First bytes of the digest of each key.
    keys: HashSet<[u8; 16]>,
}

/// # Errors
/// When a store does not answer.
pub async fn look(check: &Check<'_>) -> anyhow::Result<(Findings, Vec<Repair>)> {
    let mut found = (Findings::default(), Vec::new());
    if let Some(misfit) = check.stores.identities.misfit() {
        found.0.add(Class::StoresApart, misfit);
    }
    let mut seen = Seen::default();
    let mut snapshot = check.stores.documents.records.snapshot().await?;
    let meter = check.progress.step("records", count(&mut *snapshot).await?, Unit::Items);
    let assets = snapshot.count(Collection::Assets).await?;
    let mut walk = Walk { check, meter: &meter, snapshot: &mut *snapshot };
    walk.records(&mut seen, &mut found).await?;
    drop(snapshot);
    objects::of_assets(check, assets, &mut found).await?;
    objects::without_row(check, &mut found).await?;
    Ok(found)
}

type Found = (Findings, Vec<Repair>);

struct Walk<'a> {
    check: &'a Check<'a>,
    meter: &'a Meter,
    snapshot: &'a mut dyn Snapshot,
}

impl Walk<'_> {
    async fn records(&mut self, seen: &mut Seen, found: &mut Found) -> anyhow::Result<()> {
        self.users(found).await?;
        self.sessions(found).await?;
        // the walk over assets wants to know jobs and fingerprints, and they want to know the assets
        self.assets_seen(seen).await?;
        self.jobs(seen, found).await?;
        self.fingerprints(seen, found).await?;
        self.assets(seen, found).await
    }

    /// The next page of a collection; none at its end.
    async fn page(
        &mut self,
        collection: Collection,
        after: &mut Option<Bson>,
    ) -> anyhow::Result<Option<Vec<Document>>> {
        let page = self.snapshot.page(collection, after.take(), PAGE).await?;
        *after = page.last().and_then(|record| record.get("_id").cloned());
        Ok(after.is_some().then_some(page))
    }

    async fn users(&mut self, found: &mut Found) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::Users, &mut after).await? {
            self.meter.add(page.len() as u64);
            for record in page {
                sensible::<User>(Collection::Users, record, found);
            }
        }
        Ok(())
    }

    async fn sessions(&mut self, found: &mut Found) -> anyhow::Result<()> {
        let limit = self.check.now.minus(EXPIRED_SLACK);
        let mut after = None;
        while let Some(page) = self.page(Collection::Uploads, &mut after).await? {
            self.meter.add(page.len() as u64);
            for record in page {
                let Some(session) = sensible::<UploadSession>(Collection::Uploads, record, found) else { continue };
                if session.state == UploadState::Receiving && session.expires_at < limit {
                    found.0.add(Class::ExpiredSession, session.id);
                    found.1.push(Repair::Discard(Box::new(session)));
                }
            }
        }
        Ok(())
    }

    async fn assets_seen(&mut self, seen: &mut Seen) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::Assets, &mut after).await? {
            ensure!(seen.assets.len() < ASSETS_MAX, "more than {ASSETS_MAX} assets are more than this can check");
            seen.assets.extend(page.iter().filter_map(|record| id(record, "_id")));
        }
        Ok(())
    }

    async fn jobs(&mut self, seen: &mut Seen, found: &mut Found) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::Jobs, &mut after).await? {
            self.meter.add(page.len() as u64);
            for record in page {
                let record_id = record.get("_id").cloned().unwrap_or(Bson::Null);
                let Some(job) = sensible::<Job>(Collection::Jobs, record, found) else { continue };
                if !seen.assets.contains(&job.asset_id) {
                    found.0.add(Class::JobWithoutAsset, job.id);
                    found.1.push(Repair::RemoveRecord(
                        Class::JobWithoutAsset,
                        Collection::Jobs,
                        record_id,
                        job.asset_id,
                    ));
                }
                seen.jobs.insert(job.asset_id);
            }
        }
        Ok(())
    }

    async fn fingerprints(&mut self, seen: &mut Seen, found: &mut Found) -> anyhow::Result<()> {
        let collection = Collection::Fingerprints;
        let mut after = None;
        while let Some(page) = self.page(collection, &mut after).await? {
            self.meter.add(page.len() as u64);
            for record in page {
                let record_id = record.get("_id").cloned().unwrap_or(Bson::Null);
                let Some(fingerprint) = sensible::<Fingerprint>(collection, record, found) else { continue };
                if !seen.assets.contains(&fingerprint.asset_id) {
                    found.0.add(Class::FingerprintWithoutAsset, fingerprint.id);
                    let class = Class::FingerprintWithoutAsset;
                    found.1.push(Repair::RemoveRecord(class, collection, record_id, fingerprint.asset_id));
                }
                seen.fingerprints.insert(fingerprint.asset_id, (fingerprint.id, fingerprint.processing_status));
            }
        }
        Ok(())
    }

    async fn assets(&mut self, seen: &mut Seen, found: &mut Found) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::Assets, &mut after).await? {
            self.meter.add(page.len() as u64);
            for record in page {
                let Some(asset) = sensible::<Asset>(Collection::Assets, record, found) else { continue };
                if !seen.keys.insert(short(&asset.s3_key)) {
                    found.0.add(Class::DuplicateKey, format!("{} {}", asset.id, asset.s3_key));
                }
                states(asset, seen, found);
            }
        }
        Ok(())
    }
}

/// Whether asset, fingerprint and job say the same.
fn states(asset: Asset, seen: &Seen, found: &mut Found) {
    let fingerprint = seen.fingerprints.get(&asset.id);
    match asset.upload_status {
        UploadStatus::Processing if !seen.jobs.contains(&asset.id) => {
            found.0.add(Class::ProcessingWithoutJob, asset.id);
            found.1.push(Repair::Queue(Box::new(asset), fingerprint.map(|(id, _)| *id)));
        }
        // with fingerprinting switched off assets are ready without one
        UploadStatus::Ready if asset.fingerprint_id.is_some() => {
            let done = fingerprint.is_some_and(|(_, status)| *status == ProcessingStatus::Completed);
            if !done && !seen.jobs.contains(&asset.id) {
                found.0.add(Class::ReadyWithoutFingerprint, asset.id);
                found.1.push(Repair::Fingerprint(asset.id));
            }
        }
        _ => {}
    }
}

/// The domain value of a record; noted when it makes no sense.
pub fn sensible<T: serde::de::DeserializeOwned>(
    collection: Collection,
    record: Document,
    found: &mut Found,
) -> Option<T> {
    let record_id = record.get("_id").map(ToString::to_string).unwrap_or_default();
    match decode(collection, record) {
        Ok(value) => Some(value),
        Err(error) => {
            found.0.add(Class::Senseless, format!("{} {record_id}: {error}", collection.name()));
            None
        }
    }
}

fn id(record: &Document, name: &str) -> Option<ObjectId> {
    match record.get(name)? {
        Bson::ObjectId(id) => id.to_hex().parse().ok(),
        Bson::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn short(key: &str) -> [u8; 16] {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(key);
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}
