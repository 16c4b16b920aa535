//! What the sweeper relies on: abandoned sessions, garbage, and which keys are in use.

use metastamp_protocol::{Asset, NodeRef, ObjectId, Timestamp, UploadSession, UploadState};
use metastamp_store::Stores;
use metastamp_store::ports::Garbage;

use super::fixtures::{assert_fenced, asset, at, commit, garbage_keys, node, session, stored};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        expired_sessions_are_abandoned,
        sessions_of_a_former_life_are_abandoned,
        ended_sessions_are_not_abandoned,
        discard_is_idempotent,
        discard_leaves_final_sessions_alone,
        only_final_sessions_are_forgotten,
        garbage_comes_in_portions_until_forgotten,
        a_key_is_used_from_open_to_delete,
    ]
}

/// Opens sessions of (file name, owner, expiry in seconds).
async fn open(store: &Stores, sessions: &[(&str, NodeRef, i64)]) -> Vec<Asset> {
    let mut assets = Vec::new();
    for (name, owner, expires_s) in sessions {
        let asset = asset(ObjectId::generate(), name);
        let session = UploadSession { owner: owner.clone(), expires_at: at(*expires_s), ..session(&asset) };
        store.uploads.open_upload(&session).await.unwrap();
        assets.push(asset);
    }
    assets
}

/// The file names of abandoned sessions, sorted.
async fn abandoned(store: &Stores, now: Timestamp, of: &NodeRef) -> Vec<String> {
    let sessions = store.uploads.abandoned_uploads(now, of, 100).await.unwrap();
    let mut names: Vec<_> = sessions.into_iter().map(|s| s.file_name).collect();
    names.sort();
    names
}

async fn expired_sessions_are_abandoned(store: Stores) {
    let owners = [node("a", 1), node("b", 7), node("c", 3)];
    let [a, b, c] = owners.clone();
    let assets = open(&store, &[("early", a, 10), ("middle", b, 20), ("late", c, 30)]).await;
    // Whoever asks is told: expiry is nobody's own.
    for by in owners.iter().chain([&node("stranger", 1)]) {
        assert_eq!(abandoned(&store, at(9), by).await, [""; 0]);
        assert_eq!(abandoned(&store, at(21), by).await, ["early", "middle"]);
        assert_eq!(abandoned(&store, at(31), by).await, ["early", "late", "middle"]);
    }
    let found = store.uploads.abandoned_uploads(at(31), &owners[0], 2).await.unwrap();
    assert_eq!(found.len(), 2);
    for session in found {
        assert_eq!(store.uploads.upload(session.id).await.unwrap(), Some(session));
    }
    store.uploads.renew_upload(assets[0].id, at(100)).await.unwrap();
    assert_eq!(abandoned(&store, at(31), &owners[0]).await, ["late", "middle"]);
}

async fn sessions_of_a_former_life_are_abandoned(store: Stores) {
    let sessions = [
        ("a5", node("a", 5), 60),
        ("a6", node("a", 6), 60),
        ("a7", node("a", 7), 60),
        ("b1", node("b", 1), 60),
        ("ab1", node("ab", 1), 60),
    ];
    open(&store, &sessions).await;
    assert_eq!(abandoned(&store, at(1), &node("a", 5)).await, [""; 0]);
    assert_eq!(abandoned(&store, at(1), &node("a", 6)).await, ["a5"]);
    assert_eq!(abandoned(&store, at(1), &node("a", 8)).await, ["a5", "a6", "a7"]);
    assert_eq!(abandoned(&store, at(1), &node("b", 2)).await, ["b1"]);
    assert_eq!(abandoned(&store, at(1), &node("c", 9)).await, [""; 0]);
    // Both reasons together, each session once.
    assert_eq!(abandoned(&store, at(61), &node("a", 8)).await, ["a5", "a6", "a7", "ab1", "b1"]);
}

async fn ended_sessions_are_not_abandoned(store: Stores) {
    let assets = open(&store, &[("stored", node("a", 1), 10), ("discarded", node("a", 1), 10)]).await;
    store.works.commit_upload(commit(&assets[0])).await.unwrap();
    store.uploads.discard_upload(assets[1].id, at(1)).await.unwrap();
    assert_eq!(abandoned(&store, at(100), &node("a", 2)).await, [""; 0]);
}

async fn discard_is_idempotent(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    let discards = (1..=8).map(|second| {
        let store = store.clone();
        async move { store.uploads.discard_upload(asset.id, at(second)).await.unwrap() }
    });
    all_at_once(discards).await;
    store.uploads.discard_upload(asset.id, at(20)).await.unwrap();
    let state = store.uploads.upload(asset.id).await.unwrap().unwrap().state;
    assert_eq!(state, UploadState::Discarded);
    let garbage = store.uploads.garbage(10).await.unwrap();
    assert_eq!((garbage.len(), &garbage[0].s3_key), (1, &asset.s3_key));
    assert!(garbage[0].since <= at(8));
    // The object is gone: a late repeat must not bring the key back.
    store.uploads.forget_garbage(&asset.s3_key).await.unwrap();
    store.uploads.discard_upload(asset.id, at(30)).await.unwrap();
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
    store.uploads.discard_upload(ObjectId::generate(), at(1)).await.unwrap();
}

async fn discard_leaves_final_sessions_alone(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    assert_fenced(store.uploads.discard_upload(asset.id, at(1)).await);
    assert_eq!(store.uploads.upload(asset.id).await.unwrap().unwrap().state, UploadState::Stored);
    assert_eq!(store.works.asset(asset.id).await.unwrap(), Some(asset));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
}

async fn only_final_sessions_are_forgotten(store: Stores) {
    let names = ["stored", "discarded", "receiving"].map(|name| (name, node("a", 1), 60));
    let assets = open(&store, &names).await;
    store.works.commit_upload(commit(&assets[0])).await.unwrap();
    store.uploads.discard_upload(assets[1].id, at(1)).await.unwrap();
    assert_eq!(store.uploads.forget_uploads(at(0)).await.unwrap(), 0);
    assert_eq!(store.uploads.forget_uploads(at(1_000)).await.unwrap(), 2);
    assert_eq!(store.uploads.forget_uploads(at(1_000)).await.unwrap(), 0);
    for (asset, left) in assets.iter().zip([false, false, true]) {
        assert_eq!(store.uploads.upload(asset.id).await.unwrap().is_some(), left, "{}", asset.file_name);
    }
    // What the sessions led to stays.
    assert!(store.works.asset(assets[0].id).await.unwrap().is_some());
    assert_eq!(garbage_keys(&store).await, [assets[1].s3_key.clone()]);
}

async fn garbage_comes_in_portions_until_forgotten(store: Stores) {
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
    store.uploads.forget_garbage("never/seen").await.unwrap();
    let assets = open(&store, &["a", "b", "c"].map(|name| (name, node("a", 1), 60))).await;
    let mut expected = Vec::new();
    for (second, asset) in (1..).zip(&assets) {
        store.uploads.discard_upload(asset.id, at(second)).await.unwrap();
        expected.push(Garbage { s3_key: asset.s3_key.clone(), since: at(second) });
    }
    let mut seen = store.uploads.garbage(10).await.unwrap();
    seen.sort_by_key(|garbage| garbage.since);
    assert_eq!(seen, expected);
    let mut removed = 0;
    loop {
        let portion = store.uploads.garbage(2).await.unwrap();
        assert!(portion.len() <= 2);
        let Some(garbage) = portion.first() else { break };
        assert!(expected.contains(garbage));
        store.uploads.forget_garbage(&garbage.s3_key).await.unwrap();
        removed += 1;
    }
    assert_eq!(removed, 3);
}

async fn a_key_is_used_from_open_to_delete(store: Stores) {
    let (kept, dropped) = (asset(ObjectId::generate(), "kept"), asset(ObjectId::generate(), "dropped"));
    let used = async |asset: &Asset| store.uploads.key_is_used(&asset.s3_key).await.unwrap();
    assert!(!used(&kept).await);
    for asset in [&kept, &dropped] {
        store.uploads.open_upload(&session(asset)).await.unwrap();
        assert!(used(asset).await);
    }
    store.uploads.discard_upload(dropped.id, at(1)).await.unwrap();
    assert!(!used(&dropped).await);
    store.works.commit_upload(commit(&kept)).await.unwrap();
    assert!(used(&kept).await);
    store.uploads.forget_uploads(at(1_000)).await.unwrap();
    assert!(used(&kept).await);
    store.works.delete_asset(kept.id, at(2)).await.unwrap().unwrap();
    assert!(!used(&kept).await);
}
