//! Records out of an archive into the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_store::archive::{CollectionSum, RecordsDigest, Verified};
use metastamp_store::records::{Collection, Document};
use metastamp_store::{Result, StoreError};
use tokio::sync::mpsc;

/// Records written at once, and batches that wait.
const BATCH: usize = 500;
const BATCHES_WAITING: usize = 4;
/// Records that are left out and named; the others are counted.
const NAMED_MAX: u64 = 20;

type Batch = (Collection, Vec<Document>);

/// Puts all records; gives what was put, and how many a store refused. Those are left out, and said.
pub async fn put_all(
    stores: &Opened,
    verified: Arc<Verified>,
    progress: &Progress,
) -> anyhow::Result<(BTreeMap<Collection, CollectionSum>, u64)> {
    let total = verified.collections.values().map(|sum| sum.records).sum();
    let meter = progress.step("records", total, Unit::Items);
    let mut digests: BTreeMap<Collection, RecordsDigest> =
        verified.collections.keys().map(|collection| (*collection, RecordsDigest::default())).collect();
    let (batches, mut queue) = mpsc::channel(BATCHES_WAITING);
    let reader = tokio::task::spawn_blocking(move || read(&verified, &batches));
    let mut left_out = 0;
    while let Some((collection, mut records)) = queue.recv().await {
        if collection == Collection::Assets {
            records.iter_mut().for_each(|record| move_bucket(record, stores.objects.bucket()));
        }
        let put = put(stores, collection, records, &mut left_out, progress).await?;
        let digest = digests.entry(collection).or_default();
        for record in &put {
            digest.add(collection, record)?;
        }
        meter.add(put.len() as u64);
    }
    reader.await??;
    let sum = |digest: RecordsDigest| CollectionSum { records: digest.count(), digest: digest.hex() };
    Ok((digests.into_iter().map(|(collection, digest)| (collection, sum(digest))).collect(), left_out))
}

/// Runs on a thread of its own.
fn read(verified: &Verified, batches: &mpsc::Sender<Batch>) -> Result<()> {
    let send = |batch: Batch| {
        let sent = batches.blocking_send(batch);
        sent.map_err(|_| StoreError::Internal("records can't be written".to_owned()))
    };
    let mut waiting: BTreeMap<Collection, Vec<Document>> = BTreeMap::new();
    verified.records(&mut |collection, record| {
        let records = waiting.entry(collection).or_default();
        records.push(record);
        if records.len() == BATCH { send((collection, std::mem::take(records))) } else { Ok(()) }
    })?;
    waiting.into_iter().filter(|(_, records)| !records.is_empty()).try_for_each(send)
}

/// One record that a store can't take must not keep the others out.
async fn put(
    stores: &Opened,
    collection: Collection,
    records: Vec<Document>,
    left_out: &mut u64,
    progress: &Progress,
) -> Result<Vec<Document>> {
    match stores.documents.records.put_records(collection, records.clone()).await {
        Ok(()) => return Ok(records),
        Err(error) if error.is_transient() => return Err(error),
        Err(_) => {}
    }
    let mut put = Vec::with_capacity(records.len());
    for record in records {
        match stores.documents.records.put_records(collection, vec![record.clone()]).await {
            Ok(()) => put.push(record),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                *left_out += 1;
                if *left_out <= NAMED_MAX {
                    let id = record.get("_id").map(ToString::to_string).unwrap_or_default();
                    progress.warn(&format!("{} {id} is left out: {error}", collection.name()));
                }
            }
        }
    }
    Ok(put)
}

/// Where bytes lie is this installation's.
pub(crate) fn move_bucket(record: &mut Document, bucket: &str) {
    if record.contains_key("s3_bucket") {
        record.insert("s3_bucket", bucket);
    }
}
