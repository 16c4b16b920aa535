//! Holds rows against objects, both ways.

use futures_util::{StreamExt, TryStreamExt, stream};
use metastamp_protocol::files::{UPLOADS, owner_key};
use metastamp_protocol::{Asset, UploadStatus};
use metastamp_setup::progress::Unit;
use metastamp_store::StoreError;
use metastamp_store::objects::Damage;
use metastamp_store::records::{Bson, Collection, decode};

use super::Check;
use super::find::{CHANGED, LOST, Repair};
use super::findings::{Class, Findings};
use crate::bytes_of;

const PAGE: u32 = 200;
const ASKED_AT_ONCE: usize = 8;

type Found = (Findings, Vec<Repair>);

/// Every asset has its object, of the size and, if asked for, the digest of its row.
pub async fn of_assets(check: &Check<'_>, count: u64, found: &mut Found) -> anyhow::Result<()> {
    let meter = check.progress.step("objects of assets", count, Unit::Items);
    let mut after = None::<Bson>;
    let (mut there, mut missing) = (0, Vec::new());
    loop {
        // a view of its own for each page: bytes take longer than a server keeps one
        let page =
            check.stores.documents.records.snapshot().await?.page(Collection::Assets, after.take(), PAGE).await?;
        let Some(last) = page.last().and_then(|record| record.get("_id").cloned()) else { break };
        after = Some(last);
        let assets = page.into_iter().filter_map(|record| decode::<Asset>(Collection::Assets, record).ok());
        let faults: Vec<Option<Fault>> = stream::iter(assets)
            .map(|asset| async move { fault(check, asset).await })
            .buffer_unordered(ASKED_AT_ONCE)
            .inspect_ok(|_| meter.add(1))
            .try_collect()
            .await?;
        there += faults.iter().filter(|fault| fault.is_none()).count();
        for Fault { class, asset, why } in faults.into_iter().flatten() {
            found.0.add(class, format!("{} {}{why}", asset.id, asset.s3_key));
            match class {
                Class::AssetWithoutObject => missing.push(Repair::Fail(class, asset.id, LOST)),
                Class::UnreadableObject => {}
                _ => found.1.push(Repair::Fail(class, asset.id, CHANGED)),
            }
        }
    }
    if missing.len() > there.max(FEW) {
        check
            .progress
            .note("more assets are without their object than with it: is this their bucket? They are left as they are");
    } else {
        found.1.append(&mut missing);
    }
    Ok(())
}

struct Fault {
    class: Class,
    asset: Asset,
    why: String,
}

/// What is wrong with the object of an asset. An object that can't be read is a finding, unless its store does not answer
/// at all: then nothing can be said of any.
async fn fault(check: &Check<'_>, asset: Asset) -> anyhow::Result<Option<Fault>> {
    let marked = asset.error_message.as_deref().is_some_and(|message| [LOST, CHANGED].contains(&message));
    let not_uploaded = matches!(asset.upload_status, UploadStatus::Queued | UploadStatus::Uploading);
    if (asset.upload_status == UploadStatus::Failed && marked) || not_uploaded {
        return Ok(None);
    }
    let is_deleted = async || Ok::<_, StoreError>(check.stores.documents.works.asset(asset.id).await?.is_none());
    let fault = match bytes_of::patiently(&check.stores.objects, || object(check, &asset)).await? {
        // since the view was taken
        Ok(Some((Class::AssetWithoutObject, _))) if is_deleted().await? => None,
        Ok(fault) => fault,
        Err(_) if is_deleted().await? => None,
        Err(error) => Some((Class::UnreadableObject, format!(": {error}"))),
    };
    Ok(fault.map(|(class, why)| Fault { class, asset, why }))
}

/// What is wrong with an object, and what is to be said of it behind its key.
async fn object(check: &Check<'_>, asset: &Asset) -> Result<Option<(Class, String)>, StoreError> {
    let (objects, key) = (&check.stores.objects, &asset.s3_key);
    let Some(info) = objects.head(key).await? else { return Ok(Some((Class::AssetWithoutObject, String::new()))) };
    let on_disk = match &check.stores.local_s3 {
        Some(local) => local.damage(objects.bucket(), key).await?,
        None => None,
    };
    if let Some(damage) = on_disk {
        let class = match damage {
            Damage::Missing => Class::AssetWithoutObject,
            Damage::Size { .. } => Class::SizeMismatch,
        };
        return Ok(Some((class, format!(": {damage}"))));
    }
    if info.size != asset.file_size {
        let why = format!(": {} bytes instead of {}", info.size, asset.file_size);
        return Ok(Some((Class::SizeMismatch, why)));
    }
    // the original kept no digests
    if !check.deep || asset.sha256.is_empty() {
        return Ok(None);
    }
    let sum = bytes_of::sum(objects, key).await?;
    let differs = sum.is_some_and(|sum| sum.sha256 != asset.sha256);
    Ok(differs.then(|| (Class::DigestMismatch, String::new())))
}

/// Fewer than so many objects without a row are never too many.
const FEW: usize = 10;

/// Every object that is old enough has a row.
///
/// Where most have none, the rows are hardly those that belong to the bucket: of an older backup, or of another
/// database. Then they are only told.
pub async fn without_row(check: &Check<'_>, found: &mut Found) -> anyhow::Result<()> {
    let meter = check.progress.step("objects", 0, Unit::Items);
    let limit = check.now.minus(check.safe_age);
    let mut next = None::<String>;
    let (mut owned, mut unowned, mut removals) = (0, 0, Vec::new());
    loop {
        let page = check.stores.objects.list(UPLOADS, next.as_deref(), 1_000).await?;
        meter.add(page.objects.len() as u64);
        // without an age nobody can say that it is safe
        let old = page.objects.into_iter().filter(|object| object.modified.is_some_and(|at| at <= limit));
        let used = stream::iter(old)
            .map(|object| async move {
                let used = check.stores.documents.uploads.key_is_used(owner_key(&object.key)).await?;
                anyhow::Ok((object, used))
            })
            .buffered(ASKED_AT_ONCE);
        let asked: Vec<_> = used.try_collect().await?;
        owned += asked.iter().filter(|(_, used)| *used).count();
        for (object, _) in asked.into_iter().filter(|(_, used)| !used) {
            let age_s = object.modified.map_or(0, |at| check.now.millis().saturating_sub(at.millis()) / 1_000);
            found.0.add(Class::ObjectWithoutRow, format!("{}: {} bytes, {age_s} s old", object.key, object.size));
            let old_enough = object.modified.is_some_and(|at| at <= check.now.minus(check.removal_age));
            unowned += 1;
            if old_enough {
                removals.push(Repair::RemoveObject(object.key));
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if unowned > owned.max(FEW) && !check.remove_objects {
        check.progress.note(
            "more objects are without a row than with one: are these the rows that belong to this bucket? They stay; \
             --remove-objects removes them",
        );
    } else {
        found.1.append(&mut removals);
    }
    Ok(())
}
