//! Sends archives to a bucket elsewhere.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use metastamp_setup::config::{Config, ObjectStore};
use metastamp_setup::progress::{Progress, Unit};
use metastamp_store::objects::{Objects, ObjectsConfig};
use tokio::io::AsyncReadExt;

const CHUNK_BYTES: usize = 256 * 1024;
const OP_WITHIN: Duration = Duration::from_secs(60);

/// `<prefix><day>/<archive>`.
pub fn key(config: &Config, name: &str, day: &str) -> String {
    format!("{}{day}/{name}.tar.gz", config.backup.offsite.prefix)
}

/// # Errors
/// When the bucket does not take it, or afterwards says another size.
pub async fn send(config: &Config, name: &str, day: &str, archive: &Path, progress: &Progress) -> anyhow::Result<()> {
    let objects = bucket(config)?;
    objects.ping().await.context("bucket")?;
    let key = key(config, name, day);
    let size = tokio::fs::metadata(archive).await?.len();
    let meter = progress.step("sending", size, Unit::Bytes);
    let mut file = tokio::fs::File::open(archive).await?;
    let spool_dir = archive.parent().context("no directory")?;
    let mut writer = objects.writer(&key, "application/gzip", spool_dir);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        if (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await? == 0 {
            break;
        }
        meter.add(chunk.len() as u64);
        writer.write(Bytes::from(chunk)).await?;
    }
    writer.finish().await?;
    let stored = objects.head(&key).await?.context("it is not there after sending it")?;
    anyhow::ensure!(stored.size == size, "{} bytes arrived of {size}", stored.size);
    let mut checksum = archive.as_os_str().to_owned();
    checksum.push(".sha256");
    let text = tokio::fs::read(Path::new(&checksum)).await?;
    objects.put(&format!("{key}.sha256"), "text/plain", Bytes::from(text)).await?;
    progress.note(&format!("sent to {} as {key}", objects.bucket()));
    Ok(())
}

fn bucket(config: &Config) -> anyhow::Result<Objects> {
    let offsite = &config.backup.offsite;
    let own = match &config.stores.objects {
        ObjectStore::Embedded => None,
        ObjectStore::External { access_key, secret_key, .. } => Some((access_key.clone(), secret_key.clone())),
    };
    let (own_access, own_secret) = own.unzip();
    Ok(Objects::new(ObjectsConfig {
        endpoint: offsite.endpoint.clone(),
        public_endpoint: None,
        region: offsite.region.clone(),
        access_key: offsite.access_key.clone().or(own_access).context("AWS_ACCESS_KEY_ID is not set")?,
        secret_key: offsite.secret_key.clone().or(own_secret).context("AWS_SECRET_ACCESS_KEY is not set")?,
        bucket: offsite.bucket.clone().context("BACKUP_S3_BUCKET is not set")?,
        op_timeout: OP_WITHIN,
    }))
}
