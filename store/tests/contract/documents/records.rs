//! Raw records: what was written by domain steps can be read, cleared and put back, on any backend.

use std::str::FromStr as _;

use metastamp_protocol::{AssetQuery, AssetSort, ObjectId, SortDirection, UploadStatus};
use metastamp_store::ports::{Snapshot, UploadOutcome};
use metastamp_store::records::bson::{DateTime, Decimal128, doc, oid};
use metastamp_store::records::{Bson, Collection, Document, decode};
use metastamp_store::{StoreError, Stores};

use super::fixtures::{
    asset, at, claim, completed, garbage_keys, job_counts, node, session, stored, stored_as, token, upload, user,
};
use crate::harness::{Case, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        all_that_is_kept_can_be_put_back,
        pages_follow_the_ids,
        a_snapshot_does_not_see_later_writes,
        a_record_takes_the_place_of_the_one_before,
        records_are_removed_by_id,
        a_taken_value_is_a_conflict,
        shapes_of_the_original_are_read,
        members_nobody_knows_are_kept,
    ]
}

/// All records, read in small pages.
async fn all(store: &Stores) -> Vec<(Collection, Vec<Document>)> {
    let mut snapshot = store.records.snapshot().await.unwrap();
    let mut all = Vec::new();
    for collection in Collection::ALL {
        let records = pages(&mut *snapshot, collection).await;
        assert_eq!(snapshot.count(collection).await.unwrap(), records.len() as u64);
        all.push((collection, records));
    }
    all
}

async fn pages(snapshot: &mut dyn Snapshot, collection: Collection) -> Vec<Document> {
    let mut records: Vec<Document> = Vec::new();
    loop {
        let after = records.last().and_then(|record| record.get("_id").cloned());
        let page = snapshot.page(collection, after, 2).await.unwrap();
        if page.is_empty() {
            return records;
        }
        assert!(page.len() <= 2);
        records.extend(page);
    }
}

async fn count(store: &Stores, collection: Collection) -> u64 {
    store.records.snapshot().await.unwrap().count(collection).await.unwrap()
}

fn money() -> Document {
    let balance = Bson::Decimal128(Decimal128::from_str("12.30").unwrap());
    doc! { "_id": oid::ObjectId::new(), "user_id": oid::ObjectId::new(), "balance": balance, "transactions": [{ "n": 1 }] }
}

async fn all_that_is_kept_can_be_put_back(store: Stores) {
    let ada = user("ada@example.org");
    store.users.insert_user(&ada).await.unwrap();
    let owner = ada.id;
    let ready = stored_as(&store, asset(owner, "ready.txt")).await;
    let job = claim(&store, &node("n", 1), at(1)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(2)).await.unwrap();
    let running = stored_as(&store, asset(owner, "running.txt")).await;
    let claimed = claim(&store, &node("n", 1), at(3)).await;
    let queued = stored_as(&store, asset(owner, "queued.txt")).await;
    let repeat = asset(owner, "queued.txt");
    assert!(matches!(upload(&store, &repeat).await, UploadOutcome::Repeat(_)));
    let receiving = asset(owner, "receiving.txt");
    store.uploads.open_upload(&session(&receiving)).await.unwrap();
    store.logins.revoke_session("sid", at(60)).await.unwrap();
    store.records.put_records(Collection::Wallet, vec![money(), money(), money()]).await.unwrap();
    store.records.put_records(Collection::Analytics, vec![money()]).await.unwrap();

    let before = all(&store).await;
    // in the order of Collection::ALL
    let expected_counts = [2, 5, 1, 1, 1, 0, 3, 0, 1, 0, 0, 0, 3, 3, 1];
    let counts: Vec<_> = before.iter().map(|(_, records)| records.len()).collect();
    assert_eq!(counts, expected_counts);

    store.records.clear().await.unwrap();
    assert!(all(&store).await.iter().all(|(_, records)| records.is_empty()));
    assert_eq!(store.users.user(ada.id).await.unwrap(), None);

    for round in 0..2 {
        for (collection, records) in before.clone() {
            store.records.put_records(collection, records).await.unwrap();
        }
        assert_eq!(all(&store).await, before, "round {round}");
    }
    assert_eq!(store.users.user_by_email("ada@example.org").await.unwrap(), Some(ada));
    assert_eq!(store.works.asset(ready.id).await.unwrap().unwrap().upload_status, UploadStatus::Ready);
    assert_eq!(store.works.asset(queued.id).await.unwrap(), Some(queued.clone()));
    assert_eq!(store.uploads.upload(receiving.id).await.unwrap(), Some(session(&receiving)));
    assert!(store.logins.principal(owner, "sid").await.unwrap().revoked);
    assert_eq!(garbage_keys(&store).await, std::slice::from_ref(&repeat.s3_key));
    assert_eq!(job_counts(&store).await, (1, 1));
    // The claim still holds, and the promise about repeats too.
    store.jobs.finish_job(claimed.id, token(&claimed), completed(), at(4)).await.unwrap();
    assert_eq!(store.works.asset(running.id).await.unwrap().unwrap().upload_status, UploadStatus::Ready);
    assert!(
        matches!(upload(&store, &asset(owner, "queued.txt")).await, UploadOutcome::Repeat(first) if first == queued)
    );
}

async fn pages_follow_the_ids(store: Stores) {
    let mut ids: Vec<_> = (0..5).map(|_| oid::ObjectId::new()).collect();
    let records: Vec<_> = ids.iter().rev().map(|id| doc! { "_id": *id, "user_id": *id }).collect();
    store.records.put_records(Collection::Wallet, records).await.unwrap();
    ids.sort();
    let mut snapshot = store.records.snapshot().await.unwrap();
    let found: Vec<_> = pages(&mut *snapshot, Collection::Wallet).await;
    let found: Vec<_> = found.iter().map(|record| record.get_object_id("_id").unwrap()).collect();
    assert_eq!(found, ids);
    assert_eq!(snapshot.page(Collection::Wallet, None, 0).await.unwrap(), Vec::<Document>::new());
}

async fn a_snapshot_does_not_see_later_writes(store: Stores) {
    let first = stored(&store, "first.txt").await;
    let mut snapshot = store.records.snapshot().await.unwrap();
    assert!(snapshot.is_of_one_instant());
    stored(&store, "second.txt").await;
    store.works.delete_asset(first.id, at(5)).await.unwrap().unwrap();
    let seen = pages(&mut *snapshot, Collection::Assets).await;
    let seen: Vec<metastamp_protocol::Asset> =
        seen.into_iter().map(|record| decode(Collection::Assets, record).unwrap()).collect();
    assert_eq!(seen, [first]);
    for (collection, expected) in [(Collection::Fingerprints, 1), (Collection::Jobs, 1), (Collection::Garbage, 0)] {
        assert_eq!(snapshot.count(collection).await.unwrap(), expected, "{collection:?}");
    }
    assert_eq!(count(&store, Collection::Garbage).await, 1);
}

async fn a_record_takes_the_place_of_the_one_before(store: Stores) {
    let id = oid::ObjectId::new();
    for balance in [1, 2] {
        let wallet = doc! { "_id": id, "user_id": id, "balance": balance };
        store.records.put_records(Collection::Wallet, vec![wallet.clone()]).await.unwrap();
        let mut snapshot = store.records.snapshot().await.unwrap();
        assert_eq!(pages(&mut *snapshot, Collection::Wallet).await, [wallet]);
    }
    store.records.put_records(Collection::Wallet, Vec::new()).await.unwrap();
}

async fn records_are_removed_by_id(store: Stores) {
    let wallets: Vec<_> = (0..3).map(|_| money()).collect();
    store.records.put_records(Collection::Wallet, wallets.clone()).await.unwrap();
    let id = |n: usize| wallets[n].get("_id").cloned().unwrap();
    let unknown = Bson::ObjectId(oid::ObjectId::new());
    assert_eq!(store.records.remove_records(Collection::Wallet, vec![id(0), id(2), unknown]).await.unwrap(), 2);
    assert_eq!(store.records.remove_records(Collection::Analytics, vec![id(1)]).await.unwrap(), 0);
    assert_eq!(count(&store, Collection::Wallet).await, 1);
}

async fn a_taken_value_is_a_conflict(store: Stores) {
    store.users.insert_user(&user("ada@example.org")).await.unwrap();
    let other = doc! { "_id": oid::ObjectId::new(), "email": "ada@example.org", "created_at": DateTime::now() };
    let refused = store.records.put_records(Collection::Users, vec![other]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { index: "users.email" })), "{refused:?}");
    assert_eq!(count(&store, Collection::Users).await, 1);
}

/// Ids and references as text, other names, other numbers: DOMAIN section 1.
async fn shapes_of_the_original_are_read(store: Stores) {
    let owner: ObjectId = "507f1f77bcf86cd799439012".parse().unwrap();
    let id: ObjectId = "507f1f77bcf86cd799439011".parse().unwrap();
    let ada = doc! {
        "_id": oid::ObjectId::parse_str(owner.to_hex()).unwrap(), "email": "ada@example.org", "name": "Ada",
        "password_hash": "ab", "avatar_url": "https://example.org/a.png", "followers_count": 12.0,
        "created_at": "2025-11-26T14:30:00.123456",
    };
    let work = |id: &str, name: &str| {
        doc! {
            "_id": id, "user_id": owner.to_hex(), "file_name": name, "file_type": "text", "file_size": 3_i32,
            "s3_key": format!("uploads/{id}"), "upload_status": "processing_failed", "fingerprint_id": Bson::Null,
            "created_at": DateTime::from_millis(1_764_168_600_123),
        }
    };
    let works = vec![work(&id.to_hex(), "a.txt"), work("507f1f77bcf86cd799439013", "b.txt")];
    let print = doc! {
        "_id": oid::ObjectId::new(), "asset_id": id.to_hex(), "user_id": owner.to_hex(), "fingerprint_type": "text",
        "processing_status": "failed", "created_at": DateTime::from_millis(1_764_168_600_123),
    };
    store.records.put_records(Collection::Users, vec![ada]).await.unwrap();
    store.records.put_records(Collection::Assets, works).await.unwrap();
    store.records.put_records(Collection::Fingerprints, vec![print]).await.unwrap();

    let ada = store.users.user(owner).await.unwrap().unwrap();
    assert_eq!((ada.full_name.as_deref(), ada.hashed_password.as_deref()), (Some("Ada"), Some("ab")));
    store.users.record_login(owner, at(1), Some("better".to_owned())).await.unwrap();
    let ada = store.logins.principal(owner, "sid").await.unwrap().user.unwrap();
    assert_eq!((ada.hashed_password.as_deref(), ada.last_login), (Some("better"), Some(at(1))));

    let query = AssetQuery {
        kind: None,
        status: Some(UploadStatus::Failed),
        sort: AssetSort::FileName,
        direction: SortDirection::Ascending,
        skip: 0,
        limit: 10,
    };
    let page = store.works.assets(owner, query).await.unwrap();
    assert_eq!(page.items.iter().map(|asset| asset.file_name.as_str()).collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    assert_eq!((page.total, page.items[0].id, page.items[0].user_id), (2, id, owner));
    assert!(store.uploads.key_is_used(&format!("uploads/{id}")).await.unwrap());

    // Work goes on with it as with any other.
    let fingerprint = store.works.fingerprint_of(id).await.unwrap().unwrap();
    store.works.request_fingerprint(id, at(2)).await.unwrap();
    let job = claim(&store, &node("n", 1), at(3)).await;
    assert_eq!((job.id, job.asset_id), (fingerprint.id, id));
    store.jobs.finish_job(job.id, token(&job), completed(), at(4)).await.unwrap();
    assert_eq!(store.works.asset(id).await.unwrap().unwrap().upload_status, UploadStatus::Ready);
    let deleted = store.works.delete_asset(id, at(5)).await.unwrap().unwrap();
    assert!(deleted.fingerprint_removed);
    assert_eq!(store.works.fingerprint_of(id).await.unwrap(), None);
    assert_eq!(count(&store, Collection::Assets).await, 1);
}

/// Fields of later versions, or of the original, in collections whose records are kept as they are.
async fn members_nobody_knows_are_kept(store: Stores) {
    let wallet = doc! { "_id": "by name", "user_id": "u", "later": { "deep": [1, "two", { "three": 3.5 }] } };
    store.records.put_records(Collection::Wallet, vec![wallet.clone()]).await.unwrap();
    let mut snapshot = store.records.snapshot().await.unwrap();
    assert_eq!(pages(&mut *snapshot, Collection::Wallet).await, [wallet]);
}
