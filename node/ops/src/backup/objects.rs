//! The objects of a backup: fetched a few at once, written one after the other.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Component, Path};

use futures_util::{StreamExt, stream};
use metastamp_protocol::ObjectId;
use metastamp_protocol::files::owner_key;
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_store::StoreError;
use metastamp_store::archive::{AssetLine, BundleWriter, Kept, ObjectLine, ObjectsSum};
use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::blocking;
use crate::bytes_of;

type Result<T, E = StoreError> = std::result::Result<T, E>;

const FETCHED_AT_ONCE: usize = 4;
/// Of each object so much is held in memory; the rest lies on the disk.
const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Longest path in a bundle that names its key.
const PATH_BYTES_MAX: usize = 1_024;

/// Adds the objects of `assets`, one line each, then `objects.jsonl`.
pub async fn add_all(
    mut bundle: BundleWriter,
    stores: &Opened,
    assets: &Path,
    count: u64,
    work: &Path,
    progress: &Progress,
) -> Result<(BundleWriter, ObjectsSum)> {
    let list_path = work.join("objects.jsonl");
    let mut list = BufWriter::new(File::create(&list_path).map_err(local)?);
    let lines = BufReader::new(File::open(assets).map_err(local)?).lines();
    let meter = progress.step("objects", count, Unit::Items);
    let mut sum = ObjectsSum::default();
    let mut fetched = stream::iter(lines).map(|line| fetch(stores, line, work)).buffered(FETCHED_AT_ONCE);
    let mut number = 0_u64;
    while let Some(next) = fetched.next().await {
        let Fetched { asset, state, bytes } = next?;
        let is_picture = owner_key(&asset.key) != asset.key;
        if is_picture && bytes.is_err() {
            // no loss: the work it was made of is there, or gone with it
            continue;
        }
        if let (Kept::Lost, Err(why)) = (state, &bytes) {
            progress.warn(&format!("not saved: {} {}: {why}", asset.asset_id, asset.key));
        }
        let mut line = ObjectLine {
            key: asset.key,
            asset_id: asset.asset_id,
            state,
            path: String::new(),
            size: 0,
            sha256: String::new(),
            content_type: asset.content_type,
        };
        match (state, bytes) {
            (Kept::Kept, Ok(Spooled { mut file, size, sha256 })) => {
                number += 1;
                sum.differing += u64::from(!asset.sha256.is_empty() && asset.sha256 != sha256);
                sum.kept += 1;
                sum.bytes += size;
                (line.path, line.size, line.sha256) = (path(&line.key, number), size, sha256);
                let path = line.path.clone();
                bundle = blocking(move || {
                    file.seek(SeekFrom::Start(0)).map_err(local)?;
                    bundle.add(&path, size, file).map(|_| bundle)
                })
                .await?;
            }
            (Kept::Deleted, _) => sum.deleted += 1,
            _ => sum.lost += 1,
        }
        let text = serde_json::to_string(&line).map_err(|e| StoreError::Internal(e.to_string()))?;
        writeln!(list, "{text}").map_err(local)?;
        meter.add(u64::from(!is_picture));
    }
    list.flush().map_err(local)?;
    drop(list);
    blocking(move || {
        let (_, sha256) = bundle.add_file("objects.jsonl", &list_path)?;
        sum.list_sha256 = sha256;
        Ok((bundle, sum))
    })
    .await
}

struct Fetched {
    asset: AssetLine,
    state: Kept,
    /// Or why there are none.
    bytes: Result<Spooled, String>,
}

struct Spooled {
    file: SpooledTempFile,
    size: u64,
    sha256: String,
}

async fn fetch(stores: &Opened, line: std::io::Result<String>, work: &Path) -> Result<Fetched> {
    let asset: AssetLine =
        serde_json::from_str(&line.map_err(local)?).map_err(|e| StoreError::Internal(e.to_string()))?;
    let why = match bytes_of::patiently(&stores.objects, || spool(stores, &asset.key, work)).await? {
        Ok(bytes) => return Ok(Fetched { asset, state: Kept::Kept, bytes: Ok(bytes) }),
        Err(StoreError::NotFound { .. }) => "it is not there".to_owned(),
        Err(StoreError::Unavailable(why)) => why,
        // of this machine: its disk, for one
        Err(error) => return Err(error),
    };
    // rows go before their objects: who has neither was deleted while we worked
    let row = match asset.asset_id.parse::<ObjectId>() {
        Ok(id) => stores.documents.works.asset(id).await?.is_some(),
        Err(_) => true,
    };
    let state = if row { Kept::Lost } else { Kept::Deleted };
    Ok(Fetched { asset, state, bytes: Err(why) })
}

async fn spool(stores: &Opened, key: &str, work: &Path) -> Result<Spooled> {
    let objects = &stores.objects;
    if let Some(local) = &stores.local_s3
        && let Some(damage) = local.damage(objects.bucket(), key).await?
    {
        return Err(StoreError::Unavailable(damage.to_string()));
    }
    let mut stream = objects.open(key).await?;
    let announced = stream.info().size;
    let mut file = tempfile::spooled_tempfile_in(MEMORY_BYTES_MAX, work);
    let (mut size, mut sha256) = (0, Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        sha256.update(&chunk);
        file.write_all(&chunk).map_err(local)?;
    }
    if size != announced {
        return Err(StoreError::Unavailable("fewer bytes than announced".to_owned()));
    }
    Ok(Spooled { file, size, sha256: hex::encode(sha256.finalize()) })
}

/// Where an object lies in the bundle: under its key, so that people find it, unless the key would lead astray.
fn path(key: &str, number: u64) -> String {
    let components_are_plain = Path::new(key).components().all(|part| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    });
    let as_written =
        !key.contains("//") && !key.contains("/./") && !key.ends_with('/') && !key.contains(['\\', '\0', '\n', '\r']);
    if components_are_plain && as_written && !key.is_empty() && key.len() <= PATH_BYTES_MAX {
        format!("objects/{key}")
    } else {
        format!("objects/.by-number/{number}")
    }
}

fn local(error: std::io::Error) -> StoreError {
    StoreError::Internal(format!("temporary file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn only_plain_keys_become_paths() {
        assert_eq!(path("uploads/a/b_c.png", 1), "objects/uploads/a/b_c.png");
        for key in ["../x", "/etc/passwd", "a/../b", "a//b", "a/", "./a", "", ".by-number/1", "a\nb"] {
            assert_eq!(path(key, 7), "objects/.by-number/7", "{key:?}");
        }
    }
}
