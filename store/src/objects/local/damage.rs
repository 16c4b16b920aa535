//! Holds the rows of an object against the files that they own, without reading these.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::Store;
use super::fault::Fault;
use super::rows;

/// What is wrong with the bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// At least one of its files is gone.
    Missing,
    /// Its files are of another size than their rows say, in bytes.
    Size { found: u64, expected: u64 },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Missing => f.write_str("its bytes are gone from the disk"),
            Damage::Size { found, expected } => write!(f, "{found} bytes on the disk instead of {expected}"),
        }
    }
}

impl Store {
    pub(super) async fn damage(&self, bucket: &str, key: &str) -> Result<Option<Damage>, Fault> {
        let (bucket, key, blobs) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.blobs));
        self.meta
            .read(move |connection| {
                let Some(object) = rows::find_object(connection, &bucket, &key)? else { return Ok(None) };
                let mut damage = None;
                for segment in rows::segments(connection, object.id)? {
                    match std::fs::metadata(blobs.path(&segment.blob)) {
                        Ok(about) if about.len() == segment.size => {}
                        Ok(about) => damage = Some(Damage::Size { found: about.len(), expected: segment.size }),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Damage::Missing)),
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(damage)
            })
            .await
    }
}
