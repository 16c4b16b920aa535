//! The job queue: who may claim what, when, and for how long.

use std::collections::HashSet;
use std::time::Duration;

use metastamp_protocol::{Asset, FileKind, Job, JobLane, JobState, ObjectId, ProcessingStatus};
use metastamp_store::Stores;

use super::fixtures::{
    LEASE, assert_fenced, asset, at, claim, claims_nothing, completed, job_counts, node, stored, stored_as, token,
};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        a_claim_says_whose_and_how_long,
        the_oldest_job_is_claimed_first,
        a_job_waits_for_its_time,
        a_claim_is_exclusive,
        many_claimers_get_each_job_once,
        an_expired_claim_is_taken_over,
        a_renewed_claim_holds,
        a_lost_claim_is_fenced,
        a_former_life_loses_its_claims_at_once,
        one_of_many_takes_over,
        the_short_lane_holds_no_long_jobs,
        a_lane_keeps_the_order_and_the_rules,
        a_released_job_is_queued_again,
        a_failed_attempt_counts,
        a_long_error_is_cut,
        a_deleted_job_is_fenced,
        jobs_are_counted_by_state,
    ]
}

async fn a_claim_says_whose_and_how_long(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let by = node("worker", 42);
    let job = claim(&store, &by, at(5)).await;
    let given = job.claim.clone().unwrap();
    assert_eq!((given.by, given.expires_at), (by, at(5).plus(LEASE)));
    assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Running, 1, None));
    assert_eq!((job.asset_id, job.user_id, job.kind), (asset.id, asset.user_id, asset.file_type));
    assert_eq!((&job.file_name, job.file_size, &job.mime_type), (&asset.file_name, asset.file_size, &asset.mime_type));
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!((fingerprint.id, fingerprint.processing_status), (job.id, ProcessingStatus::Processing));
    let running = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(running.processing_status, Some(ProcessingStatus::Processing));
    assert_eq!((running.upload_status, running.fingerprint_id), (asset.upload_status, None));
}

/// Assets whose jobs were queued at these seconds, stored in the order given.
async fn queue(store: &Stores, seconds: &[i64]) {
    for second in seconds {
        let asset = Asset { created_at: at(*second), ..asset(ObjectId::generate(), &format!("{second}.txt")) };
        stored_as(store, asset).await;
    }
}

fn names(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.file_name.as_str()).collect()
}

async fn the_oldest_job_is_claimed_first(store: Stores) {
    queue(&store, &[30, 10, 50, 20, 40]).await;
    let by = node("n", 1);
    assert_eq!(store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Any, 0).await.unwrap(), []);
    let first = store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Any, 2).await.unwrap();
    assert_eq!(names(&first), ["10.txt", "20.txt"]);
    assert_ne!(token(&first[0]), token(&first[1]));
    let second = store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Any, 2).await.unwrap();
    assert_eq!(names(&second), ["30.txt", "40.txt"]);
    let third = store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Any, 2).await.unwrap();
    assert_eq!(names(&third), ["50.txt"]);
    claims_nothing(&store, &by, at(100)).await;
}

async fn a_job_waits_for_its_time(store: Stores) {
    queue(&store, &[10, 20]).await;
    let by = node("n", 1);
    claims_nothing(&store, &by, at(9)).await;
    // Due at the very instant; the other one is not yet.
    assert_eq!(names(&[claim(&store, &by, at(10)).await]), ["10.txt"]);
    claims_nothing(&store, &by, at(19)).await;
    assert_eq!(names(&[claim(&store, &by, at(20)).await]), ["20.txt"]);
}

async fn a_claim_is_exclusive(store: Stores) {
    stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 5), at(0)).await;
    for other in [node("a", 5), node("a", 4), node("b", 1), node("b", 9)] {
        claims_nothing(&store, &other, at(29)).await;
    }
    assert_fenced(store.jobs.renew_claim(job.id, ObjectId::generate(), at(99)).await);
    assert_fenced(store.jobs.renew_claim(ObjectId::generate(), token(&job), at(99)).await);
    store.jobs.renew_claim(job.id, token(&job), at(99)).await.unwrap();
}

async fn many_claimers_get_each_job_once(store: Stores) {
    queue(&store, &(0..50).collect::<Vec<_>>()).await;
    let claimers = (0..8).map(|i| {
        let store = store.clone();
        async move { claim_until_empty(&store, &format!("n{i}")).await }
    });
    let claimed: Vec<_> = all_at_once(claimers).await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 50);
    assert_eq!(claimed.iter().map(|job| job.id).collect::<HashSet<_>>().len(), 50);
    assert_eq!(claimed.iter().map(token).collect::<HashSet<_>>().len(), 50);
    assert!(claimed.iter().all(|job| job.attempts == 1));
    assert_eq!(job_counts(&store).await, (0, 50));
}

pub async fn claim_until_empty(store: &Stores, node_id: &str) -> Vec<Job> {
    let mut mine = Vec::new();
    loop {
        let jobs = store.jobs.claim_jobs(&node(node_id, 1), at(100), LEASE, JobLane::Any, 3).await.unwrap();
        assert!(jobs.len() <= 3);
        if jobs.is_empty() {
            return mine;
        }
        mine.extend(jobs);
    }
}

async fn an_expired_claim_is_taken_over(store: Stores) {
    stored(&store, "a.txt").await;
    let first = claim(&store, &node("a", 1), at(0)).await;
    claims_nothing(&store, &node("b", 1), at(29)).await;
    let second = claim(&store, &node("b", 1), at(31)).await;
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert_ne!(token(&second), token(&first));
    // Once more, by the node that lost it.
    let third = claim(&store, &node("a", 1), at(62)).await;
    assert_eq!((third.id, third.attempts), (first.id, 3));
    assert!(token(&third) != token(&first) && token(&third) != token(&second));
    assert_eq!(job_counts(&store).await, (0, 1));
}

async fn a_renewed_claim_holds(store: Stores) {
    stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    store.jobs.renew_claim(job.id, token(&job), at(60)).await.unwrap();
    claims_nothing(&store, &node("b", 1), at(59)).await;
    let next = claim(&store, &node("b", 1), at(61)).await;
    assert_eq!(next.attempts, 2);
    assert_fenced(store.jobs.renew_claim(job.id, token(&job), at(999)).await);
    claims_nothing(&store, &node("c", 1), at(90)).await;
}

async fn a_lost_claim_is_fenced(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let old = claim(&store, &node("a", 1), at(0)).await;
    let new = claim(&store, &node("b", 1), at(31)).await;
    assert_fenced(store.jobs.renew_claim(old.id, token(&old), at(100)).await);
    assert_fenced(store.jobs.finish_job(old.id, token(&old), completed(), at(32)).await);
    assert_fenced(store.jobs.release_job(old.id, token(&old), at(32), None).await);
    assert_fenced(store.jobs.release_job(old.id, token(&old), at(32), Some("late".to_owned())).await);
    // Nothing of that left a trace.
    claims_nothing(&store, &node("c", 1), at(60)).await;
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Processing);
    store.jobs.finish_job(new.id, token(&new), completed(), at(33)).await.unwrap();
}

async fn a_former_life_loses_its_claims_at_once(store: Stores) {
    stored(&store, "a.txt").await;
    let first = claim(&store, &node("a", 5), at(0)).await;
    for other in [node("a", 4), node("a", 5), node("b", 6), node("ab", 6)] {
        claims_nothing(&store, &other, at(1)).await;
    }
    let second = claim(&store, &node("a", 6), at(1)).await;
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert_fenced(store.jobs.finish_job(first.id, token(&first), completed(), at(2)).await);
    // The former life, should it still run, does not get it back.
    claims_nothing(&store, &node("a", 5), at(2)).await;
}

async fn one_of_many_takes_over(store: Stores) {
    stored(&store, "a.txt").await;
    claim(&store, &node("dead", 1), at(0)).await;
    let claimers = (0..8).map(|i| {
        let store = store.clone();
        async move { store.jobs.claim_jobs(&node(&format!("n{i}"), 1), at(31), LEASE, JobLane::Any, 5).await.unwrap() }
    });
    let claimed: Vec<_> = all_at_once(claimers).await.into_iter().flatten().collect();
    assert_eq!((claimed.len(), claimed[0].attempts), (1, 2));
}

/// Assets of these kinds, whose jobs were queued one second after the other.
async fn queue_kinds(store: &Stores, kinds: &[FileKind]) {
    for (second, kind) in kinds.iter().enumerate() {
        let name = format!("{second}.{}", kind.as_str());
        let asset = Asset { file_type: *kind, created_at: at(second as i64), ..asset(ObjectId::generate(), &name) };
        stored_as(store, asset).await;
    }
}

async fn the_short_lane_holds_no_long_jobs(store: Stores) {
    use FileKind::{Audio, Image, Text, Url, Video};
    queue_kinds(&store, &[Video, Audio, Image, Video, Text, Url, Audio]).await;
    let by = node("n", 1);
    let short = store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Short, 9).await.unwrap();
    assert_eq!(names(&short), ["2.image", "4.text", "5.url"]);
    assert_eq!(store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Short, 9).await.unwrap(), []);
    let long = store.jobs.claim_jobs(&by, at(100), LEASE, JobLane::Any, 9).await.unwrap();
    assert_eq!(names(&long), ["0.video", "1.audio", "3.video", "6.audio"]);
}

async fn a_lane_keeps_the_order_and_the_rules(store: Stores) {
    use FileKind::{Image, Video};
    queue_kinds(&store, &[Video, Image, Image, Image]).await;
    let by = node("n", 1);
    let any = store.jobs.claim_jobs(&by, at(2), LEASE, JobLane::Any, 2).await.unwrap();
    assert_eq!(names(&any), ["0.video", "1.image"]);
    // Not due yet, one of two at a time, and taken over when the claim has run out.
    let short = async |now| store.jobs.claim_jobs(&node("m", 1), at(now), LEASE, JobLane::Short, 1).await.unwrap();
    assert_eq!(names(&short(2).await), ["2.image"]);
    assert_eq!(short(2).await, []);
    assert_eq!(names(&short(3).await), ["3.image"]);
    assert_eq!(names(&short(32).await), ["1.image"]);
    assert_eq!(store.jobs.claim_jobs(&node("n", 2), at(4), LEASE, JobLane::Short, 9).await.unwrap(), []);
    let former_life = store.jobs.claim_jobs(&node("n", 2), at(4), LEASE, JobLane::Any, 9).await.unwrap();
    assert_eq!(names(&former_life), ["0.video"]);
}

async fn a_released_job_is_queued_again(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    store.jobs.release_job(job.id, token(&job), at(10), None).await.unwrap();
    assert_eq!(job_counts(&store).await, (1, 0));
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Pending);
    let waiting = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(waiting.processing_status, Some(ProcessingStatus::Pending));
    assert_fenced(store.jobs.renew_claim(job.id, token(&job), at(60)).await);
    assert_fenced(store.jobs.release_job(job.id, token(&job), at(0), None).await);
    claims_nothing(&store, &node("b", 1), at(9)).await;
    // The node was leaving: its attempt does not count.
    let next = claim(&store, &node("b", 1), at(10)).await;
    assert_eq!((next.id, next.attempts, next.last_error), (job.id, 1, None));
}

async fn a_failed_attempt_counts(store: Stores) {
    stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    store.jobs.release_job(job.id, token(&job), at(10), Some("no such codec".to_owned())).await.unwrap();
    let second = claim(&store, &node("a", 1), at(10)).await;
    assert_eq!((second.attempts, second.last_error.as_deref()), (2, Some("no such codec")));
    // Leaving neither counts nor wipes out what went wrong before.
    store.jobs.release_job(job.id, token(&second), at(20), None).await.unwrap();
    let third = claim(&store, &node("a", 1), at(20)).await;
    assert_eq!((third.attempts, third.last_error.as_deref()), (2, Some("no such codec")));
    store.jobs.release_job(job.id, token(&third), at(30), Some("worse".to_owned())).await.unwrap();
    let fourth = claim(&store, &node("a", 1), at(30)).await;
    assert_eq!((fourth.attempts, fourth.last_error.as_deref()), (3, Some("worse")));
}

async fn a_long_error_is_cut(store: Stores) {
    stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    store.jobs.release_job(job.id, token(&job), at(1), Some("é".repeat(5_000))).await.unwrap();
    let next = claim(&store, &node("a", 1), at(1)).await;
    assert_eq!(next.last_error, Some("é".repeat(1_000)));
}

async fn a_deleted_job_is_fenced(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("a", 1), at(0)).await;
    store.works.delete_asset(asset.id, at(1)).await.unwrap().unwrap();
    assert_fenced(store.jobs.renew_claim(job.id, token(&job), at(60)).await);
    assert_fenced(store.jobs.finish_job(job.id, token(&job), completed(), at(2)).await);
    assert_fenced(store.jobs.release_job(job.id, token(&job), at(2), None).await);
    claims_nothing(&store, &node("a", 2), at(1_000)).await;
    assert_eq!(job_counts(&store).await, (0, 0));
    assert_eq!(store.works.asset(asset.id).await.unwrap(), None);
    assert_eq!(store.works.fingerprint(job.id).await.unwrap(), None);
}

async fn jobs_are_counted_by_state(store: Stores) {
    assert_eq!(job_counts(&store).await, (0, 0));
    queue(&store, &[0, 1, 2, 3, 4]).await;
    assert_eq!(job_counts(&store).await, (5, 0));
    let jobs = store.jobs.claim_jobs(&node("a", 1), at(10), Duration::from_secs(30), JobLane::Any, 3).await.unwrap();
    assert_eq!(job_counts(&store).await, (2, 3));
    store.jobs.finish_job(jobs[0].id, token(&jobs[0]), completed(), at(11)).await.unwrap();
    store.jobs.release_job(jobs[1].id, token(&jobs[1]), at(99), None).await.unwrap();
    assert_eq!(job_counts(&store).await, (3, 1));
}
