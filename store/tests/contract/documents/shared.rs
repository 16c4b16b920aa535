//! Several processes on one store, and what is still there after all of them have ended.

use std::collections::HashSet;

use metastamp_protocol::{ObjectId, UploadStatus};
use metastamp_store::ports::UploadOutcome;
use metastamp_store::{StoreError, Stores};

use super::claims::claim_until_empty;
use super::fixtures::{
    assert_conflict, assert_fenced, asset, at, claim, claims_nothing, commit, completed, garbage_keys, job_counts,
    node, session, stored, stored_as, token, user,
};
use crate::harness::{Case, all_at_once, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    shared_cases![
        the_other_sees_every_write_at_once,
        addresses_are_unique_over_both,
        sessions_are_unique_over_both,
        identical_uploads_over_both_are_one,
        jobs_are_claimed_once_over_both,
        a_job_moves_from_one_to_the_other,
    ]
}

async fn the_other_sees_every_write_at_once(one: Stores, two: Stores) {
    for round in 0..10 {
        let (writer, reader) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let ada = user(&format!("ada{round}@example.org"));
        writer.users.insert_user(&ada).await.unwrap();
        assert_eq!(reader.users.user_by_email(&ada.email).await.unwrap(), Some(ada.clone()));
        let sid = format!("sid{round}");
        assert!(!reader.logins.principal(ada.id, &sid).await.unwrap().revoked);
        writer.logins.revoke_session(&sid, at(60)).await.unwrap();
        assert!(reader.logins.principal(ada.id, &sid).await.unwrap().revoked);

        let asset = asset(ada.id, "a.txt");
        writer.uploads.open_upload(&session(&asset)).await.unwrap();
        assert_eq!(reader.uploads.upload(asset.id).await.unwrap(), Some(session(&asset)));
        writer.works.commit_upload(commit(&asset)).await.unwrap();
        assert_eq!(reader.works.asset(asset.id).await.unwrap(), Some(asset.clone()));
        assert!(reader.works.fingerprint_of(asset.id).await.unwrap().is_some());
        assert_eq!(job_counts(reader).await, (1, 0));
        writer.works.delete_asset(asset.id, at(1)).await.unwrap().unwrap();
        assert_eq!(reader.works.asset(asset.id).await.unwrap(), None);
        assert_eq!(garbage_keys(reader).await, std::slice::from_ref(&asset.s3_key));
        reader.uploads.forget_garbage(&asset.s3_key).await.unwrap();
        assert_eq!(writer.uploads.garbage(10).await.unwrap(), []);
    }
}

async fn addresses_are_unique_over_both(one: Stores, two: Stores) {
    one.users.insert_user(&user("ada@example.org")).await.unwrap();
    assert_conflict(two.users.insert_user(&user("ADA@example.org")).await);
    for round in 0..20 {
        let registrations = [&one, &two].map(|store| {
            let (store, user) = (store.clone(), user(&format!("{round}@example.org")));
            async move { store.users.insert_user(&user).await.map(|()| user) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = all_at_once(registrations).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1));
        assert!(matches!(lost[0], Err(StoreError::Conflict { index: "users.email" })), "{lost:?}");
        let winner = won.into_iter().next().unwrap().unwrap();
        for store in [&one, &two] {
            assert_eq!(store.users.user_by_email(&winner.email).await.unwrap().as_ref(), Some(&winner));
        }
    }
}

async fn sessions_are_unique_over_both(one: Stores, two: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    one.uploads.open_upload(&session(&asset)).await.unwrap();
    assert_conflict(two.uploads.open_upload(&session(&asset)).await);
    two.uploads.discard_upload(asset.id, at(1)).await.unwrap();
    assert_fenced(one.works.commit_upload(commit(&asset)).await);
    assert_fenced(one.uploads.renew_upload(asset.id, at(99)).await);
}

async fn identical_uploads_over_both_are_one(one: Stores, two: Stores) {
    let user = ObjectId::generate();
    let mut commits = Vec::new();
    for store in [&one, &two].into_iter().cycle().take(20) {
        let asset = asset(user, "a.txt");
        store.uploads.open_upload(&session(&asset)).await.unwrap();
        commits.push((store.clone(), commit(&asset)));
    }
    let commits =
        commits.into_iter().map(|(store, commit)| async move { store.works.commit_upload(commit).await.unwrap() });
    let outcomes = all_at_once(commits).await;
    assert_eq!(outcomes.iter().filter(|o| matches!(o, UploadOutcome::Stored(_))).count(), 1);
    for store in [&one, &two] {
        assert_eq!(job_counts(store).await, (1, 0));
        assert_eq!(store.uploads.garbage(100).await.unwrap().len(), 19);
    }
}

async fn jobs_are_claimed_once_over_both(one: Stores, two: Stores) {
    for i in 0..50 {
        stored(&one, &format!("{i}.txt")).await;
    }
    let claimers = (0..8).map(|i| {
        let store = if i % 2 == 0 { one.clone() } else { two.clone() };
        async move { claim_until_empty(&store, &format!("n{i}")).await }
    });
    let claimed: Vec<_> = all_at_once(claimers).await.into_iter().flatten().collect();
    let ids: HashSet<_> = claimed.iter().map(|job| job.id).collect();
    assert_eq!((claimed.len(), ids.len()), (50, 50));
}

async fn a_job_moves_from_one_to_the_other(one: Stores, two: Stores) {
    let asset = stored(&one, "a.txt").await;
    let first = claim(&one, &node("one", 1), at(0)).await;
    claims_nothing(&two, &node("two", 1), at(29)).await;
    let second = claim(&two, &node("two", 1), at(31)).await;
    assert_fenced(one.jobs.renew_claim(first.id, token(&first), at(90)).await);
    assert_fenced(one.jobs.finish_job(first.id, token(&first), completed(), at(32)).await);
    two.jobs.finish_job(second.id, token(&second), completed(), at(33)).await.unwrap();
    assert_eq!(one.works.asset(asset.id).await.unwrap().unwrap().upload_status, UploadStatus::Ready);
}

/// Answered means kept: all handles go away, and a new one finds every answer still true.
pub async fn what_was_written_is_there_after_reopening(open: impl AsyncFn(&str) -> Stores) {
    let ada = user("ada@example.org");
    let (queued, running, gone, receiving) =
        (asset(ada.id, "q"), asset(ada.id, "r"), asset(ada.id, "g"), asset(ada.id, "open"));
    let store = open("reopened").await;
    store.users.insert_user(&ada).await.unwrap();
    store.logins.revoke_session("sid", at(60)).await.unwrap();
    store.uploads.open_upload(&session(&receiving)).await.unwrap();
    stored_as(&store, running.clone()).await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    for asset in [&queued, &gone] {
        stored_as(&store, asset.clone()).await;
    }
    store.works.delete_asset(gone.id, at(1)).await.unwrap().unwrap();
    drop(store);

    let store = open("reopened").await;
    assert_eq!(store.users.user_by_email("ada@example.org").await.unwrap(), Some(ada.clone()));
    assert!(store.logins.principal(ada.id, "sid").await.unwrap().revoked);
    assert_conflict(store.users.insert_user(&user("ada@example.org")).await);
    assert_eq!(store.uploads.upload(receiving.id).await.unwrap(), Some(session(&receiving)));
    assert_eq!(store.works.asset(queued.id).await.unwrap(), Some(queued.clone()));
    assert_eq!(store.works.asset(gone.id).await.unwrap(), None);
    assert_eq!(garbage_keys(&store).await, [gone.s3_key]);
    assert_eq!(job_counts(&store).await, (1, 1));
    // The claim still holds, and the repeat of an upload is still known.
    assert_eq!(claim(&store, &node("b", 1), at(1)).await.asset_id, queued.id);
    store.jobs.finish_job(job.id, token(&job), completed(), at(2)).await.unwrap();
    let again = asset(ada.id, "q");
    store.uploads.open_upload(&session(&again)).await.unwrap();
    let outcome = store.works.commit_upload(commit(&again)).await.unwrap();
    assert!(matches!(outcome, UploadOutcome::Repeat(first) if first.id == queued.id));
}
