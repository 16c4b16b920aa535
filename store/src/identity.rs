//! Who a store is: a random id that it gets when it is made, the kind of store, and the installation it belongs to.
//!
//! The identity lies in the store itself: a row of the documents, an object of the bucket, an entry of the cache. The
//! documents are the truth, so their id is that of the installation, and the other stores name it. Whoever finds no
//! identity gives one, under a condition, so that of several nodes that come at once all take the same. It is no part of
//! backups: what is restored somewhere else is another store.

use bytes::Bytes;
use metastamp_protocol::{Store, StoreTag, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::objects::Objects;
use crate::ports::Records;
use crate::{Result, StoreError};

/// The object that says who a bucket is.
pub const IDENTITY_KEY: &str = ".metastamp/identity.json";
/// The entry that says who a cache is.
const CACHE_KEY: &str = "store_identity";
/// Ours has 150 bytes; whatever is larger is none.
const BYTES_MAX: u64 = 4_096;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreIdentity {
    pub id: String,
    /// `sqlite`, `mongodb`, `redis`, `local`, `s3`.
    pub kind: String,
    /// Id of the documents that the store belongs to.
    pub installation: String,
    /// When the store was first seen to have no identity.
    pub made_at: Timestamp,
}

impl StoreIdentity {
    /// Of documents: the installation is theirs.
    pub fn of_documents(kind: &str) -> Self {
        let id = fresh_id();
        Self { installation: id.clone(), id, kind: kind.to_owned(), made_at: Timestamp::now() }
    }

    /// Of a store that belongs to documents.
    pub fn belonging_to(documents: &StoreIdentity, kind: &str) -> Self {
        let installation = documents.installation.clone();
        Self { id: fresh_id(), kind: kind.to_owned(), installation, made_at: Timestamp::now() }
    }

    pub fn tag(&self) -> StoreTag {
        StoreTag { kind: self.kind.clone(), id: self.id.clone() }
    }
}

fn fresh_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Gives the documents their identity, if they have none; answers the one they have.
pub async fn keep_documents(records: &dyn Records, kind: &str) -> Result<StoreIdentity> {
    records.keep_identity(Store::Documents, StoreIdentity::of_documents(kind)).await
}

/// The same for a bucket.
///
/// # Errors
/// `Internal` when the bucket may not be written, or holds something else under that key.
pub async fn keep_objects(objects: &Objects, fresh: &StoreIdentity) -> Result<StoreIdentity> {
    if let Some(kept) = of_objects(objects).await? {
        return Ok(kept);
    }
    objects.put_if_absent(IDENTITY_KEY, "application/json", encode(fresh)?.into()).await?;
    // Somebody may have been faster.
    of_objects(objects).await?.ok_or(StoreError::NotFound { what: "identity of the bucket" })
}

/// Puts the identity of a bucket in place of the one it has.
pub async fn put_objects(objects: &Objects, identity: &StoreIdentity) -> Result<()> {
    objects.put(IDENTITY_KEY, "application/json", encode(identity)?.into()).await.map(drop)
}

async fn of_objects(objects: &Objects) -> Result<Option<StoreIdentity>> {
    match objects.get_range(IDENTITY_KEY, 0..BYTES_MAX).await {
        Ok(bytes) => decode(&bytes).map(Some),
        Err(StoreError::NotFound { what: "object" }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same for a cache, which may lose it at any time and then gets another one.
pub async fn keep_cache(cache: &dyn Cache, fresh: &StoreIdentity) -> Result<StoreIdentity> {
    let kept = cache.keep(CACHE_KEY, &String::from_utf8_lossy(&encode(fresh)?)).await?;
    decode(&Bytes::from(kept))
}

fn encode(identity: &StoreIdentity) -> Result<Vec<u8>> {
    serde_json::to_vec(identity).map_err(|error| StoreError::Internal(format!("identity: {error}")))
}

fn decode(bytes: &Bytes) -> Result<StoreIdentity> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Internal(format!("identity makes no sense: {error}")))
}
