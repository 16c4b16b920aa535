//! Documents in MongoDB: a replica set, of one member at least, or a sharded cluster.
//!
//! Records have the shape of [`crate::records`]. A step that touches one document is one conditional operation; one that
//! touches several is a transaction. Those are isolated by snapshots, which alone would let two steps that read what the
//! other writes both succeed. So every fact that a step relies on is in a document that it writes: of two that meet, one
//! is told of the conflict, and looks again.

mod analytics;
mod assets;
mod call;
mod connect;
mod fault;
mod jobs;
mod leases;
mod ledger;
mod migrations;
mod on;
mod partners;
mod pool;
mod prepare;
mod records;
pub(crate) mod schema;
mod sessions;
mod uploads;
mod usages;
mod users;
mod validators;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::user::normalise_email;
use metastamp_protocol::{
    Asset, AssetQuery, Fingerprint, Job, JobLane, JobState, NodeRef, ObjectId, Role, Timestamp, UploadSession, User,
};
use mongodb::bson::doc;

use self::call::Server;
use self::fault::Attempt;
use super::{
    AssetPage, DeletedAsset, Documents, FingerprintRequest, Garbage, JobResult, Principal, UploadCommit, UploadOutcome,
};
use crate::{MongoSettings, Result, StoreError};

/// Not worth failing for: it only takes longer.
const STAY_OPEN: &str = "transactions that a dead node left open stay so until the server ends them";

#[derive(Clone)]
pub struct MongoDocuments {
    server: Server,
}

impl MongoDocuments {
    /// Reads the settings and makes the client. The server need not be up: whether it is, [`Documents::ping`] tells.
    ///
    /// # Errors
    /// `Internal` that names `MONGODB_URL`, without printing it, when it makes no sense; `Unavailable` when the names of
    /// a `mongodb+srv://` URL can't be looked up.
    pub async fn connect(settings: MongoSettings) -> Result<Self> {
        let client = connect::client(&settings).await?;
        let db = client.database(&settings.database);
        Ok(Self { server: Server { client, db, within: settings.call_within, sessions: Arc::default() } })
    }
}

// Each method is one line: the operations live in the file of their domain.
#[async_trait]
impl Documents for MongoDocuments {
    async fn ping(&self) -> Result<()> {
        let Self { server } = self;
        server.call("ping", |_| ping(server)).await
    }

    async fn prepare(&self) -> Result<Vec<String>> {
        let Self { server } = self;
        server.measured("prepare", prepare::prepare(server)).await
    }
    async fn come_up(&self, node: &NodeRef) -> Result<()> {
        let Self { server } = self;
        server.sessions.belong_to(node);
        match server.call("come_up", |_| server.end_sessions(sessions::lives_before(node), true)).await {
            Ok(ended) => tracing::debug!(sessions = ended, "transactions of former lives ended"),
            Err(error) => tracing::warn!(%node, %error, "{STAY_OPEN}"),
        }
        Ok(())
    }
    async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
        let Self { server } = self;
        server.call("take_lease", |_| leases::take(server.on(), name, holder, now, ttl)).await
    }
    async fn return_lease(&self, name: &str, holder: &str) -> Result<()> {
        let Self { server } = self;
        server.call("return_lease", |_| leases::give_back(server.on(), name, holder)).await
    }
    async fn fail_asset(&self, id: ObjectId, message: &str, now: Timestamp) -> Result<bool> {
        self.server.transact("fail_asset", |on| assets::fail(on, id, message, now)).await
    }

    async fn insert_user(&self, user: &User) -> Result<()> {
        let Self { server } = self;
        server.call("insert_user", |earlier| users::insert(server.on(), user.clone(), earlier)).await
    }
    async fn user(&self, id: ObjectId) -> Result<Option<User>> {
        let Self { server } = self;
        server.call("user", |_| users::find(server.on(), users::by_id(id))).await
    }
    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let (Self { server }, email) = (self, normalise_email(email));
        server.call("user_by_email", |_| users::find(server.on(), doc! { "email": &email })).await
    }
    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()> {
        let Self { server } = self;
        server.call("record_login", |_| users::record_login(server.on(), id, at, new_hash.clone())).await
    }
    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()> {
        let Self { server } = self;
        server.call("set_role", |_| users::set_role(server.on(), id, role)).await
    }
    async fn principal(&self, user_id: ObjectId, sid: &str) -> Result<Principal> {
        let Self { server } = self;
        server.call("principal", |_| users::principal(server.on(), user_id, sid)).await
    }
    async fn revoke_session(&self, sid: &str, until: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("revoke_session", |_| users::revoke(server.on(), sid, until)).await
    }
    async fn forget_revocations(&self, now: Timestamp) -> Result<u64> {
        let Self { server } = self;
        server.call("forget_revocations", |_| users::forget_revocations(server.on(), now)).await
    }

    async fn open_upload(&self, session: &UploadSession) -> Result<()> {
        let Self { server } = self;
        server.call("open_upload", |earlier| uploads::open(server.on(), session, earlier)).await
    }
    async fn upload(&self, id: ObjectId) -> Result<Option<UploadSession>> {
        let Self { server } = self;
        server.call("upload", |_| uploads::by_id(server.on(), id)).await
    }
    async fn renew_upload(&self, id: ObjectId, expires_at: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("renew_upload", |_| uploads::renew(server.on(), id, expires_at)).await
    }
    async fn commit_upload(&self, commit: UploadCommit) -> Result<UploadOutcome> {
        self.server.transact("commit_upload", |on| uploads::commit(on, &commit)).await
    }
    async fn discard_upload(&self, id: ObjectId, now: Timestamp) -> Result<()> {
        self.server.transact("discard_upload", |on| uploads::discard(on, id, now)).await
    }
    async fn discard_abandoned(&self, seen: &UploadSession, now: Timestamp) -> Result<bool> {
        self.server.transact("discard_abandoned", |on| uploads::discard_seen(on, seen, now)).await
    }
    async fn abandoned_uploads(&self, now: Timestamp, of: &NodeRef, limit: u32) -> Result<Vec<UploadSession>> {
        let Self { server } = self;
        server.call("abandoned_uploads", |_| uploads::abandoned(server.on(), now, of, limit)).await
    }
    async fn forget_uploads(&self, before: Timestamp) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let batch = self.server.transact("forget_uploads", |on| uploads::forget(on, before)).await?;
            forgotten += batch;
            if batch < u64::from(uploads::FORGET_BATCH) {
                return Ok(forgotten);
            }
        }
    }
    async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        let Self { server } = self;
        server.call("garbage", |_| uploads::garbage(server.on(), limit)).await
    }
    async fn forget_garbage(&self, s3_key: &str) -> Result<()> {
        let Self { server } = self;
        server.call("forget_garbage", |_| uploads::forget_garbage(server.on(), s3_key)).await
    }
    async fn key_is_used(&self, s3_key: &str) -> Result<bool> {
        self.server.transact("key_is_used", |on| uploads::key_is_used(on, s3_key)).await
    }

    async fn asset(&self, id: ObjectId) -> Result<Option<Asset>> {
        let Self { server } = self;
        server.call("asset", |_| assets::by_id(server.on(), id)).await
    }
    async fn assets(&self, user_id: ObjectId, query: AssetQuery) -> Result<AssetPage> {
        let (Self { server }, query) = (self, &query);
        server.call("assets", |_| async move { assets::page(server.snapshot().await?, user_id, query).await }).await
    }
    async fn delete_asset(&self, id: ObjectId, now: Timestamp) -> Result<Option<DeletedAsset>> {
        self.server.measured("delete_asset", assets::delete(&self.server, id, now)).await
    }
    async fn fingerprint(&self, id: ObjectId) -> Result<Option<Fingerprint>> {
        let Self { server } = self;
        server.call("fingerprint", |_| assets::fingerprint(server.on(), id)).await
    }
    async fn fingerprint_of(&self, asset_id: ObjectId) -> Result<Option<Fingerprint>> {
        let Self { server } = self;
        server.call("fingerprint_of", |_| assets::fingerprint_of(server.on(), asset_id)).await
    }
    async fn request_fingerprint(&self, asset_id: ObjectId, now: Timestamp) -> Result<FingerprintRequest> {
        self.server.transact("request_fingerprint", |on| jobs::request(on, asset_id, now)).await
    }

    async fn claim_jobs(
        &self,
        by: &NodeRef,
        now: Timestamp,
        lease: Duration,
        lane: JobLane,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let claiming = jobs::Claiming { by: by.clone(), now, lease, lane };
        self.server.measured("claim_jobs", jobs::claim_jobs(&self.server, &claiming, limit)).await
    }
    async fn release_claims_of(&self, node: &NodeRef, now: Timestamp) -> Result<u64> {
        let Self { server } = self;
        // What it left open would be in the way of all that follows.
        let ended = server.call("end_sessions", |_| server.end_sessions(sessions::lives_until(node), false)).await;
        if let Err(error) = ended {
            tracing::warn!(%node, %error, "{STAY_OPEN}");
        }
        let mut released = 0;
        loop {
            let step = |on| jobs::release_claims_of(on, node, now);
            let batch = self.server.transact("release_claims_of", step).await?;
            released += batch;
            if batch < u64::from(jobs::RELEASE_BATCH) {
                return Ok(released);
            }
        }
    }
    async fn renew_claim(&self, job: ObjectId, token: ObjectId, expires_at: Timestamp) -> Result<()> {
        let Self { server } = self;
        server.call("renew_claim", |_| jobs::renew(server.on(), job, token, expires_at)).await
    }
    async fn finish_job(&self, job: ObjectId, token: ObjectId, result: JobResult, now: Timestamp) -> Result<()> {
        let finish = jobs::Finish { job, token, result, now, call: ObjectId::generate() };
        self.server.transact("finish_job", |on| jobs::finish(on, &finish)).await
    }
    async fn release_job(
        &self,
        job: ObjectId,
        token: ObjectId,
        not_before: Timestamp,
        error: Option<String>,
    ) -> Result<()> {
        let error = error.as_deref();
        self.server.transact("release_job", |on| jobs::release(on, job, token, not_before, error)).await
    }
    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>> {
        let Self { server } = self;
        server.call("job_counts", |_| jobs::counts(server.on())).await
    }
}

/// Asks a server that takes writes, and whether those reach a majority: an update that finds nothing writes nothing,
/// but is answered only when all before it is there.
async fn ping(server: &Server) -> Attempt<()> {
    let hello = server.db.run_command(doc! { "hello": 1 }).await?;
    if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
        return Err(StoreError::Unavailable(fault::STANDALONE.to_owned()).into());
    }
    let nothing = doc! { "_id": "ping", "holder": "nobody" };
    let leases = server.db.collection::<mongodb::bson::Document>(leases::LEASES);
    leases.update_one(nothing, doc! { "$set": { "holder": "nobody" } }).await?;
    Ok(())
}
