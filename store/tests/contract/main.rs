//! What every document store and every cache must do, whichever engine is behind it.
//!
//! Each suite takes a function that opens a store by name: an unknown name is a store that is empty, the same name
//! again is one more handle on the same store, as a second process would have it.

#![allow(clippy::unwrap_used)]

mod cache;
mod cached;
mod documents;
mod harness;

mod mongo;
mod redis;

use std::sync::Arc;

use parking_lot::Mutex;

use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::{Cache, Stores};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_documents_keep_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let open = async |name: &str| Stores::of(EmbeddedDocuments::open(&root.path().join(name)).unwrap());
    documents::contract(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_documents_keep_the_contract() {
    let server = mongo::start().await;
    // Making a database ready takes longer than most cases. They come one after the other, so all share one.
    mongo::connect(server.url(), "contract").await.records.prepare().await.unwrap();
    let current = Mutex::new(String::new());
    let open = async |name: &str| {
        let handle = mongo::connect(server.url(), "contract").await;
        let is_new = std::mem::replace(&mut *current.lock(), name.to_owned()) != name;
        if is_new {
            handle.records.clear().await.unwrap();
        }
        handle
    };
    documents::contract(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_cache_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let handle: Arc<dyn Cache> = Arc::new(EmbeddedCache::open(&root.path().join(name)).unwrap());
        handle
    };
    cache::contract(open).await;
}
