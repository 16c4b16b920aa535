//! Upload sessions and their commit: everything appears at once, once.

use std::time::Duration;

use metastamp_protocol::{Asset, FileKind, JobState, ObjectId, UploadSession, UploadState, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::ports::{Garbage, UploadCommit, UploadOutcome};

use super::fixtures::{
    assert_conflict, assert_fenced, assert_not_found, asset, at, claim, commit, completed, digest, garbage_keys,
    job_counts, node, session, stored, stored_as, token, upload,
};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        a_session_is_read_back,
        a_commit_makes_everything_appear,
        a_commit_without_fingerprint_queues_nothing,
        a_refused_commit_leaves_nothing,
        readers_see_all_of_a_commit_or_nothing,
        a_commit_without_session_is_refused,
        a_repeated_commit_has_the_same_outcome,
        a_commit_repeated_at_once_stores_once,
        a_repeated_commit_tells_what_is_stored_now,
        a_discarded_session_is_fenced,
        commit_or_discard_wins,
        a_session_is_renewed_while_it_receives,
        a_repeat_answers_the_first_asset,
        a_retried_repeat_stores_nothing,
        a_repeat_stays_of_the_same_asset,
        a_given_up_upload_is_no_repeat,
        another_upload_is_no_repeat,
        an_upload_before_the_window_is_no_repeat,
        a_deleted_asset_is_not_repeated,
        one_of_many_identical_uploads_is_stored,
    ]
}

async fn state(store: &Stores, id: ObjectId) -> UploadState {
    store.uploads.upload(id).await.unwrap().unwrap().state
}

/// Nothing but the session tells of this asset.
async fn assert_absent(store: &Stores, asset: &Asset) {
    assert_eq!(store.works.asset(asset.id).await.unwrap(), None);
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), None);
}

async fn a_session_is_read_back(store: Stores) {
    let first = UploadSession { kind: FileKind::Video, ..session(&asset(ObjectId::generate(), "ünï code.mp4")) };
    assert_eq!(store.uploads.upload(first.id).await.unwrap(), None);
    store.uploads.open_upload(&first).await.unwrap();
    assert_eq!(store.uploads.upload(first.id).await.unwrap(), Some(first.clone()));
    let second = UploadSession { file_name: "other".to_owned(), ..first.clone() };
    assert_conflict(store.uploads.open_upload(&second).await);
    assert_eq!(store.uploads.upload(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.works.asset(first.id).await.unwrap(), None);
}

async fn a_commit_makes_everything_appear(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    let commit = commit(&asset);
    let (fingerprint, job) = commit.fingerprint.clone().unwrap();
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    assert_absent(&store, &asset).await;
    assert_eq!(store.works.commit_upload(commit).await.unwrap(), UploadOutcome::Stored(asset.clone()));

    assert_eq!(store.works.asset(asset.id).await.unwrap(), Some(asset.clone()));
    assert_eq!(store.works.fingerprint(fingerprint.id).await.unwrap(), Some(fingerprint.clone()));
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), Some(fingerprint));
    assert_eq!(state(&store, asset.id).await, UploadState::Stored);
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
    let claimed = claim(&store, &node("n", 1), at(0)).await;
    assert_eq!((claimed.id, claimed.asset_id, claimed.state), (job.id, asset.id, JobState::Running));
    assert_eq!((claimed.s3_key, claimed.created_at), (job.s3_key, job.created_at));
}

async fn a_commit_without_fingerprint_queues_nothing(store: Stores) {
    let mut asset = asset(ObjectId::generate(), "a.txt");
    asset.upload_status = UploadStatus::Ready;
    asset.processing_status = None;
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    let outcome = store.works.commit_upload(UploadCommit { fingerprint: None, ..commit(&asset) }).await.unwrap();
    assert_eq!(outcome, UploadOutcome::Stored(asset.clone()));
    assert_eq!(store.works.asset(asset.id).await.unwrap(), Some(asset.clone()));
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), None);
    assert_eq!(job_counts(&store).await, (0, 0));
}

/// The last step of the commit breaks a unique index: the steps before it must be undone.
async fn a_refused_commit_leaves_nothing(store: Stores) {
    let other = stored(&store, "other.txt").await;
    let taken = store.works.fingerprint_of(other.id).await.unwrap().unwrap();
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    let mut broken = commit(&asset);
    if let Some((fingerprint, job)) = &mut broken.fingerprint {
        (fingerprint.id, job.id) = (taken.id, taken.id);
    }
    assert_conflict(store.works.commit_upload(broken).await);
    assert_absent(&store, &asset).await;
    assert_eq!(state(&store, asset.id).await, UploadState::Receiving);
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
    assert_eq!(store.works.commit_upload(commit(&asset)).await.unwrap(), UploadOutcome::Stored(asset));
}

async fn readers_see_all_of_a_commit_or_nothing(store: Stores) {
    for round in 0..20 {
        let asset = asset(ObjectId::generate(), &format!("{round}.txt"));
        store.uploads.open_upload(&session(&asset)).await.unwrap();
        let (reader, id) = (store.clone(), asset.id);
        let watch = tokio::spawn(async move {
            while reader.works.asset(id).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            assert!(reader.works.fingerprint_of(id).await.unwrap().is_some());
            assert_eq!(reader.uploads.upload(id).await.unwrap().unwrap().state, UploadState::Stored);
            assert_eq!(job_counts(&reader).await, (round + 1, 0));
        });
        store.works.commit_upload(commit(&asset)).await.unwrap();
        watch.await.unwrap();
    }
}

async fn a_commit_without_session_is_refused(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    assert_not_found(store.works.commit_upload(commit(&asset)).await);
    assert_absent(&store, &asset).await;
    assert_eq!(job_counts(&store).await, (0, 0));
}

async fn a_repeated_commit_has_the_same_outcome(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    let commit = commit(&asset);
    for _ in 0..3 {
        assert_eq!(store.works.commit_upload(commit.clone()).await.unwrap(), UploadOutcome::Stored(asset.clone()));
    }
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
}

async fn a_commit_repeated_at_once_stores_once(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    // Each attempt comes with a fingerprint of its own; one of them is kept.
    let outcomes = all_at_once((0..8).map(|_| {
        let (store, commit) = (store.clone(), commit(&asset));
        async move { store.works.commit_upload(commit).await.unwrap() }
    }))
    .await;
    assert_eq!(outcomes, vec![UploadOutcome::Stored(asset.clone()); 8]);
    assert_eq!(job_counts(&store).await, (1, 0));
    let job = claim(&store, &node("n", 1), at(0)).await;
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap().unwrap().id, job.id);
}

async fn a_repeated_commit_tells_what_is_stored_now(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("n", 1), at(1)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(2)).await.unwrap();
    let UploadOutcome::Stored(now) = store.works.commit_upload(commit(&asset)).await.unwrap() else {
        panic!("not stored")
    };
    assert_eq!(now.upload_status, UploadStatus::Ready);
    assert_eq!(store.works.asset(asset.id).await.unwrap(), Some(now));
    assert_eq!(job_counts(&store).await, (0, 0));
}

async fn a_discarded_session_is_fenced(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    store.uploads.discard_upload(asset.id, at(5)).await.unwrap();
    assert_fenced(store.works.commit_upload(commit(&asset)).await);
    assert_fenced(store.uploads.renew_upload(asset.id, at(600)).await);
    assert_absent(&store, &asset).await;
    assert_eq!(state(&store, asset.id).await, UploadState::Discarded);
    assert_eq!(job_counts(&store).await, (0, 0));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), [Garbage { s3_key: asset.s3_key, since: at(5) }]);
}

/// The sweeper takes a session for dead while its owner commits: either the asset is there or the key is garbage.
async fn commit_or_discard_wins(store: Stores) {
    for round in 0..20 {
        let asset = asset(ObjectId::generate(), &format!("{round}.txt"));
        store.uploads.open_upload(&session(&asset)).await.unwrap();
        let (committer, discarder, commit) = (store.clone(), store.clone(), commit(&asset));
        let commit = tokio::spawn(async move { committer.works.commit_upload(commit).await });
        let discard = tokio::spawn(async move { discarder.uploads.discard_upload(asset.id, at(61)).await });
        let discarded = discard.await.unwrap();
        let is_garbage = garbage_keys(&store).await.contains(&asset.s3_key);
        match commit.await.unwrap() {
            Ok(outcome) => {
                assert_eq!((outcome, is_garbage), (UploadOutcome::Stored(asset.clone()), false));
                assert_fenced(discarded);
                assert!(store.works.asset(asset.id).await.unwrap().is_some());
            }
            fenced => {
                assert_fenced(fenced);
                discarded.unwrap();
                assert!(is_garbage);
                assert_absent(&store, &asset).await;
            }
        }
        assert_eq!(store.uploads.key_is_used(&asset.s3_key).await.unwrap(), !is_garbage);
    }
}

async fn a_session_is_renewed_while_it_receives(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    let opened = session(&asset);
    store.uploads.open_upload(&opened).await.unwrap();
    store.uploads.renew_upload(asset.id, at(600)).await.unwrap();
    let renewed = UploadSession { expires_at: at(600), ..opened };
    assert_eq!(store.uploads.upload(asset.id).await.unwrap(), Some(renewed));
    store.works.commit_upload(commit(&asset)).await.unwrap();
    assert_fenced(store.uploads.renew_upload(asset.id, at(900)).await);
    assert_eq!(state(&store, asset.id).await, UploadState::Stored);
}

async fn a_repeat_answers_the_first_asset(store: Stores) {
    let user = ObjectId::generate();
    let first = stored_as(&store, asset(user, "a.txt")).await;
    let again = Asset { created_at: at(100), ..asset(user, "a.txt") };
    assert_eq!(upload(&store, &again).await, UploadOutcome::Repeat(first.clone()));
    assert_absent(&store, &again).await;
    assert_eq!(state(&store, again.id).await, UploadState::Discarded);
    assert_eq!(garbage_keys(&store).await, std::slice::from_ref(&again.s3_key));
    assert!(!store.uploads.key_is_used(&again.s3_key).await.unwrap());
    assert!(store.uploads.key_is_used(&first.s3_key).await.unwrap());
    assert_eq!(job_counts(&store).await, (1, 0));
    // The first asset as it is now, not as it was.
    let job = claim(&store, &node("n", 1), at(101)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(102)).await.unwrap();
    let third = Asset { created_at: at(103), ..asset(user, "a.txt") };
    let UploadOutcome::Repeat(now) = upload(&store, &third).await else { panic!("stored twice") };
    assert_eq!((now.id, now.upload_status), (first.id, UploadStatus::Ready));
    assert_eq!(job_counts(&store).await, (0, 0));
}

/// The answer was lost and the commit is sent again: whatever is answered, there is still one asset.
async fn a_retried_repeat_stores_nothing(store: Stores) {
    let user = ObjectId::generate();
    let first = stored_as(&store, asset(user, "a.txt")).await;
    let again = asset(user, "a.txt");
    upload(&store, &again).await;
    let outcome = store.works.commit_upload(commit(&again)).await.unwrap();
    assert_eq!(outcome, UploadOutcome::Repeat(first), "the answer that was lost is told again");
    assert_absent(&store, &again).await;
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_eq!(garbage_keys(&store).await, [again.s3_key]);
}

/// By the time the answer is asked for again, another upload is the first within the window, or none is.
async fn a_repeat_stays_of_the_same_asset(store: Stores) {
    let user = ObjectId::generate();
    let first = stored_as(&store, asset(user, "a.txt")).await;
    let again = Asset { created_at: at(119), ..asset(user, "a.txt") };
    assert_eq!(upload(&store, &again).await, UploadOutcome::Repeat(first.clone()));
    let late = |now| Asset { created_at: at(now), ..again.clone() };
    assert_eq!(store.works.commit_upload(commit(&late(500))).await.unwrap(), UploadOutcome::Repeat(first.clone()));
    stored_as(&store, Asset { created_at: at(121), ..asset(user, "a.txt") }).await;
    assert_eq!(store.works.commit_upload(commit(&late(130))).await.unwrap(), UploadOutcome::Repeat(first.clone()));
    store.works.delete_asset(first.id, at(131)).await.unwrap().unwrap();
    assert_not_found(store.works.commit_upload(commit(&late(132))).await);
}

async fn a_given_up_upload_is_no_repeat(store: Stores) {
    let user = ObjectId::generate();
    stored_as(&store, asset(user, "a.txt")).await;
    let again = asset(user, "a.txt");
    store.uploads.open_upload(&session(&again)).await.unwrap();
    store.uploads.discard_upload(again.id, at(1)).await.unwrap();
    assert_fenced(store.works.commit_upload(commit(&again)).await);
}

async fn another_upload_is_no_repeat(store: Stores) {
    let user = ObjectId::generate();
    stored_as(&store, asset(user, "a.txt")).await;
    let others = [
        asset(ObjectId::generate(), "a.txt"),
        Asset { sha256: digest("a.txt"), ..asset(user, "b.txt") },
        Asset { sha256: digest("a.txt"), ..asset(user, "A.txt") },
        Asset { file_size: 101, ..asset(user, "a.txt") },
        Asset { sha256: digest("other"), ..asset(user, "a.txt") },
    ];
    for other in others {
        stored_as(&store, other).await;
    }
    assert_eq!(job_counts(&store).await, (6, 0));
    assert_eq!(store.uploads.garbage(10).await.unwrap(), []);
}

async fn an_upload_before_the_window_is_no_repeat(store: Stores) {
    let user = ObjectId::generate();
    let first = stored_as(&store, asset(user, "a.txt")).await;
    // The window of `commit` is 120 s.
    let after = Asset { created_at: at(121), ..asset(user, "a.txt") };
    let after = stored_as(&store, after).await;
    let repeat = Asset { created_at: at(200), ..asset(user, "a.txt") };
    assert_eq!(upload(&store, &repeat).await, UploadOutcome::Repeat(after));
    // With a window that reaches back to both, the older one is the first upload.
    let wide = Asset { created_at: at(201), ..asset(user, "a.txt") };
    store.uploads.open_upload(&session(&wide)).await.unwrap();
    let commit = UploadCommit { repeat_since: at(0).minus(Duration::from_secs(1)), ..commit(&wide) };
    assert_eq!(store.works.commit_upload(commit).await.unwrap(), UploadOutcome::Repeat(first));
}

async fn a_deleted_asset_is_not_repeated(store: Stores) {
    let user = ObjectId::generate();
    let first = stored_as(&store, asset(user, "a.txt")).await;
    store.works.delete_asset(first.id, at(1)).await.unwrap().unwrap();
    stored_as(&store, asset(user, "a.txt")).await;
    assert_eq!(garbage_keys(&store).await, [first.s3_key]);
}

async fn one_of_many_identical_uploads_is_stored(store: Stores) {
    let user = ObjectId::generate();
    let assets: Vec<_> = (0..20).map(|_| asset(user, "a.txt")).collect();
    for asset in &assets {
        store.uploads.open_upload(&session(asset)).await.unwrap();
    }
    let outcomes = all_at_once(assets.iter().map(|asset| {
        let (store, commit) = (store.clone(), commit(asset));
        async move { store.works.commit_upload(commit).await.unwrap() }
    }))
    .await;
    let winners: Vec<_> = outcomes.iter().filter(|o| matches!(o, UploadOutcome::Stored(_))).collect();
    let [UploadOutcome::Stored(winner)] = winners[..] else { panic!("{} were stored", winners.len()) };
    let repeats = outcomes.iter().filter(|o| **o == UploadOutcome::Repeat(winner.clone())).count();
    assert_eq!(repeats, 19);
    assert_eq!(job_counts(&store).await, (1, 0));
    let mut lost: Vec<_> = assets.iter().filter(|a| a.id != winner.id).map(|a| a.s3_key.clone()).collect();
    lost.sort();
    assert_eq!(garbage_keys(&store).await, lost);
}
