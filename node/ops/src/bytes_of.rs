//! Objects as a whole: their digest, and copies of them.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use metastamp_store::objects::Objects;
use metastamp_store::{Result, StoreError};
use sha2::{Digest, Sha256};

const ATTEMPTS_MAX: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Tries again what may pass. The outer error is that of a store that does not answer at all, the inner one of what was
/// asked for: a lost or damaged object is no outage, and none of the others are to be given up for it.
///
/// # Errors
/// Of the store, when it can't be reached.
pub async fn patiently<T, A>(objects: &Objects, mut ask: impl FnMut() -> A) -> Result<Result<T>>
where
    A: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        match ask().await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS_MAX => {
                tokio::time::sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            Err(error) if error.is_transient() => {
                objects.ping().await?;
                return Ok(Err(error));
            }
            answer => return Ok(answer),
        }
    }
}

/// Size and digest of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub size: u64,
    pub sha256: String,
}

/// Reads the whole object; none when it is not there.
pub async fn sum(objects: &Objects, key: &str) -> Result<Option<Sum>> {
    let mut stream = match objects.open(key).await {
        Ok(stream) => stream,
        Err(StoreError::NotFound { what: "object" }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let announced = stream.info().size;
    let (mut size, mut sha256) = (0, Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        sha256.update(&chunk);
    }
    if size != announced {
        return Err(StoreError::Unavailable("fewer bytes than announced".to_owned()));
    }
    Ok(Some(Sum { size, sha256: hex::encode(sha256.finalize()) }))
}

/// Copies an object from one store to another under the same key; gives what was read. None when it is not there.
pub async fn copy(from: &Objects, to: &Objects, key: &str, spool_dir: &Path) -> Result<Option<Sum>> {
    let mut stream = match from.open(key).await {
        Ok(stream) => stream,
        Err(StoreError::NotFound { what: "object" }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let announced = stream.info().size;
    let content_type = stream.info().content_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut writer = to.writer(key, &content_type, spool_dir);
    let (mut size, mut sha256) = (0, Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        sha256.update(&chunk);
        writer.write(chunk).await?;
    }
    if size != announced {
        let _ = writer.abort().await;
        return Err(StoreError::Unavailable("fewer bytes than announced".to_owned()));
    }
    writer.finish().await?;
    Ok(Some(Sum { size, sha256: hex::encode(sha256.finalize()) }))
}
