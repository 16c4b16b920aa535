//! Users, assets, commits and claims to begin with, and shorthands for what cases ask most.

use std::fmt::Debug;
use std::time::Duration;

use metastamp_protocol::{
    Asset, FileKind, Fingerprint, Job, JobLane, JobState, NodeRef, Object, ObjectId, ProcessingStatus, Timestamp,
    UploadSession, UploadState, UploadStatus, User,
};
use metastamp_store::ports::{JobResult, UploadCommit, UploadOutcome};
use metastamp_store::{Result, StoreError, Stores};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The year 2100: no engine takes rows of that time for run out.
const EPOCH_MS: i64 = 4_102_444_800_000;
/// How long cases claim jobs for.
pub const LEASE: Duration = Duration::from_secs(30);

/// A made-up instant, so many seconds after the beginning.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp(EPOCH_MS + seconds * 1_000)
}

pub fn node(node_id: &str, generation: i64) -> NodeRef {
    NodeRef { node_id: node_id.to_owned(), generation }
}

pub fn user(email: &str) -> User {
    User::local(email, "hash".to_owned(), at(0))
}

pub fn digest(content: &str) -> String {
    hex::encode(Sha256::digest(content))
}

/// A text of 100 bytes that arrived at `at(0)`. Two with the same user and name are the same upload, repeated.
pub fn asset(user_id: ObjectId, file_name: &str) -> Asset {
    let id = ObjectId::generate();
    Asset {
        id,
        user_id,
        file_name: file_name.to_owned(),
        original_file_name: Some(format!("the {file_name} as it was sent")),
        file_type: FileKind::Text,
        file_size: 100,
        mime_type: "text/plain".to_owned(),
        s3_key: format!("assets/{id}"),
        s3_bucket: "metastamp".to_owned(),
        upload_status: UploadStatus::Processing,
        processing_status: Some(ProcessingStatus::Pending),
        fingerprint_id: None,
        error_message: None,
        url_source: None,
        title: Some("Ünïcode \"title\"".to_owned()),
        description: None,
        sha256: digest(file_name),
        digests: None,
        pictures: Vec::new(),
        ai_touch_score: None,
        metadata: object(json!({ "kept": 1, "replaced": "old" })).into(),
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn object(value: serde_json::Value) -> Object {
    value.as_object().unwrap().clone()
}

/// The receiving session of an asset to be: owned by `edge/1`, to expire a minute after the upload began.
pub fn session(asset: &Asset) -> UploadSession {
    UploadSession {
        id: asset.id,
        user_id: asset.user_id,
        file_name: asset.file_name.clone(),
        original_file_name: asset.original_file_name.clone(),
        kind: asset.file_type,
        s3_key: asset.s3_key.clone(),
        state: UploadState::Receiving,
        owner: node("edge", 1),
        created_at: asset.created_at,
        expires_at: asset.created_at.plus(Duration::from_secs(60)),
    }
}

/// The commit of an asset with its fingerprint and job; repeats count for two minutes.
pub fn commit(asset: &Asset) -> UploadCommit {
    let id = ObjectId::generate();
    let fingerprint = Fingerprint::pending(id, asset.id, asset.user_id, asset.file_type, asset.created_at);
    UploadCommit {
        asset: asset.clone(),
        fingerprint: Some((fingerprint, Job::queued(id, asset, asset.created_at))),
        repeat_since: asset.created_at.minus(Duration::from_secs(120)),
    }
}

/// Opens a session and commits it.
pub async fn upload(store: &Stores, asset: &Asset) -> UploadOutcome {
    store.uploads.open_upload(&session(asset)).await.unwrap();
    store.works.commit_upload(commit(asset)).await.unwrap()
}

/// A stored asset of some user, with its job queued.
pub async fn stored(store: &Stores, file_name: &str) -> Asset {
    stored_as(store, asset(ObjectId::generate(), file_name)).await
}

pub async fn stored_as(store: &Stores, asset: Asset) -> Asset {
    assert_eq!(upload(store, &asset).await, UploadOutcome::Stored(asset.clone()));
    asset
}

/// Claims the only job there is to claim.
pub async fn claim(store: &Stores, by: &NodeRef, now: Timestamp) -> Job {
    let mut jobs = store.jobs.claim_jobs(by, now, LEASE, JobLane::Any, 10).await.unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

pub async fn claims_nothing(store: &Stores, by: &NodeRef, now: Timestamp) {
    assert_eq!(store.jobs.claim_jobs(by, now, LEASE, JobLane::Any, 10).await.unwrap(), []);
}

pub fn token(job: &Job) -> ObjectId {
    job.claim.as_ref().unwrap().token
}

/// Unfinished jobs: (queued, running).
pub async fn job_counts(store: &Stores) -> (u64, u64) {
    let counts = store.jobs.job_counts().await.unwrap();
    let of = |state| counts.iter().filter(|(s, _)| *s == state).map(|(_, n)| n).sum();
    (of(JobState::Queued), of(JobState::Running))
}

pub fn completed() -> JobResult {
    JobResult::Completed {
        content: Box::default(),
        asset_metadata: Object::new(),
        duration_s: 1.0,
        cpu: Duration::ZERO,
    }
}

pub fn failed(message: &str) -> JobResult {
    JobResult::Failed {
        message: message.to_owned(),
        asset_metadata: Object::new(),
        duration_s: 1.0,
        cpu: Duration::ZERO,
    }
}

#[track_caller]
pub fn assert_fenced<T: Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StoreError::Fenced { .. })), "expected Fenced, got {result:?}");
}

#[track_caller]
pub fn assert_conflict<T: Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "expected Conflict, got {result:?}");
}

#[track_caller]
pub fn assert_not_found<T: Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StoreError::NotFound { .. })), "expected NotFound, got {result:?}");
}

/// The keys that are to be removed, sorted.
pub async fn garbage_keys(store: &Stores) -> Vec<String> {
    let mut keys: Vec<_> = store.uploads.garbage(1_000).await.unwrap().into_iter().map(|g| g.s3_key).collect();
    keys.sort();
    keys
}
