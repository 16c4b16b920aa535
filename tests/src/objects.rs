//! Looks into a node's object store from beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use metastamp_chaos::NodeProcess;
use metastamp_store::identity::IDENTITY_KEY;
use metastamp_store::objects::{LocalS3, Objects, ObjectsConfig};
use sha2::{Digest, Sha256};

/// More than any file of the tests, and as much as the store gives at once.
const BYTES_MAX: u64 = 16 << 20;

/// A second view of the bucket of a node, which may be running.
pub struct ObjectStore {
    objects: Objects,
    embedded: Option<Embedded>,
}

/// The object store of a data directory.
struct Embedded {
    dir: PathBuf,
    service: LocalS3,
}

impl ObjectStore {
    pub async fn open(node: &NodeProcess, bucket: &str) -> Self {
        let mut config = ObjectsConfig {
            endpoint: node.setting("S3_ENDPOINT_URL").filter(|url| url != "embedded"),
            public_endpoint: None,
            region: "us-east-1".to_owned(),
            access_key: node.setting("S3_ACCESS_KEY").unwrap_or_default(),
            secret_key: node.setting("S3_SECRET_KEY").unwrap_or_default(),
            bucket: bucket.to_owned(),
            op_timeout: Duration::from_secs(10),
        };
        let mut embedded = None;
        if config.endpoint.is_none() {
            let data_dir = node.data_dir();
            let dir = directory(&data_dir).unwrap_or_else(|| panic!("no object store under {}", data_dir.display()));
            let service = LocalS3::start(&dir).await.unwrap();
            config.endpoint = Some(service.endpoint().to_owned());
            config.access_key = service.access_key().to_owned();
            config.secret_key = service.secret_key().to_owned();
            embedded = Some(Embedded { dir, service });
        }
        Self { objects: Objects::new(config), embedded }
    }

    /// All keys, sorted.
    pub async fn keys(&self) -> Vec<String> {
        let (mut keys, mut next) = (Vec::new(), None::<String>);
        loop {
            let page = self.objects.list("", next.as_deref(), 1000).await.unwrap();
            let listed = page.objects.into_iter().map(|object| object.key);
            // who the bucket is, is its own
            keys.extend(listed.filter(|key| key != IDENTITY_KEY));
            next = page.next;
            if next.is_none() {
                keys.sort();
                return keys;
            }
        }
    }

    /// How many files of bytes are left once those without a row are swept away, whatever their age. `None` on a server:
    /// what lies below S3 is its own business.
    pub async fn blobs_after_sweep(&self) -> Option<usize> {
        let embedded = self.embedded.as_ref()?;
        embedded.service.sweep_orphan_blobs(Duration::ZERO).await.unwrap();
        let own = usize::from(self.objects.head(IDENTITY_KEY).await.unwrap().is_some());
        Some(self.blobs(0)? - own)
    }

    /// How many files of at least so many bytes there are, complete or in the making. `None` on a server.
    pub fn blobs(&self, bytes_min: u64) -> Option<usize> {
        Some(files_below(&self.embedded.as_ref()?.dir.join("blobs"), bytes_min))
    }

    /// Digest of the bytes really stored.
    pub async fn sha256(&self, key: &str) -> String {
        let bytes = self.objects.get_range(key, 0..BYTES_MAX).await.unwrap();
        hex::encode(Sha256::digest(&bytes))
    }
}

/// The directory that holds the store's metadata.
fn directory(below: &Path) -> Option<PathBuf> {
    if below.join("objects.sqlite").is_file() {
        return Some(below.to_owned());
    }
    let entries = std::fs::read_dir(below).ok()?;
    entries.flatten().filter(|e| e.path().is_dir()).find_map(|entry| directory(&entry.path()))
}

fn files_below(dir: &Path, bytes_min: u64) -> usize {
    let count = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => files_below(&entry.path(), bytes_min),
        Ok(metadata) => usize::from(metadata.len() >= bytes_min),
        // gone since it was listed
        Err(_) => 0,
    };
    std::fs::read_dir(dir).unwrap().flatten().map(count).sum()
}
