//! Documents behind a cache: the same contract, and after every change every node shows the truth.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use metastamp_protocol::analytics::{Calculation, Terms};
use metastamp_protocol::{
    Asset, AssetQuery, AssetSort, Currency, JobLane, ObjectId, Role, SortDirection, UploadStatus,
};
use metastamp_store::cache::SharedCache;
use metastamp_store::cache::embedded::EmbeddedCache;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::ports::JobResult;
use metastamp_store::records::{Bson, Collection};
use metastamp_store::{CacheTtls, Stores};
use parking_lot::Mutex;

use crate::documents;
use crate::documents::fixtures::{LEASE, asset, at, claim, commit, node, object, session, user};
use crate::harness::eventually;
use crate::redis;

/// Methods that only read.
const READS: &[&str] = &[
    "ping",
    "user",
    "user_by_email",
    "principal",
    "upload",
    "abandoned_uploads",
    "garbage",
    "key_is_used",
    "asset",
    "assets",
    "fingerprint",
    "fingerprint_of",
    "job_counts",
    "longest_waiting",
    "calculation",
    "calculations",
    "snapshot",
];
/// Methods that change nothing that is read from the cache.
const HIDDEN: &[&str] = &[
    "prepare",
    "come_up",
    "take_lease",
    "return_lease",
    "revoke_session",
    "forget_revocations",
    "open_upload",
    "renew_upload",
    "discard_upload",
    "discard_abandoned",
    "forget_uploads",
    "forget_garbage",
    "renew_claim",
    "put_identity",
    "keep_identity",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_behind_redis_keep_the_contract() {
    let server = redis::start().await;
    let databases = Mutex::new(HashMap::new());
    let root = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let next = metastamp_chaos::servers::fresh_database;
        let database = *databases.lock().entry(name.to_owned()).or_insert_with(next);
        let cache: SharedCache = Arc::new(redis::connect(&server.url(database), Duration::from_secs(5)));
        let truth = Stores::of(EmbeddedDocuments::open(&root.path().join(name)).unwrap());
        truth.cached(cache, CacheTtls::default())
    };
    documents::contract(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_shown_by_every_node() {
    let dir = tempfile::tempdir().unwrap();
    let cache: SharedCache = Arc::new(EmbeddedCache::open(dir.path()).unwrap());
    changes_are_shown(&dir.path().join("one"), cache).await;
    let server = redis::start().await;
    let cache: SharedCache = Arc::new(redis::connect(&server.url(1), Duration::from_secs(5)));
    changes_are_shown(&dir.path().join("two"), cache).await;
}

async fn changes_are_shown(dir: &std::path::Path, cache: SharedCache) {
    let truth = Stores::of(EmbeddedDocuments::open(dir).unwrap());
    let cached = || truth.clone().cached(cache.clone(), CacheTtls::default());
    let mut stage =
        Stage { one: cached(), two: cached(), truth: truth.clone(), shown: Shown::default(), done: BTreeSet::new() };
    // The generation that the second one's start began is known to the first.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stage.accounts().await;
    stage.jobs().await;
    stage.scores().await;
    stage.ends().await;
    stage.records().await;
    let names: BTreeSet<&str> = methods().into_iter().collect();
    let tried: BTreeSet<&str> = READS.iter().chain(HIDDEN).copied().chain(stage.done.iter().copied()).collect();
    assert_eq!(names, tried, "every method reads, hides or was tried");
}

/// All methods of ports whose subjects are shown, or stand behind what is, from their sources.
fn methods() -> Vec<&'static str> {
    let ports = [
        include_str!("../../src/ports/users.rs"),
        include_str!("../../src/ports/logins.rs"),
        include_str!("../../src/ports/uploads.rs"),
        include_str!("../../src/ports/works.rs"),
        include_str!("../../src/ports/jobs.rs"),
        include_str!("../../src/ports/analytics.rs"),
        include_str!("../../src/ports/leases.rs"),
        include_str!("../../src/ports/records.rs").split_once("pub trait Snapshot").unwrap().0,
    ];
    let names = |source: &'static str| source.split("async fn ").skip(1).map(|rest| rest.split_once('(').unwrap().0);
    ports.into_iter().flat_map(names).collect()
}

/// What people may look at.
#[derive(Default, Clone)]
struct Shown {
    users: Vec<ObjectId>,
    assets: Vec<ObjectId>,
    fingerprints: Vec<ObjectId>,
}

impl Shown {
    async fn by(&self, store: &Stores) -> String {
        let mut seen = String::new();
        for user in &self.users {
            seen += &format!("{:?}\n", store.users.user(*user).await.unwrap());
            for (status, sort) in [(None, AssetSort::CreatedAt), (Some(UploadStatus::Ready), AssetSort::FileName)] {
                let direction = SortDirection::Descending;
                let query = AssetQuery { kind: None, status, sort, direction, skip: 0, limit: 10 };
                seen += &format!("{:?}\n", store.works.assets(*user, query).await.unwrap());
            }
        }
        for asset in &self.assets {
            seen += &format!("{:?}\n", store.works.asset(*asset).await.unwrap());
            seen += &format!("{:?}\n", store.works.fingerprint_of(*asset).await.unwrap());
        }
        for fingerprint in &self.fingerprints {
            seen += &format!("{:?}\n", store.works.fingerprint(*fingerprint).await.unwrap());
        }
        seen
    }
}

struct Stage {
    one: Stores,
    two: Stores,
    truth: Stores,
    shown: Shown,
    done: BTreeSet<&'static str>,
}

impl Stage {
    /// Has everybody look, makes a change through the first node, and has everybody look again.
    async fn step<T>(&mut self, method: &'static str, change: impl AsyncFnOnce(&Stores) -> T) -> T {
        let before = self.shown.by(&self.truth).await;
        for _ in 0..2 {
            for node in [&self.one, &self.two] {
                assert_eq!(self.shown.by(node).await, before, "before {method}");
            }
        }
        let answer = change(&self.one).await;
        let after = self.shown.by(&self.truth).await;
        assert_ne!(before, after, "{method} changes nothing that is shown");
        assert_eq!(self.shown.by(&self.one).await, after, "the node itself after {method}");
        // At once, or within a second where nobody knows what changed. Nothing lives as shortly by itself.
        let told = std::time::Instant::now();
        eventually(method, async || self.shown.by(&self.two).await == after).await;
        assert!(told.elapsed() < Duration::from_secs(3), "{method} was shown after {:?}", told.elapsed());
        self.done.insert(method);
        answer
    }

    async fn accounts(&mut self) {
        let ada = user("ada@example.org");
        self.shown.users.push(ada.id);
        self.step("insert_user", async |store| store.users.insert_user(&ada).await.unwrap()).await;
        self.step("set_role", async |store| store.users.set_role(ada.id, Role::Creator).await.unwrap()).await;
        self.step("record_login", async |store| store.users.record_login(ada.id, at(1), None).await.unwrap()).await;
    }

    /// An asset of the account there is, not yet stored.
    async fn upload(&mut self, name: &str) -> Asset {
        let asset = asset(self.shown.users[0], name);
        let commit = commit(&asset);
        self.shown.assets.push(asset.id);
        self.shown.fingerprints.push(commit.fingerprint.as_ref().unwrap().0.id);
        self.one.uploads.open_upload(&session(&asset)).await.unwrap();
        self.step("commit_upload", async |store| store.works.commit_upload(commit).await.unwrap()).await;
        asset
    }

    async fn jobs(&mut self) {
        let (asset, by) = (self.upload("a.txt").await, node("worker", 1));
        let claimed = async |store: &Stores| {
            let jobs = store.jobs.claim_jobs(&by, at(10), LEASE, JobLane::Any, 10).await.unwrap();
            (jobs[0].id, jobs[0].claim.as_ref().unwrap().token)
        };
        let (job, token) = self.step("claim_jobs", claimed).await;
        // it only calls the other
        self.done.insert("claim");
        let failed = Some("away".to_owned());
        self.step("release_job", async |store| store.jobs.release_job(job, token, at(9), failed).await.unwrap()).await;
        self.step("claim_jobs", claimed).await;
        let released = async |store: &Stores| store.jobs.release_claims_of(&by, at(9)).await.unwrap();
        assert_eq!(self.step("release_claims_of", released).await, 1);
        let (job, token) = self.step("claim_jobs", claimed).await;
        let no = JobResult::Failed {
            message: "no".to_owned(),
            asset_metadata: object(serde_json::json!({})),
            duration_s: 1.0,
            cpu: Duration::ZERO,
        };
        self.step("finish_job", async |store| store.jobs.finish_job(job, token, no, at(11)).await.unwrap()).await;
        self.step("request_fingerprint", async |store| {
            store.works.request_fingerprint(asset.id, at(9)).await.unwrap();
        })
        .await;
        // Claimed by the other node, finished by this one.
        let other = claim(&self.two, &by, at(12)).await;
        let token = other.claim.as_ref().unwrap().token;
        let yes = JobResult::Completed {
            content: Box::default(),
            asset_metadata: object(serde_json::json!({ "pages": 1.5 })),
            duration_s: 0.123,
            cpu: Duration::ZERO,
        };
        self.step("finish_job", async |store| store.jobs.finish_job(other.id, token, yes, at(13)).await.unwrap()).await;
    }

    async fn scores(&mut self) {
        let asset = self.one.works.asset(self.shown.assets[0]).await.unwrap().unwrap();
        let terms = Terms::of("10", "75".parse().unwrap(), "80".parse().unwrap(), Currency::Usd).unwrap();
        let mut calculation = Calculation::of(ObjectId::generate(), asset.user_id, &terms, at(13)).unwrap();
        calculation.asset_id = Some(asset.id);
        self.step("put_calculation", async |store| store.analytics.put_calculation(&calculation).await.unwrap()).await;
    }

    async fn ends(&mut self) {
        let lost = self.upload("b.txt").await;
        self.step("fail_asset", async |store| assert!(store.works.fail_asset(lost.id, "lost", at(14)).await.unwrap()))
            .await;
        self.step("delete_asset", async |store| {
            assert!(store.works.delete_asset(lost.id, at(15)).await.unwrap().is_some())
        })
        .await;
        // By a node that has never seen it.
        let unseen = asset(self.shown.users[0], "c.txt");
        self.two.uploads.open_upload(&session(&unseen)).await.unwrap();
        self.two.works.commit_upload(commit(&unseen)).await.unwrap();
        self.step("fail_asset", async |store| {
            assert!(store.works.fail_asset(unseen.id, "lost", at(14)).await.unwrap())
        })
        .await;
        self.step("delete_asset", async |store| {
            assert!(store.works.delete_asset(unseen.id, at(15)).await.unwrap().is_some())
        })
        .await;
    }

    async fn records(&mut self) {
        let users = self.truth.records.snapshot().await.unwrap().page(Collection::Users, None, 10).await.unwrap();
        let mut ada = users[0].clone();
        ada.insert("full_name", "Ada");
        let id: Bson = ada.get("_id").unwrap().clone();
        self.step("put_records", async |store| store.records.put_records(Collection::Users, vec![ada]).await.unwrap())
            .await;
        let removed = async |store: &Stores| store.records.remove_records(Collection::Users, vec![id]).await.unwrap();
        assert_eq!(self.step("remove_records", removed).await, 1);
        self.step("clear", async |store| store.records.clear().await.unwrap()).await;
    }
}
