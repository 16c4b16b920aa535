//! Whoever writes records, or brings older ones up to date, may change anything.

use async_trait::async_trait;

use metastamp_protocol::Store;

use super::Cached;
use super::changes::Invalidated;
use crate::Result;
use crate::identity::StoreIdentity;
use crate::ports::{self, Snapshot};
use crate::records::{Bson, Collection, Document};

#[async_trait]
impl ports::Records for Cached {
    async fn ping(&self) -> Result<()> {
        self.truth.records.ping().await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        self.changes.make(Invalidated::Everything, self.truth.records.prepare()).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.truth.records.snapshot().await
    }

    async fn put_records(&self, collection: Collection, records: Vec<Document>) -> Result<()> {
        self.changes.make(Invalidated::Everything, self.truth.records.put_records(collection, records)).await
    }

    async fn remove_records(&self, collection: Collection, ids: Vec<Bson>) -> Result<u64> {
        self.changes.make(Invalidated::Everything, self.truth.records.remove_records(collection, ids)).await
    }

    async fn clear(&self) -> Result<()> {
        self.changes.make(Invalidated::Everything, self.truth.records.clear()).await
    }

    async fn keep_identity(&self, of: Store, fresh: StoreIdentity) -> Result<StoreIdentity> {
        self.truth.records.keep_identity(of, fresh).await
    }

    async fn put_identity(&self, of: Store, identity: StoreIdentity) -> Result<()> {
        self.truth.records.put_identity(of, identity).await
    }
}
