//! A snapshot as `dump.gz`: an archive of mongodump, compressed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use metastamp_protocol::files::picture_key;
use metastamp_protocol::{Asset, Picture};
use mongodb::bson::{Bson, Document};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::format::to_bytes;
use super::tee::Tee;
use super::{ArchiveWriter, CollectionSum, DumpSum, RecordsDigest, io_failed};
use crate::ports::Snapshot;
use crate::records::{Collection, decode};
use crate::{Result, StoreError};

/// Records read at once.
const PAGE: u32 = 500;
/// Pages that wait for the compressor.
const PAGES_WAITING: usize = 4;
/// Quick, and not much larger than with more effort.
const LEVEL: u32 = 3;

/// What went into the archive.
#[derive(Debug, Clone)]
pub struct Dumped {
    pub one_instant: bool,
    pub collections: BTreeMap<String, CollectionSum>,
    pub dump: DumpSum,
}

/// An object of an asset of the snapshot, its own or a picture of it: a line of the list that [`dump`] leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetLine {
    pub asset_id: String,
    pub key: String,
    pub sha256: String,
    pub content_type: String,
}

/// Writes all that `snapshot` holds to `dump`, and a line for each asset to `assets`, if wanted. `database` is the name
/// in the archive. `passed` is told how many records of a collection have been read.
///
/// # Errors
/// Those of the snapshot; `Internal` when a file can't be written.
pub async fn dump(
    snapshot: &mut dyn Snapshot,
    database: &str,
    dump: &Path,
    assets: Option<&Path>,
    passed: impl Fn(Collection, u64) + Send + Sync,
) -> Result<Dumped> {
    let one_instant = snapshot.is_of_one_instant();
    let (pages, queue) = mpsc::channel(PAGES_WAITING);
    let (path, database, assets) = (dump.to_owned(), database.to_owned(), assets.map(Path::to_owned));
    let writer = tokio::task::spawn_blocking(move || write(queue, &path, &database, assets));
    let read = read(snapshot, pages, passed).await;
    let written = writer.await.map_err(|e| StoreError::Internal(format!("writing the archive broke off: {e}")))?;
    // a writer that failed makes the reader fail too: its reason is the one that counts
    let (collections, dump) = written?;
    read?;
    Ok(Dumped { one_instant, collections, dump })
}

type Page = (Collection, Vec<Document>);

async fn read(
    snapshot: &mut dyn Snapshot,
    pages: mpsc::Sender<Page>,
    passed: impl Fn(Collection, u64) + Send + Sync,
) -> Result<()> {
    for collection in Collection::ALL {
        let (mut after, mut count) = (None::<Bson>, 0);
        loop {
            let records = snapshot.page(collection, after.take(), PAGE).await?;
            let full = records.len() == PAGE as usize;
            after = records.last().and_then(|record| record.get("_id").cloned());
            count += records.len() as u64;
            // an empty page still begins its collection
            let sent = pages.send((collection, records)).await;
            sent.map_err(|_| StoreError::Internal("the archive can't be written".to_owned()))?;
            passed(collection, count);
            if !full || after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

type Out = GzEncoder<Tee<BufWriter<File>>>;

fn write(
    mut queue: mpsc::Receiver<Page>,
    path: &Path,
    database: &str,
    assets: Option<PathBuf>,
) -> Result<(BTreeMap<String, CollectionSum>, DumpSum)> {
    let file = Tee::new(BufWriter::with_capacity(1 << 20, File::create(path).map_err(io_failed)?));
    let out: Out = GzBuilder::new().mtime(0).write(file, Compression::new(LEVEL));
    let mut archive = ArchiveWriter::new(out, database)?;
    let mut list = assets.map(|path| File::create(path).map(BufWriter::new).map_err(io_failed)).transpose()?;
    let mut digests: BTreeMap<Collection, RecordsDigest> = BTreeMap::new();
    while let Some((collection, records)) = queue.blocking_recv() {
        if !digests.contains_key(&collection) {
            archive.begin(collection)?;
        }
        let digest = digests.entry(collection).or_default();
        for record in records {
            digest.add(collection, &record)?;
            archive.record(&to_bytes(&record)?)?;
            if let (Collection::Assets, Some(list)) = (collection, &mut list) {
                note(list, record)?;
            }
        }
    }
    if let Some(mut list) = list {
        list.flush().map_err(io_failed)?;
    }
    let (size, sha256, file) = archive.finish()?.finish().map_err(io_failed)?.finish();
    file.into_inner().map_err(|e| io_failed(e.into_error()))?;
    let sums = digests.into_iter().map(|(collection, digest)| {
        (collection.name().to_owned(), CollectionSum { records: digest.count(), digest: digest.hex() })
    });
    Ok((sums.collect(), DumpSum { size, sha256 }))
}

/// An asset that makes no sense still has a key, perhaps.
fn note(list: &mut impl std::io::Write, record: Document) -> Result<()> {
    let text = |name: &str| record.get_str(name).unwrap_or_default().to_owned();
    let id = match record.get("_id") {
        Some(Bson::ObjectId(id)) => id.to_hex(),
        _ => text("_id"),
    };
    let (key, sha256, content_type) = (text("s3_key"), text("sha256"), text("mime_type"));
    let lines = match decode::<Asset>(Collection::Assets, record) {
        Ok(asset) => {
            // nobody keeps digests of pictures: the work they were made of has one
            let picture = |picture: &Picture| AssetLine {
                asset_id: id.clone(),
                key: picture_key(&asset.s3_key, picture),
                sha256: String::new(),
                content_type: picture.media_type.clone(),
            };
            let mut lines: Vec<_> = asset.pictures.iter().map(picture).collect();
            lines.insert(0, AssetLine { asset_id: id, key, sha256: asset.sha256, content_type: asset.mime_type });
            lines
        }
        Err(_) if key.is_empty() => return Ok(()),
        Err(_) => vec![AssetLine { asset_id: id, key, sha256, content_type }],
    };
    for line in lines {
        let line = serde_json::to_string(&line).map_err(|e| StoreError::Internal(e.to_string()))?;
        writeln!(list, "{line}").map_err(io_failed)?;
    }
    Ok(())
}
