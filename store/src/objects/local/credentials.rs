//! The key pair of a data directory: made once, at random, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};

const FILE: &str = "credentials.json";

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeyPair {
    pub access_key: String,
    pub secret_key: String,
}

impl KeyPair {
    fn random() -> io::Result<Self> {
        let mut bytes = [0; 30];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
        Ok(Self {
            access_key: format!("METASTAMP{}", hex::encode_upper(&bytes[..5])),
            secret_key: hex::encode(&bytes[5..]),
        })
    }
}

/// The directory's key pair; of two processes that start at once, both get the one that was first. Blocks.
pub(super) fn load_or_create(dir: &Path) -> io::Result<KeyPair> {
    let path = dir.join(FILE);
    if let Some(pair) = load(&path)? {
        return Ok(pair);
    }
    let text = serde_json::to_vec(&KeyPair::random()?)?;
    let draft = dir.join(format!(".{FILE}.{}", uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    // a link fails when the name is taken, a rename would replace it
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => File::open(dir)?.sync_all()?,
    }
    load(&path)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "credentials vanished"))
}

fn load(path: &Path) -> io::Result<Option<KeyPair>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
