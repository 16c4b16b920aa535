//! Fingerprint jobs, as stored. The queue is the store: any node may claim a job, one claim holds at a time.

mod turn;

use serde::{Deserialize, Serialize};

pub use self::turn::{Line, Turn};
use crate::{Asset, FileKind, MoreDigests, NodeRef, ObjectId, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    Queued,
    Running,
}

impl JobState {
    pub const ALL: [JobState; 2] = [JobState::Queued, JobState::Running];

    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
        }
    }
}

/// Which jobs a worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobLane {
    Any,
    /// Only jobs that are not long, see [`Job::is_long`].
    Short,
}

impl JobLane {
    /// The lines whose jobs it takes.
    pub fn lines(self) -> &'static [Line] {
        match self {
            JobLane::Any => &Line::TURNS,
            JobLane::Short => &[Line::Short],
        }
    }

    pub fn takes(self, job: &Job) -> bool {
        self == JobLane::Any || !job.is_long()
    }
}

/// The right to run a job and to commit its result, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Fresh for each claim: a result is accepted only under the token that is stored.
    pub token: ObjectId,
    pub by: NodeRef,
    pub expires_at: Timestamp,
}

/// A fingerprint to be made. Its id is the fingerprint's id. It is gone once the result is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: ObjectId,
    pub asset_id: ObjectId,
    pub user_id: ObjectId,
    pub kind: FileKind,
    pub file_name: String,
    /// As it was sent, when that is not the same; what people see, see [`shown_name`](crate::files::shown_name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_file_name: Option<String>,
    pub file_size: u64,
    pub mime_type: String,
    pub s3_key: String,
    /// Hex SHA-256 of the bytes, and what else is known of them already.
    #[serde(default)]
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<MoreDigests>,
    pub state: JobState,
    /// How often it was claimed.
    pub attempts: u32,
    #[serde(default)]
    pub claim: Option<Claim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Not to be claimed before this instant (pause after a failed attempt).
    pub not_before: Timestamp,
    #[serde(default)]
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Job {
    /// A fresh job for an asset, due at once. `id` is the fingerprint's.
    pub fn queued(id: ObjectId, asset: &Asset, now: Timestamp) -> Self {
        Self {
            id,
            asset_id: asset.id,
            user_id: asset.user_id,
            kind: asset.file_type,
            file_name: asset.file_name.clone(),
            original_file_name: asset.original_file_name.clone(),
            file_size: asset.file_size,
            mime_type: asset.mime_type.clone(),
            s3_key: asset.s3_key.clone(),
            sha256: asset.sha256.clone(),
            digests: asset.digests.clone(),
            state: JobState::Queued,
            attempts: 0,
            claim: None,
            turn: None,
            not_before: now,
            last_error: None,
            created_at: now,
            updated_at: now,
        }
    }
}
