//! Asking for a fingerprint: at most one run at a time, and a failed one is redone.

use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::{Asset, Fingerprint, ObjectId, ProcessingStatus, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::ports::FingerprintRequest;

use super::fixtures::{
    assert_fenced, assert_not_found, asset, at, claim, claims_nothing, commit, completed, failed, job_counts, node,
    session, stored, token,
};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        nothing_is_found_for_nobody,
        a_run_under_way_or_done_is_not_repeated,
        a_failed_run_is_redone_under_its_id,
        a_redone_run_can_complete,
        an_asset_without_fingerprint_gets_one,
        one_of_many_requests_queues,
    ]
}

async fn nothing_is_found_for_nobody(store: Stores) {
    let nobody = ObjectId::generate();
    assert_eq!(store.works.fingerprint(nobody).await.unwrap(), None);
    assert_eq!(store.works.fingerprint_of(nobody).await.unwrap(), None);
    assert_not_found(store.works.request_fingerprint(nobody, at(1)).await);
    assert_eq!(job_counts(&store).await, (0, 0));
}

/// A request that finds the fingerprint in this state and changes nothing.
async fn assert_exists(store: &Stores, asset: &Asset, status: ProcessingStatus) {
    let before = (store.works.asset(asset.id).await.unwrap(), store.works.fingerprint_of(asset.id).await.unwrap());
    let jobs = job_counts(store).await;
    let answer = store.works.request_fingerprint(asset.id, at(500)).await.unwrap();
    let FingerprintRequest::Exists(fingerprint) = answer else { panic!("{answer:?}") };
    assert_eq!(fingerprint.processing_status, status);
    assert_eq!(before.1.as_ref(), Some(&fingerprint));
    let after = (store.works.asset(asset.id).await.unwrap(), store.works.fingerprint_of(asset.id).await.unwrap());
    assert_eq!(before, after);
    assert_eq!(job_counts(store).await, jobs);
}

async fn a_run_under_way_or_done_is_not_repeated(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    assert_exists(&store, &asset, ProcessingStatus::Pending).await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    assert_exists(&store, &asset, ProcessingStatus::Processing).await;
    store.jobs.release_job(job.id, token(&job), at(2), Some("try again".to_owned())).await.unwrap();
    assert_exists(&store, &asset, ProcessingStatus::Pending).await;
    let job = claim(&store, &node("a", 1), at(2)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(3)).await.unwrap();
    assert_exists(&store, &asset, ProcessingStatus::Completed).await;
    claims_nothing(&store, &node("a", 1), at(1_000)).await;
}

async fn failed_once(store: &Stores) -> (Asset, Fingerprint) {
    let asset = stored(store, "a.txt").await;
    let job = claim(store, &node("a", 1), at(1)).await;
    store.jobs.release_job(job.id, token(&job), at(2), Some("first".to_owned())).await.unwrap();
    let job = claim(store, &node("a", 1), at(2)).await;
    store.jobs.finish_job(job.id, token(&job), failed("broken"), at(3)).await.unwrap();
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!((fingerprint.id, fingerprint.processing_status), (job.id, ProcessingStatus::Failed));
    (asset, fingerprint)
}

async fn a_failed_run_is_redone_under_its_id(store: Stores) {
    let (asset, old) = failed_once(&store).await;
    let answer = store.works.request_fingerprint(asset.id, at(10)).await.unwrap();
    let FingerprintRequest::Queued(queued) = answer else { panic!("{answer:?}") };
    assert_eq!((queued.id, queued.asset_id, queued.created_at), (old.id, asset.id, old.created_at));
    assert_eq!(
        (queued.processing_status, &queued.content),
        (ProcessingStatus::Pending, &FingerprintContent::default())
    );
    assert_eq!((&queued.error_message, queued.completed_at, queued.updated_at), (&None, None, at(10)));
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), Some(queued.clone()));
    let waiting = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(waiting.upload_status, UploadStatus::Processing);
    assert_eq!(waiting.processing_status, Some(ProcessingStatus::Pending));
    assert_eq!((waiting.error_message, waiting.fingerprint_id), (None, None));
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_exists(&store, &asset, ProcessingStatus::Pending).await;
    claims_nothing(&store, &node("a", 1), at(9)).await;
    // A run of its own: earlier attempts are not held against it.
    let job = claim(&store, &node("a", 1), at(10)).await;
    assert_eq!((job.id, job.asset_id, job.attempts, job.last_error), (old.id, asset.id, 1, None));
}

async fn a_redone_run_can_complete(store: Stores) {
    let (asset, old) = failed_once(&store).await;
    store.works.request_fingerprint(asset.id, at(10)).await.unwrap();
    let job = claim(&store, &node("b", 1), at(11)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(12)).await.unwrap();
    assert_fenced(store.jobs.finish_job(job.id, token(&job), failed("late"), at(13)).await);
    let ready = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!((ready.upload_status, ready.fingerprint_id), (UploadStatus::Ready, Some(old.id)));
    assert_eq!(ready.error_message, None);
    let done = store.works.fingerprint(old.id).await.unwrap().unwrap();
    assert_eq!((done.processing_status, done.error_message), (ProcessingStatus::Completed, None));
    assert_eq!(done.completed_at, Some(at(12)));
}

async fn bare(store: &Stores) -> Asset {
    let mut asset = asset(ObjectId::generate(), "a.txt");
    asset.upload_status = UploadStatus::Ready;
    asset.processing_status = None;
    let mut commit = commit(&asset);
    commit.fingerprint = None;
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    store.works.commit_upload(commit).await.unwrap();
    asset
}

async fn an_asset_without_fingerprint_gets_one(store: Stores) {
    let asset = bare(&store).await;
    let answer = store.works.request_fingerprint(asset.id, at(10)).await.unwrap();
    let FingerprintRequest::Queued(queued) = answer else { panic!("{answer:?}") };
    let expected = Fingerprint::pending(queued.id, asset.id, asset.user_id, asset.file_type, at(10));
    assert_eq!(queued, expected);
    assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), Some(queued.clone()));
    let waiting = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(waiting.upload_status, UploadStatus::Processing);
    assert_eq!(waiting.processing_status, Some(ProcessingStatus::Pending));
    let job = claim(&store, &node("a", 1), at(10)).await;
    assert_eq!((job.id, &job.s3_key, job.attempts), (queued.id, &asset.s3_key, 1));
}

async fn one_of_many_requests_queues(store: Stores) {
    let (broken, _) = failed_once(&store).await;
    let bare = bare(&store).await;
    for (asset, jobs) in [(broken, 1), (bare, 2)] {
        let requests = (0..8).map(|_| {
            let store = store.clone();
            async move { store.works.request_fingerprint(asset.id, at(10)).await.unwrap() }
        });
        let answers = all_at_once(requests).await;
        let queued = answers.iter().filter(|a| matches!(a, FingerprintRequest::Queued(_))).count();
        assert_eq!(queued, 1, "{answers:?}");
        let id = store.works.fingerprint_of(asset.id).await.unwrap().unwrap().id;
        for answer in answers {
            let (FingerprintRequest::Queued(fingerprint) | FingerprintRequest::Exists(fingerprint)) = answer;
            assert_eq!(fingerprint.id, id);
        }
        assert_eq!(job_counts(&store).await, (jobs, 0));
    }
}
