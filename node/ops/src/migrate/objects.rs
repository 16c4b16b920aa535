//! Objects from one store to another, a few at once, each read back.

use futures_util::{StreamExt, TryStreamExt, stream};
use metastamp_actors::SWEEPER_LEASE;
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{Asset, Timestamp};
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_store::objects::Objects;
use metastamp_store::records::{Bson, Collection, Document, decode};
use metastamp_store::{Result, StoreError};

use crate::bytes_of;
use crate::restore::LEASE_TTL;

const PAGE: u32 = 200;
const AT_ONCE: usize = 4;

/// What one object came to.
enum Outcome {
    Copied,
    WasThere,
    /// The source has a row for it, and no bytes, or none that can be read.
    Lost(String),
}

/// Copies the objects of all assets; gives how many the source does not have. What the target has with the same bytes is left alone.
pub async fn copy_all(source: &Opened, target: &Opened, sweeper: &str, progress: &Progress) -> anyhow::Result<u64> {
    let count = source.documents.records.snapshot().await?.count(Collection::Assets).await?;
    let meter = progress.step("objects", count, Unit::Items);
    let spool = tempfile::tempdir()?;
    let (mut copied, mut there, mut lost) = (0_u64, 0_u64, 0_u64);
    let mut after = None::<Bson>;
    loop {
        // a view of its own for each page: bytes take longer than a server keeps one
        let page = source.documents.records.snapshot().await?.page(Collection::Assets, after.take(), PAGE).await?;
        let Some(last) = page.last().and_then(|record| record.get("_id").cloned()) else { break };
        after = Some(last);
        let pictures: Vec<String> = page.iter().cloned().flat_map(pictures_of).collect();
        let keys = page.iter().filter_map(|record| record.get_str("s3_key").ok().map(str::to_owned));
        let (from, to, dir) = (&source.objects, &target.objects, spool.path());
        let work = stream::iter(pictures).map(|key| async move { one(from, to, &key, dir).await });
        // one that is missing is no loss: what it shows is there
        work.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        let work = stream::iter(keys).map(|key| async move { one(from, to, &key, dir).await });
        let outcomes: Vec<Outcome> = work.buffer_unordered(AT_ONCE).inspect_ok(|_| meter.add(1)).try_collect().await?;
        for outcome in outcomes {
            match outcome {
                Outcome::Copied => copied += 1,
                Outcome::WasThere => there += 1,
                Outcome::Lost(why) => {
                    lost += 1;
                    progress.warn(&format!("not moved: {why}"));
                }
            }
        }
        for stores in [source, target] {
            stores.documents.leases.take_lease(SWEEPER_LEASE, sweeper, Timestamp::now(), LEASE_TTL).await?;
        }
    }
    progress.note(&format!("objects: {copied} copied, {there} were there with the same bytes"));
    if lost > 0 {
        progress.warn(&format!("{lost} assets have no object in the source: see metastamp fsck --deep"));
    }
    Ok(lost)
}

/// Keys of the pictures of a work.
fn pictures_of(record: Document) -> Vec<String> {
    let Ok(asset) = decode::<Asset>(Collection::Assets, record) else { return Vec::new() };
    asset.pictures.iter().map(|picture| picture_key(&asset.s3_key, picture)).collect()
}

async fn one(from: &Objects, to: &Objects, key: &str, spool: &std::path::Path) -> Result<Outcome> {
    if let Some(info) = to.head(key).await?
        && from.head(key).await?.is_some_and(|source| source.size == info.size)
        && bytes_of::sum(to, key).await? == bytes_of::sum(from, key).await.ok().flatten()
    {
        return Ok(Outcome::WasThere);
    }
    // what the source can't give is lost to the move, and none of the others are
    let copied = bytes_of::patiently(from, || bytes_of::copy(from, to, key, spool)).await?;
    let sum = match copied {
        Ok(Some(sum)) => sum,
        Ok(None) => return Ok(Outcome::Lost(format!("{key}: it is not there"))),
        Err(error) if bytes_of::patiently(from, || bytes_of::sum(from, key)).await?.is_err() => {
            return Ok(Outcome::Lost(format!("{key}: {error}")));
        }
        Err(error) => return Err(error),
    };
    match bytes_of::sum(to, key).await? {
        Some(found) if found == sum => Ok(Outcome::Copied),
        _ => Err(StoreError::Internal(format!("{key} is not in the target as it was sent"))),
    }
}
