//! What a finished job leaves behind.

use std::time::Duration;

use metastamp_protocol::fingerprint::{FingerprintContent, Section};
use metastamp_protocol::{Asset, Fingerprint, ProcessingStatus, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::ports::JobResult;
use serde_json::json;

use super::fixtures::{
    assert_fenced, at, claim, claims_nothing, completed, failed, job_counts, node, object, stored, token,
};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        a_completed_job_is_written_to_both,
        a_failed_job_is_written_to_both,
        a_result_is_committed_once,
        one_of_many_results_is_committed,
        a_result_after_delete_is_fenced,
        a_result_or_a_delete_comes_first,
        durations_and_messages_are_bounded,
    ]
}

fn content() -> FingerprintContent {
    FingerprintContent {
        perceptual_hashes: Some(Section::Legacy(object(json!({ "phash": "00ff00ff00ff00ff", "dhash": "1" })))),
        image_metadata: Some(object(json!({ "width": 640, "height": 480 }))),
        text_hash: Some("ab".repeat(32)),
        text_length: Some(1_234),
        metadata: object(json!({ "width": 640 })),
        algorithms: [("phash", "phash/imagehash-16@2")].into(),
        ..FingerprintContent::default()
    }
}

async fn both(store: &Stores, asset: &Asset) -> (Asset, Fingerprint) {
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!(store.works.fingerprint(fingerprint.id).await.unwrap().as_ref(), Some(&fingerprint));
    (store.works.asset(asset.id).await.unwrap().unwrap(), fingerprint)
}

async fn a_completed_job_is_written_to_both(store: Stores) {
    let before = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    let result = JobResult::Completed {
        content: Box::new(content()),
        asset_metadata: object(json!({ "replaced": "new", "added": [1, 2] })),
        duration_s: 0.25,
        cpu: Duration::ZERO,
    };
    store.jobs.finish_job(job.id, token(&job), result, at(3)).await.unwrap();

    let (asset, fingerprint) = both(&store, &before).await;
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Completed);
    assert_eq!((fingerprint.id, fingerprint.content), (job.id, content()));
    assert_eq!((fingerprint.processing_duration, fingerprint.error_message), (Some(0.25), None));
    assert_eq!((fingerprint.completed_at, fingerprint.updated_at), (Some(at(3)), at(3)));
    assert_eq!(fingerprint.created_at, before.created_at);
    let expected = Asset {
        upload_status: UploadStatus::Ready,
        processing_status: Some(ProcessingStatus::Completed),
        fingerprint_id: Some(job.id),
        metadata: object(json!({ "kept": 1, "replaced": "new", "added": [1, 2] })).into(),
        updated_at: at(3),
        ..before
    };
    assert_eq!(asset, expected);
    assert_eq!(job_counts(&store).await, (0, 0));
    claims_nothing(&store, &node("b", 1), at(1_000)).await;
}

async fn a_failed_job_is_written_to_both(store: Stores) {
    let before = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    let result = JobResult::Failed {
        message: "not a picture".to_owned(),
        asset_metadata: object(json!({ "added": true })),
        duration_s: 2.0,
        cpu: Duration::ZERO,
    };
    store.jobs.finish_job(job.id, token(&job), result, at(3)).await.unwrap();

    let (asset, fingerprint) = both(&store, &before).await;
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Failed);
    assert_eq!((fingerprint.id, fingerprint.content), (job.id, FingerprintContent::default()));
    assert_eq!(fingerprint.error_message.as_deref(), Some("not a picture"));
    assert_eq!((fingerprint.processing_duration, fingerprint.completed_at), (Some(2.0), Some(at(3))));
    let expected = Asset {
        upload_status: UploadStatus::Failed,
        processing_status: Some(ProcessingStatus::Failed),
        // Clients read any value as "done".
        fingerprint_id: None,
        error_message: Some("not a picture".to_owned()),
        metadata: object(json!({ "kept": 1, "replaced": "old", "added": true })).into(),
        updated_at: at(3),
        ..before
    };
    assert_eq!(asset, expected);
    assert_eq!(job_counts(&store).await, (0, 0));
    claims_nothing(&store, &node("b", 1), at(1_000)).await;
}

async fn a_result_is_committed_once(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(3)).await.unwrap();
    let first = both(&store, &asset).await;
    assert_fenced(store.jobs.finish_job(job.id, token(&job), failed("late"), at(4)).await);
    assert_fenced(store.jobs.finish_job(job.id, token(&job), completed(), at(4)).await);
    assert_fenced(store.jobs.release_job(job.id, token(&job), at(4), None).await);
    assert_fenced(store.jobs.renew_claim(job.id, token(&job), at(60)).await);
    assert_eq!(both(&store, &asset).await, first);
    assert_eq!(job_counts(&store).await, (0, 0));
}

async fn one_of_many_results_is_committed(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    let finishes = (0..8).map(|i| {
        let (store, id, token) = (store.clone(), job.id, token(&job));
        async move { (i, store.jobs.finish_job(id, token, failed(&format!("{i}")), at(2)).await) }
    });
    let (won, lost): (Vec<_>, Vec<_>) = all_at_once(finishes).await.into_iter().partition(|(_, r)| r.is_ok());
    assert_eq!((won.len(), lost.len()), (1, 7));
    lost.into_iter().for_each(|(_, result)| assert_fenced(result));
    let (asset, fingerprint) = both(&store, &asset).await;
    let message = Some(won[0].0.to_string());
    assert_eq!((&asset.error_message, &fingerprint.error_message), (&message, &message));
}

async fn a_result_after_delete_is_fenced(store: Stores) {
    for result in [completed(), failed("broken")] {
        let asset = stored(&store, "a.txt").await;
        let job = claim(&store, &node("a", 1), at(1)).await;
        store.works.delete_asset(asset.id, at(2)).await.unwrap().unwrap();
        assert_fenced(store.jobs.finish_job(job.id, token(&job), result, at(3)).await);
        assert_eq!(store.works.asset(asset.id).await.unwrap(), None);
        assert_eq!(store.works.fingerprint(job.id).await.unwrap(), None);
    }
    assert_eq!(job_counts(&store).await, (0, 0));
}

/// Whichever is first, nothing is left of the asset.
async fn a_result_or_a_delete_comes_first(store: Stores) {
    for _ in 0..20 {
        let asset = stored(&store, "a.txt").await;
        let job = claim(&store, &node("a", 1), at(1)).await;
        let (finisher, deleter) = (store.clone(), store.clone());
        let finish =
            tokio::spawn(async move { finisher.jobs.finish_job(job.id, token(&job), completed(), at(2)).await });
        let delete = tokio::spawn(async move { deleter.works.delete_asset(asset.id, at(2)).await });
        let deleted = delete.await.unwrap().unwrap().unwrap();
        assert!(deleted.fingerprint_removed);
        match finish.await.unwrap() {
            Ok(()) => assert_eq!(deleted.asset.upload_status, UploadStatus::Ready),
            fenced => {
                assert_fenced(fenced);
                assert_eq!(deleted.asset.upload_status, UploadStatus::Processing);
            }
        }
        assert_eq!(store.works.asset(asset.id).await.unwrap(), None);
        assert_eq!(store.works.fingerprint_of(asset.id).await.unwrap(), None);
        assert_eq!(job_counts(&store).await, (0, 0));
    }
}

async fn durations_and_messages_are_bounded(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(1)).await;
    let message = "é".repeat(1_001);
    let result =
        JobResult::Failed { message, asset_metadata: object(json!({})), duration_s: 1.234_567, cpu: Duration::ZERO };
    store.jobs.finish_job(job.id, token(&job), result, at(3)).await.unwrap();
    let (asset, fingerprint) = both(&store, &asset).await;
    let cut = Some("é".repeat(1_000));
    assert_eq!((&asset.error_message, &fingerprint.error_message), (&cut, &cut));
    assert_eq!(fingerprint.processing_duration, Some(1.235));
}
