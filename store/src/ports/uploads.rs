//! Upload sessions until they end, and what they and deleted assets leave behind. The commit of an upload is the
//! beginning of a work: [`Works::commit_upload`](super::Works::commit_upload).

use async_trait::async_trait;
use metastamp_protocol::{NodeRef, ObjectId, Timestamp, UploadSession};

use crate::Result;

/// An object that has no row any more (or never got one) and is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub s3_key: String,
    pub since: Timestamp,
}

#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Promises that the key will become an asset or be cleaned away.
    async fn open_upload(&self, session: &UploadSession) -> Result<()>;
    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>>;
    /// `Fenced` when the session is not receiving any more, `NotFound` when it was never opened or is forgotten.
    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()>;
    /// Ends a receiving session; its key becomes garbage. No effect on one that is discarded or unknown; `Fenced` when
    /// it has become an asset.
    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()>;
    /// Like [`Uploads::discard_upload`], but only if the session is still as `seen`; tells whether it was.
    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool>;
    /// Receiving sessions that expired by `now`, or belong to an earlier generation of `of`.
    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>>;
    /// Forgets final sessions whose lease ended before `before`.
    async fn forget_uploads(&self, before: Timestamp) -> Result<u64>;

    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>>;
    /// Called after the object is gone.
    async fn forget_garbage(&self, s3_key: &str) -> Result<()>;
    /// Whether an asset or a receiving session refers to the key.
    async fn key_is_used(&self, s3_key: &str) -> Result<bool>;
}
