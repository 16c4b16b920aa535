//! Upload sessions, as stored: the promise that bytes under a key either become an asset or are cleaned away.

use serde::{Deserialize, Serialize};

use crate::{FileKind, MoreDigests, NodeRef, ObjectId, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// Bytes are coming in; no asset exists yet.
    Receiving,
    /// The asset was committed. Final.
    Stored,
    /// Given up, or found to be a repeat; its object is garbage. Final.
    Discarded,
}

/// What is known when the first bytes are in. `file_name` is already safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Id of the session and of the asset to be.
    pub id: ObjectId,
    pub user_id: ObjectId,
    pub file_name: String,
    /// As it was sent, when that is not the same.
    pub original_file_name: Option<String>,
    pub kind: FileKind,
    /// Who receives the bytes; with its death they are lost.
    pub receiver: NodeRef,
}

/// What is known when the last byte is in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub size: u64,
    pub sha256: String,
    /// None from a node of a version that did not make them.
    pub digests: Option<MoreDigests>,
    pub mime_type: String,
    pub title: Option<String>,
    pub description: Option<String>,
}

/// One upload in progress. Its id is the id the asset will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadSession {
    pub id: ObjectId,
    pub user_id: ObjectId,
    pub file_name: String,
    /// As it was sent, when that is not the same; what people see, see [`shown_name`](crate::files::shown_name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_file_name: Option<String>,
    pub kind: FileKind,
    pub s3_key: String,
    pub state: UploadState,
    /// Who receives the bytes.
    pub owner: NodeRef,
    pub created_at: Timestamp,
    /// When the sweeper may take it for dead; renewed while bytes arrive.
    pub expires_at: Timestamp,
}
