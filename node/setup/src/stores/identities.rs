//! Which stores these are, and whether they belong together.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use metastamp_protocol::{Store, StoreTag, StoreTags};
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::identity::{StoreIdentity, keep_cache, keep_documents, keep_objects, put_objects};
use metastamp_store::objects::Objects;

use crate::config::{CacheStore, Config, DocumentStore, ObjectStore};

/// What to do when documents and bucket do not belong together.
pub const WAYS_ON: &str = "Name the right one, put a backup back (metastamp restore FILE), or, if they are to be used together \
                           from now on, run metastamp init --adopt";

/// What the stores say of themselves.
#[derive(Debug, Clone)]
pub struct Identities {
    pub documents: StoreIdentity,
    /// None when the bucket can't be asked or may not be written: then it is not judged.
    pub objects: Option<StoreIdentity>,
    /// The bucket that the documents were used with first.
    pub expected_objects: Option<StoreIdentity>,
    /// Told apart by file too: a copy of a data directory has the same words in it and is another store.
    places: StoreTags,
}

impl Identities {
    /// Asks the stores, and gives those an identity that have none.
    ///
    /// # Errors
    /// When the documents fail.
    pub(super) async fn settle(config: &Config, documents: &Stores, objects: &Objects) -> anyhow::Result<Self> {
        let (documents_kind, objects_kind) = kinds(config);
        let records = &*documents.records;
        let documents = keep_documents(records, documents_kind).await.context("identity of the documents")?;
        let fresh = StoreIdentity::belonging_to(&documents, objects_kind);
        let found = match keep_objects(objects, &fresh).await {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "the bucket did not say which one it is, and is not compared with that of other nodes");
                None
            }
        };
        let expected_objects = match &found {
            Some(found) if found.installation == documents.installation => {
                Some(records.keep_identity(Store::Objects, found.clone()).await.context("identity of the documents")?)
            }
            _ => None,
        };
        Ok(Self { documents, objects: found, expected_objects, places: places(config) })
    }

    /// What is wrong with the bucket, if these documents are not those it was used with, or it is not theirs.
    pub fn misfit(&self) -> Option<String> {
        let Self { documents, objects, expected_objects, .. } = self;
        let objects = objects.as_ref()?;
        if objects.installation != documents.installation {
            return Some(format!(
                "the bucket belongs to other documents ({}) than those that are configured ({}, made {}): were they lost, or \
                 is it another database or data directory?",
                objects.installation, documents.installation, documents.made_at
            ));
        }
        let expected = expected_objects.as_ref().filter(|expected| expected.id != objects.id)?;
        Some(format!(
            "the documents belong to another bucket ({}) than the one that is configured ({}, made {}): were its objects \
             lost, or is it another bucket?",
            expected.id, objects.id, objects.made_at
        ))
    }

    /// Whether objects remain whose documents are not these.
    pub fn documents_are_strangers(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| objects.installation != self.documents.installation)
    }

    /// Makes documents and bucket belong together, whatever they were used with before.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn adopt(&self, documents: &Stores, objects: &Objects) -> anyhow::Result<()> {
        let Some(bucket) = &self.objects else { return Ok(()) };
        let bucket = StoreIdentity { installation: self.documents.installation.clone(), ..bucket.clone() };
        put_objects(objects, &bucket).await.context("identity of the bucket")?;
        documents.records.put_identity(Store::Objects, bucket).await.context("identity of the documents")
    }

    /// As other nodes are told. The cache is asked again and again, with [`Identities::cache`].
    pub fn tags(&self) -> StoreTags {
        StoreTags {
            documents: at(Some(self.documents.tag()), &self.places.documents),
            objects: at(self.objects.as_ref().map(StoreIdentity::tag), &self.places.objects),
            cache: None,
        }
    }

    /// Which cache this is now; none when it does not answer.
    pub async fn cache(&self, config: &Config, cache: &SharedCache) -> Option<StoreTag> {
        let kind = match config.stores.cache {
            CacheStore::Embedded => "sqlite",
            CacheStore::Redis(_) => "redis",
        };
        let found = keep_cache(&**cache, &StoreIdentity::belonging_to(&self.documents, kind)).await.ok()?;
        at(Some(found.tag()), &self.places.cache)
    }
}

fn kinds(config: &Config) -> (&'static str, &'static str) {
    let documents = match config.stores.documents {
        DocumentStore::Embedded => "sqlite",
        DocumentStore::Mongo(_) => "mongodb",
    };
    let objects = match config.stores.objects {
        ObjectStore::Embedded => "local",
        ObjectStore::External { .. } => "s3",
    };
    (documents, objects)
}

fn at(tag: Option<StoreTag>, place: &Option<StoreTag>) -> Option<StoreTag> {
    let StoreTag { kind, id } = tag?;
    let id = place.as_ref().map_or(id.clone(), |place| format!("{id}-{}", place.id));
    Some(StoreTag { kind, id })
}

/// Where embedded stores lie: the number of the file, which is one for all who share it and another one for a copy.
fn places(config: &Config) -> StoreTags {
    let dir = &config.data_dir;
    let embedded = |is_embedded: bool, path: &Path| {
        let number = is_embedded.then(|| std::fs::metadata(path).ok()).flatten()?.ino();
        Some(StoreTag { kind: String::new(), id: format!("{number:x}") })
    };
    StoreTags {
        documents: embedded(config.stores.documents == DocumentStore::Embedded, &dir.join("metastamp.db")),
        objects: embedded(config.stores.objects == ObjectStore::Embedded, &dir.join("objects")),
        cache: embedded(config.stores.cache == CacheStore::Embedded, &dir.join("cache.db")),
    }
}
