//! Documents in one SQLite file. A row is a JSON document plus the columns that queries and unique indexes need.

mod analytics;
mod assets;
mod jobs;
mod leases;
mod ledger;
mod partners;
mod records;
mod schema;
mod uploads;
mod usages;
mod users;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::{
    Asset, AssetQuery, Fingerprint, Job, JobLane, JobState, NodeRef, ObjectId, Role, Timestamp, UploadSession, User,
};
use rusqlite::{Connection, OptionalExtension, Params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    AssetPage, DeletedAsset, Documents, FingerprintRequest, Garbage, JobResult, Principal, UploadCommit, UploadOutcome,
};
use crate::sqlite::{Durability, Sqlite, failed};
use crate::{Result, StoreError};

#[derive(Clone)]
pub struct EmbeddedDocuments {
    db: Sqlite,
}

impl EmbeddedDocuments {
    /// Opens `metastamp.db` in `dir` and brings its tables up to date. Blocks on file I/O.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("metastamp.db");
        let db = Sqlite::open_and_upgrade("documents", &path, Durability::Full, schema::SCHEMA, records::move_plain)?;
        Ok(Self { db })
    }
}

// Each method is one line: the statement lives in the file of its domain.
#[async_trait]
impl Documents for EmbeddedDocuments {
    async fn ping(&self) -> Result<()> {
        // An empty write: whoever can only read is not ready.
        self.db.write("ping", |_| Ok(())).await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        // Tables are made when the file is opened.
        Ok(Vec::new())
    }
    async fn come_up(&self, _: &NodeRef) -> Result<()> {
        // A process that dies leaves nothing open: its locks go with it.
        Ok(())
    }
    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db.write("take_lease", move |c| leases::take(c, &name, &holder, now, ttl)).await
    }
    async fn return_lease(&self, name: &str, holder: &str) -> Result<()> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.db.write("return_lease", move |c| leases::give_back(c, &name, &holder)).await
    }
    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        let message = message.to_owned();
        self.db.write("fail_asset", move |c| assets::fail(c, id, &message, now)).await
    }

    async fn insert_user(&self, user: &User) -> Result<()> {
        let user = user.clone();
        self.db.write("insert_user", move |c| users::insert(c, &user)).await
    }
    async fn user(&self, id: ObjectId) -> Result<Option<User>> {
        self.db.look_up("user", |c| users::by_id(c, id))
    }
    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let email = metastamp_protocol::user::normalise_email(email);
        self.db.look_up("user_by_email", |c| users::by_email(c, &email))
    }
    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
        self.db.write("record_login", move |c| users::record_login(c, id, at, new_hash)).await
    }
    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()> {
        self.db.write("set_role", move |c| users::set_role(c, id, role)).await
    }
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let sid = sid.to_owned();
        self.db.look_up("principal", |c| users::principal(c, user_id, &sid))
    }
    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        let sid = sid.to_owned();
        self.db.write("revoke_session", move |c| users::revoke(c, &sid, until)).await
    }
    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        self.db.write("forget_revocations", move |c| users::forget_revocations(c, now)).await
    }

    async fn open_upload(&self, session: &UploadSession) -> Result<()> {
        let session = session.clone();
        self.db.write("open_upload", move |c| uploads::open(c, &session)).await
    }
    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>> {
        self.db.look_up("upload", |c| uploads::by_id(c, id))
    }
    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.db.write("renew_upload", move |c| uploads::renew(c, id, expires_at)).await
    }
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        self.db.write("commit_upload", move |c| uploads::commit(c, commit)).await
    }
    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()> {
        self.db.write("discard_upload", move |c| uploads::discard(c, id, now)).await
    }
    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool> {
        let seen = seen.clone();
        self.db.write("discard_abandoned", move |c| uploads::discard_seen(c, &seen, now)).await
    }
    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
        let of = of.clone();
        self.db.read("abandoned_uploads", move |c| uploads::abandoned(c, now, &of, limit)).await
    }
    async fn forget_uploads(&self, before: Timestamp) -> Result<u64> {
        self.db.write("forget_uploads", move |c| uploads::forget(c, before)).await
    }
    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        self.db.read("garbage", move |c| uploads::garbage(c, limit)).await
    }
    async fn forget_garbage(&self, s3_key: &str) -> Result<()> {
        let key = s3_key.to_owned();
        self.db.write("forget_garbage", move |c| uploads::forget_garbage(c, &key)).await
    }
    async fn key_is_used(&self, s3_key: &str) -> Result<bool> {
        let key = s3_key.to_owned();
        self.db.read("key_is_used", move |c| uploads::key_is_used(c, &key)).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        self.db.look_up("asset", |c| assets::by_id(c, id))
    }
    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        self.db.read("assets", move |c| assets::page(c, user_id, &query)).await
    }
    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        assets::delete(&self.db, id, now).await
    }
    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        self.db.look_up("fingerprint", |c| assets::fingerprint(c, id))
    }
    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        self.db.look_up("fingerprint_of", |c| assets::fingerprint_of(c, asset_id))
    }

    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        self.db.write("request_fingerprint", move |c| jobs::request(c, asset_id, now)).await
    }
    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let claim = jobs::Claiming { by: by.clone(), now, lease, lane };
        // Looking is cheap and shared; the write lock is taken only when there is something to claim.
        let look = claim.clone();
        if !self.db.read("claimable", move |c| look.finds_any(c)).await? {
            return Ok(Vec::new());
        }
        self.db.write("claim_jobs", move |c| claim.claim(c, limit)).await
    }
    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        // Every survivor asks, and all but the first find nothing: those do not need the write lock.
        let of = node.clone();
        if !self.db.read("claims_of", move |c| jobs::any_claims_of(c, &of)).await? {
            return Ok(0);
        }
        let mut released = 0;
        loop {
            let of = node.clone();
            let batch = self.db.write("release_claims_of", move |c| jobs::release_claims_of(c, &of, now)).await?;
            released += batch;
            if batch < u64::from(jobs::RELEASE_BATCH) {
                return Ok(released);
            }
        }
    }
    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        self.db.write("renew_claim", move |c| jobs::renew(c, job, token, expires_at)).await
    }
    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        self.db.write("finish_job", move |c| jobs::finish(c, job, token, result, now)).await
    }
    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        self.db.write("release_job", move |c| jobs::release(c, job, token, not_before, error)).await
    }
    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        self.db.read("job_counts", jobs::counts).await
    }
}

fn encode<T: Serialize>(document: &T) -> Result<String> {
    serde_json::to_string(document).map_err(|e| StoreError::Internal(format!("can't encode a document: {e}")))
}

fn decode<T: DeserializeOwned>(document: &str) -> Result<T> {
    serde_json::from_str(document).map_err(|e| StoreError::Internal(format!("can't decode a document: {e}")))
}

/// The one document a query selects in its first column.
fn one<T: DeserializeOwned>(c: &Connection, sql: &str, params: impl Params) -> Result<Option<T>> {
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let text: Option<String> = query.query_row(params, |row| row.get(0)).optional().map_err(failed)?;
    text.map(|t| decode(&t)).transpose()
}

/// All documents a query selects in its first column.
fn many<T: DeserializeOwned>(c: &Connection, sql: &str, params: impl Params) -> Result<Vec<T>> {
    let mut query = c.prepare_cached(sql).map_err(failed)?;
    let mut rows = query.query(params).map_err(failed)?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let text = row.get_ref(0).map_err(failed)?;
        documents.push(decode(text.as_str().map_err(|e| StoreError::Internal(e.to_string()))?)?);
    }
    Ok(documents)
}

fn execute(c: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    c.prepare_cached(sql).map_err(failed)?.execute(params).map_err(failed)
}

/// Like [`execute`], with a broken unique index told apart by its name.
fn insert(c: &Connection, sql: &str, params: impl Params, index: &'static str) -> Result<()> {
    match c.prepare_cached(sql).map_err(failed)?.execute(params) {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(e, _)) if e.code == rusqlite::ErrorCode::ConstraintViolation => {
            Err(StoreError::Conflict { index })
        }
        Err(error) => Err(failed(error)),
    }
}
