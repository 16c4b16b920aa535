//! What only the MongoDB backend promises: databases that are made ready by one node at a time, and what becomes of
//! calls when the server is away.

use std::time::{Duration, Instant};

use metastamp_chaos::servers::DocumentServer;
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_store::documents::mongo::MongoDocuments;
use metastamp_store::ports::UploadOutcome;
use metastamp_store::records::Collection;
use metastamp_store::records::bson::{DateTime, Document, doc, oid};
use metastamp_store::{MongoSettings, StoreError, Stores};
use mongodb::IndexModel;

use crate::documents::fixtures::{
    asset, at, claim, commit, completed, garbage_keys, node as test_node, session, stored, token, user,
};
use crate::harness::{all_at_once, eventually};

pub const CALL_WITHIN: Duration = Duration::from_secs(8);

pub async fn start() -> DocumentServer {
    tokio::task::spawn_blocking(|| DocumentServer::start().unwrap()).await.unwrap()
}

pub async fn connect(url: String, database: &str) -> Stores {
    connect_within(url, database, CALL_WITHIN).await
}

async fn connect_within(url: String, database: &str, call_within: Duration) -> Stores {
    let settings = MongoSettings {
        url,
        database: database.to_owned(),
        password: None,
        replica_set: None,
        pool_min: 0,
        pool_max: 50,
        call_within,
    };
    Stores::of(MongoDocuments::connect(settings).await.unwrap())
}

async fn raw(server: &DocumentServer, database: &str) -> mongodb::Database {
    mongodb::Client::with_uri_str(server.url()).await.unwrap().database(database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_are_made_ready() {
    let server = start().await;
    three_nodes_prepare_once(&server).await;
    a_dead_node_does_not_hold_the_lock_for_ever(&server).await;
    an_index_with_other_options_is_named(&server).await;
    an_index_of_another_name_serves(&server).await;
    nonsense_is_refused_and_the_original_is_not(&server).await;
    text_becomes_instants_and_ids_once(&server).await;
    calculations_of_the_original_are_in_order(&server).await;
}

async fn three_nodes_prepare_once(server: &DocumentServer) {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(connect(server.url(), "three").await);
    }
    let prepares = nodes.iter().cloned().map(|node| async move { node.records.prepare().await.unwrap() });
    let lines = all_at_once(prepares).await;
    let workers: Vec<_> = lines.iter().filter(|lines| !lines.is_empty()).collect();
    let [worker] = workers[..] else { panic!("not one of three did it all: {lines:?}") };
    for line in ["created collection wallet", "created index assets.s3_key_1", "created index users.email_1"] {
        assert!(worker.iter().any(|l| l == line), "{line} in {worker:?}");
    }
    assert!(worker.iter().any(|line| line.starts_with("applied migration 1")), "{worker:?}");
    let names = raw(server, "three").await.list_collection_names().await.unwrap();
    for collection in Collection::ALL {
        assert!(names.iter().any(|name| name == collection.name()), "{collection:?}");
    }
}

async fn a_dead_node_does_not_hold_the_lock_for_ever(server: &DocumentServer) {
    let node = connect(server.url(), "dead").await;
    let ttl = Duration::from_secs(2);
    assert!(node.leases.take_lease("prepare", "dead", Timestamp::now(), ttl).await.unwrap());
    let started = Instant::now();
    assert!(!node.records.prepare().await.unwrap().is_empty());
    assert!(started.elapsed() > Duration::from_secs(1), "it waited for the other");
    assert!(node.leases.take_lease("prepare", "next", Timestamp::now(), ttl).await.unwrap(), "it was given back");
}

async fn an_index_with_other_options_is_named(server: &DocumentServer) {
    let users = raw(server, "other").await.collection::<Document>("users");
    users.create_index(IndexModel::builder().keys(doc! { "email": 1 }).build()).await.unwrap();
    let refused = connect(server.url(), "other").await.records.prepare().await.unwrap_err().to_string();
    assert!(refused.contains("users.email_1") && refused.contains("unique: true"), "{refused}");
}

async fn an_index_of_another_name_serves(server: &DocumentServer) {
    let users = raw(server, "named").await.collection::<Document>("users");
    let options = mongodb::options::IndexOptions::builder().unique(true).name("mail".to_owned()).build();
    users.create_index(IndexModel::builder().keys(doc! { "email": 1 }).options(options).build()).await.unwrap();
    let lines = connect(server.url(), "named").await.records.prepare().await.unwrap();
    assert!(!lines.iter().any(|line| line.ends_with("users.email_1")), "{lines:?}");
}

async fn nonsense_is_refused_and_the_original_is_not(server: &DocumentServer) {
    connect(server.url(), "valid").await.records.prepare().await.unwrap();
    let assets = raw(server, "valid").await.collection::<Document>("assets");
    let original = doc! {
        "user_id": "507f1f77bcf86cd799439012", "file_name": "a.txt", "file_type": "text", "file_size": 3_i32,
        "s3_key": "uploads/a", "upload_status": "processing_failed", "fingerprint_id": null, "created_at": "2025-11-26",
    };
    assets.insert_one(&original).await.unwrap();
    for (field, nonsense) in [("file_type", "poem"), ("upload_status", "lost"), ("file_size", "large")] {
        let mut broken = original.clone();
        broken.insert(field, nonsense);
        broken.insert("s3_key", field);
        assert!(assets.insert_one(broken).await.is_err(), "{field}: {nonsense}");
    }
}

async fn text_becomes_instants_and_ids_once(server: &DocumentServer) {
    let node = connect(server.url(), "migrated").await;
    let assets = raw(server, "migrated").await.collection::<Document>("assets");
    let (id, owner) = (oid::ObjectId::new(), oid::ObjectId::new());
    let old = doc! {
        "_id": id, "user_id": owner.to_hex(), "file_name": "a.txt", "file_type": "text", "file_size": 3_i32,
        "s3_key": "uploads/a", "upload_status": "ready", "created_at": "2025-11-26T14:30:00.123456",
    };
    let odd = doc! { "_id": 7, "user_id": "somebody", "s3_key": "uploads/b", "created_at": "lately" };
    assets.insert_many([old, odd.clone()]).await.unwrap();
    let lines = node.records.prepare().await.unwrap();
    assert!(lines.iter().any(|line| line.contains("migration 1") && line.contains(": 2 documents")), "{lines:?}");
    let new = assets.find_one(doc! { "_id": id }).await.unwrap().unwrap();
    assert_eq!(new.get_object_id("user_id").unwrap(), owner);
    assert_eq!(*new.get_datetime("created_at").unwrap(), DateTime::from_millis(1_764_167_400_123));
    assert_eq!(assets.find_one(doc! { "_id": 7 }).await.unwrap().unwrap(), odd);
    assert_eq!(node.records.prepare().await.unwrap(), Vec::<String>::new());
}

/// The original gave them a `timestamp` at most, and a history is in the order of `created_at`.
async fn calculations_of_the_original_are_in_order(server: &DocumentServer) {
    let node = connect(server.url(), "history").await;
    let analytics = raw(server, "history").await.collection::<Document>("analytics");
    let owner = ObjectId::generate();
    // of October 2012
    let bare = doc! { "_id": oid::ObjectId::parse_str("507f1f77bcf86cd799439011").unwrap(), "user_id": owner.to_hex() };
    let told = |year: i32| {
        doc! { "_id": oid::ObjectId::new(), "user_id": owner.to_hex(), "timestamp": format!("{year}-01-01T00:00:00") }
    };
    analytics.insert_many([told(2013), bare, told(2011)]).await.unwrap();
    let lines = node.records.prepare().await.unwrap();
    assert!(lines.iter().any(|line| line.contains("migration 2")), "{lines:?}");
    let (items, total) = node.analytics.calculations(owner, None, 0, 10).await.unwrap();
    let days: Vec<_> = items.iter().map(|calculation| calculation.created_at.day()).collect();
    assert_eq!((days, total), (["2013-01-01", "2012-10-17", "2011-01-01"].map(str::to_owned).to_vec(), 3));
    let kept =
        analytics.count_documents(doc! { "created_at": { "$type": "date" }, "user_id": { "$type": "objectId" } });
    assert_eq!(kept.await.unwrap(), 3);
}

/// Answers get lost before and after the server did what it was told. What is told twice happens once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_change_nothing() {
    let server = start().await;
    let node = connect(server.url(), "lost").await;
    node.records.prepare().await.unwrap();
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let before = doc! { "closeConnection": true };
    let after = doc! { "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } };
    for (round, (how, times)) in [(before, 3), (after, 2)].into_iter().enumerate() {
        let fail = async |command: &str| {
            let mut data = doc! { "failCommands": [command] };
            data.extend(how.clone());
            let point = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
            client.database("admin").run_command(point).await.unwrap();
        };
        let round = round as i64 * 100;
        fail("insert").await;
        let ada = user(&format!("ada{round}@example.org"));
        node.users.insert_user(&ada).await.unwrap();
        assert!(matches!(node.users.insert_user(&user(&ada.email)).await, Err(StoreError::Conflict { .. })));
        let asset = asset(ada.id, "a.txt");
        fail("insert").await;
        node.uploads.open_upload(&session(&asset)).await.unwrap();
        fail("commitTransaction").await;
        assert_eq!(node.works.commit_upload(commit(&asset)).await.unwrap(), UploadOutcome::Stored(asset.clone()));
        fail("findAndModify").await;
        let job = claim(&node, &test_node("n", 1), at(1)).await;
        assert_eq!(job.attempts, 1);
        fail("update").await;
        node.jobs.renew_claim(job.id, token(&job), at(90)).await.unwrap();
        fail("commitTransaction").await;
        node.jobs.finish_job(job.id, token(&job), completed(), at(2)).await.unwrap();
        fail("commitTransaction").await;
        assert!(node.works.delete_asset(asset.id, at(3)).await.unwrap().is_some());
        assert_eq!(garbage_keys(&node).await, std::slice::from_ref(&asset.s3_key));
        fail("delete").await;
        node.uploads.forget_garbage(&asset.s3_key).await.unwrap();
        fail("update").await;
        node.logins.revoke_session("sid", at(60)).await.unwrap();
        fail("find").await;
        assert!(node.logins.principal(ada.id, "sid").await.unwrap().revoked);
    }
}

/// A node that was killed within a transaction does not hold others up until the server's own limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_left_open_is_ended() {
    let server = start().await;
    let (dead, node) = (test_node("n", 1), test_node("n", 2));
    for its_next_life in [false, true] {
        let name = if its_next_life { "returned" } else { "survived" };
        let database = raw(&server, name).await;
        let (first, second) = (connect(server.url(), name).await, connect(server.url(), name).await);
        first.records.prepare().await.unwrap();
        first.leases.come_up(&dead).await.unwrap();
        let asset = stored(&first, "a.txt").await;
        let notes = database.collection::<Document>("transaction_sessions");
        let note = notes.find_one(doc! { "node_id": "n", "generation": 1_i64 }).await.unwrap();
        let mut note = note.expect("the session of the commit was noted");

        // Another session of the dead node, which nobody will ever hear of again.
        let mut open = database.client().start_session().await.unwrap();
        open.start_transaction().await.unwrap();
        let assets = database.collection::<Document>("assets");
        let id = oid::ObjectId::from_bytes(*asset.id.as_bytes());
        let title = doc! { "$set": { "title": "x" } };
        assets.update_one(doc! { "_id": id }, title).session(&mut open).await.unwrap();
        note.insert("_id", open.id().get("id").unwrap().clone());
        notes.insert_one(note).await.unwrap();
        let held = connect_within(server.url(), name, Duration::from_secs(1)).await;
        assert!(matches!(held.works.delete_asset(asset.id, at(3)).await, Err(StoreError::Unavailable(_))));

        if its_next_life {
            second.leases.come_up(&node).await.unwrap();
        } else {
            second.jobs.release_claims_of(&dead, at(2)).await.unwrap();
        }
        assert!(second.works.delete_asset(asset.id, at(3)).await.unwrap().is_some());
        assert!(open.commit_transaction().await.is_err(), "it was ended");
        let left = notes.count_documents(doc! { "generation": 1_i64 }).await.unwrap();
        assert_eq!(left == 0, its_next_life, "one that was only taken for dead goes on with its sessions");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_and_waited_for() {
    let mut server = start().await;
    let node = connect_within(server.url(), "away", Duration::from_secs(3)).await;
    node.records.prepare().await.unwrap();
    let asset = stored(&node, "a.txt").await;
    server.kill();
    let started = Instant::now();
    assert!(matches!(node.works.asset(asset.id).await, Err(StoreError::Unavailable(_))));
    let ping = node.records.ping().await;
    assert!(matches!(ping, Err(StoreError::Unavailable(_))), "{ping:?}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

    // Calls under way wait for it within their time, and end well.
    let during = tokio::spawn({
        let node = connect_within(server.url(), "away", Duration::from_secs(30)).await;
        async move { stored(&node, "b.txt").await }
    });
    let restart = move || server.restart().map(|()| server);
    let _server = tokio::task::spawn_blocking(restart).await.unwrap().unwrap();
    let returned = Instant::now();
    eventually("the server is found again", async || node.records.ping().await.is_ok()).await;
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());
    let second = during.await.unwrap();
    for id in [asset.id, second.id] {
        assert!(node.works.asset(id).await.unwrap().is_some());
    }
    assert_eq!(node.works.asset(ObjectId::generate()).await.unwrap(), None);
}
