//! Leases, assets whose bytes are lost, and making the store ready.

use std::time::Duration;

use metastamp_protocol::{ObjectId, ProcessingStatus, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::ports::FingerprintRequest;

use super::fixtures::{assert_fenced, at, claim, claims_nothing, completed, job_counts, node, stored, token};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        a_lease_has_one_holder,
        a_lease_runs_out,
        one_of_many_takes_a_lease,
        lost_bytes_fail_a_queued_asset,
        lost_bytes_fence_a_running_job,
        lost_bytes_leave_a_finished_fingerprint,
        an_unknown_asset_does_not_fail,
        all_may_prepare_at_once,
    ]
}

const TTL: Duration = Duration::from_secs(30);

async fn a_lease_has_one_holder(store: Stores) {
    let take = async |name, holder, now| store.leases.take_lease(name, holder, at(now), TTL).await.unwrap();
    assert!(take("sweep", "a", 0).await);
    assert!(!take("sweep", "b", 1).await);
    assert!(take("other", "b", 1).await);
    assert!(take("sweep", "a", 20).await, "renewed");
    assert!(!take("sweep", "b", 49).await, "until 20 + 30");
    store.leases.return_lease("sweep", "b").await.unwrap();
    assert!(!take("sweep", "b", 49).await, "it was not b's to return");
    store.leases.return_lease("sweep", "a").await.unwrap();
    assert!(take("sweep", "b", 49).await);
    store.leases.return_lease("nobody's", "a").await.unwrap();
}

async fn a_lease_runs_out(store: Stores) {
    assert!(store.leases.take_lease("sweep", "dead", at(0), TTL).await.unwrap());
    assert!(!store.leases.take_lease("sweep", "b", at(29), TTL).await.unwrap());
    assert!(store.leases.take_lease("sweep", "b", at(30), TTL).await.unwrap());
    assert!(!store.leases.take_lease("sweep", "dead", at(31), TTL).await.unwrap());
}

async fn one_of_many_takes_a_lease(store: Stores) {
    for round in 0..5 {
        let takers = (0..8).map(|i| {
            let store = store.clone();
            // Free at first, run out later.
            async move { store.leases.take_lease("sweep", &format!("n{i}"), at(round * 100), TTL).await.unwrap() }
        });
        let taken = all_at_once(takers).await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 1, "round {round}");
    }
}

async fn lost_bytes_fail_a_queued_asset(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    assert!(store.works.fail_asset(asset.id, &"é".repeat(2_000), at(5)).await.unwrap());
    let failed = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(
        (failed.upload_status, failed.processing_status),
        (UploadStatus::Failed, Some(ProcessingStatus::Failed))
    );
    assert_eq!((failed.error_message, failed.updated_at), (Some("é".repeat(1_000)), at(5)));
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Failed);
    assert_eq!(job_counts(&store).await, (0, 0));
    claims_nothing(&store, &node("n", 1), at(1_000)).await;
    // The bytes were put back: it can be done once more.
    let again = store.works.request_fingerprint(asset.id, at(6)).await.unwrap();
    assert!(
        matches!(again, FingerprintRequest::Queued(fresh) if fresh.id == fingerprint.id && fresh.error_message.is_none())
    );
    assert_eq!(claim(&store, &node("n", 1), at(7)).await.id, fingerprint.id);
}

async fn lost_bytes_fence_a_running_job(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("n", 1), at(1)).await;
    assert!(store.works.fail_asset(asset.id, "gone", at(2)).await.unwrap());
    assert_fenced(store.jobs.renew_claim(job.id, token(&job), at(60)).await);
    assert_fenced(store.jobs.finish_job(job.id, token(&job), completed(), at(3)).await);
    let failed = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!((failed.upload_status, failed.error_message.as_deref()), (UploadStatus::Failed, Some("gone")));
}

async fn lost_bytes_leave_a_finished_fingerprint(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("n", 1), at(1)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(2)).await.unwrap();
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap();
    for message in ["gone", "still gone"] {
        assert!(store.works.fail_asset(asset.id, message, at(3)).await.unwrap());
        let failed = store.works.asset(asset.id).await.unwrap().unwrap();
        assert_eq!((failed.upload_status, failed.error_message.as_deref()), (UploadStatus::Failed, Some(message)));
        assert_eq!(failed.fingerprint_id, Some(job.id));
        assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), fingerprint);
    }
}

async fn an_unknown_asset_does_not_fail(store: Stores) {
    assert!(!store.works.fail_asset(ObjectId::generate(), "gone", at(0)).await.unwrap());
}

async fn all_may_prepare_at_once(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    store.records.prepare().await.unwrap();
    let prepares = (0..3).map(|_| {
        let store = store.clone();
        async move { store.records.prepare().await.unwrap() }
    });
    let done = all_at_once(prepares).await;
    assert_eq!(done, vec![Vec::<String>::new(); 3], "all was there");
    assert_eq!(store.works.asset(asset.id).await.unwrap(), Some(asset));
}
