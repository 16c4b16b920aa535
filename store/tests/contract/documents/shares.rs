//! Fair shares: whose job is next when many of one user wait, and what a day's budget holds back.

use std::time::Duration;

use metastamp_protocol::{Asset, FileKind, Job, JobLane, Line, ObjectId, ProcessingStatus, Timestamp};
use metastamp_store::Stores;
use metastamp_store::ports::{Claiming, JobResult};

use super::fixtures::{LEASE, asset, at, claim, claims_nothing, completed, job_counts, node, stored_as, token};
use crate::harness::{Case, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        a_newcomer_does_not_wait_for_the_queue_of_another,
        two_who_wait_take_turns,
        what_a_job_really_took_moves_the_next_ones,
        a_large_text_is_not_in_the_short_lane,
        beyond_the_budget_jobs_wait_for_the_next_day,
        a_job_that_a_wrong_clock_sent_away_comes_back,
        a_failed_attempt_goes_behind_the_others,
        the_longest_wait_is_told_by_lane,
    ]
}

const A: &str = "a";
const B: &str = "b";

/// Queues texts of `size` bytes, one at each of these seconds; answers the last.
async fn queue(store: &Stores, user: ObjectId, name: &str, seconds: std::ops::Range<i64>, size: u64) -> Option<Asset> {
    let mut last = None;
    for second in seconds {
        let asset = Asset { created_at: at(second), file_size: size, ..asset(user, &format!("{name}{second}")) };
        last = Some(stored_as(store, asset).await);
    }
    last
}

async fn next(store: &Stores, now: Timestamp) -> Job {
    let mut jobs = store.jobs.claim_jobs(&node("n", 1), now, LEASE, JobLane::Any, 1).await.unwrap();
    jobs.pop().unwrap()
}

async fn names(store: &Stores, count: usize) -> String {
    let mut names = String::new();
    for _ in 0..count {
        names.push_str(&next(store, at(1_000)).await.file_name[..1]);
    }
    names
}

fn took(seconds: u64) -> JobResult {
    let JobResult::Completed { content, asset_metadata, duration_s, .. } = completed() else { unreachable!() };
    JobResult::Completed { content, asset_metadata, duration_s, cpu: Duration::from_secs(seconds) }
}

async fn a_newcomer_does_not_wait_for_the_queue_of_another(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..40, 1 << 20).await;
    assert_eq!(names(&store, 3).await, "aaa");
    queue(&store, ObjectId::generate(), B, 900..901, 36).await;
    assert_eq!(names(&store, 2).await, "ba");
}

async fn two_who_wait_take_turns(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..8, 100).await;
    queue(&store, ObjectId::generate(), B, 8..16, 100).await;
    let order = names(&store, 16).await;
    assert_eq!(order, "ab".repeat(8));
    // One whose jobs cost twice as much gets half as many.
    queue(&store, ObjectId::generate(), A, 20..24, 2 << 20).await;
    queue(&store, ObjectId::generate(), B, 30..38, 1 << 20).await;
    let order = names(&store, 6).await;
    assert_eq!(order.matches('b').count(), 4, "{order}");
}

async fn what_a_job_really_took_moves_the_next_ones(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..5, 100).await;
    let first = next(&store, at(100)).await;
    queue(&store, ObjectId::generate(), B, 10..30, 100).await;
    // It was thought to take milliseconds.
    store.jobs.finish_job(first.id, token(&first), took(15), at(101)).await.unwrap();
    assert_eq!(names(&store, 24).await, "b".repeat(20) + "aaaa");
    assert_eq!(job_counts(&store).await, (0, 24));
}

async fn a_large_text_is_not_in_the_short_lane(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..5, 8_700_000).await;
    queue(&store, ObjectId::generate(), B, 9..10, 36).await;
    let short = store.jobs.claim_jobs(&node("n", 1), at(100), LEASE, JobLane::Short, 9).await.unwrap();
    assert_eq!(short.iter().map(|job| &job.file_name[..1]).collect::<String>(), B);
}

async fn beyond_the_budget_jobs_wait_for_the_next_day(store: Stores) {
    let by_budget = |now| {
        let cpu_per_day = Some(Duration::from_secs(10));
        let claiming = Claiming { by: node("n", 1), now, lease: LEASE, lane: JobLane::Any, limit: 1, cpu_per_day };
        let store = store.clone();
        async move { store.jobs.claim(claiming).await.unwrap() }
    };
    let last = queue(&store, ObjectId::generate(), A, 0..3, 100).await.unwrap();
    let first = by_budget(at(10)).await.remove(0);
    store.jobs.finish_job(first.id, token(&first), took(11), at(11)).await.unwrap();
    assert_eq!(by_budget(at(20)).await, []);
    // Nothing is lost, others go on, and the owner is told.
    assert_eq!(job_counts(&store).await, (2, 0));
    let told = store.works.fingerprint_of(last.id).await.unwrap().unwrap();
    assert_eq!(told.processing_status, ProcessingStatus::Pending);
    assert!(told.error_message.unwrap().starts_with("waits until 2100-01-02T00:00:00"));
    queue(&store, ObjectId::generate(), B, 21..22, 100).await;
    let of_b = by_budget(at(30)).await.remove(0);
    assert_eq!(of_b.file_name, "b21");
    store.jobs.finish_job(of_b.id, token(&of_b), completed(), at(31)).await.unwrap();
    let tomorrow = at(86_400);
    let waiting = next(&store, tomorrow).await;
    assert_eq!(&waiting.file_name[..1], A);
    let second = by_budget(tomorrow).await.remove(0);
    assert_eq!((&second.file_name[..1], second.attempts, second.last_error), (A, 1, None));
}

async fn a_job_that_a_wrong_clock_sent_away_comes_back(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..1, 100).await;
    let job = claim(&store, &node("n", 1), at(1)).await;
    let next_year = at(365 * 86_400);
    store.jobs.release_job(job.id, token(&job), next_year, Some("no answer".to_owned())).await.unwrap();
    assert_eq!(claim(&store, &node("n", 1), at(2)).await.attempts, 2);
}

async fn a_failed_attempt_goes_behind_the_others(store: Stores) {
    queue(&store, ObjectId::generate(), A, 0..3, 100).await;
    let job = next(&store, at(10)).await;
    assert_eq!(job.file_name, "a0");
    store.jobs.release_job(job.id, token(&job), at(20), Some("no answer".to_owned())).await.unwrap();
    let later = [next(&store, at(30)).await, next(&store, at(30)).await, next(&store, at(30)).await];
    assert_eq!(later.map(|job| job.file_name), ["a1", "a2", "a0"]);
    claims_nothing(&store, &node("n", 1), at(31)).await;
}

async fn the_longest_wait_is_told_by_lane(store: Stores) {
    assert_eq!(store.jobs.longest_waiting().await.unwrap(), []);
    let film = Asset { file_type: FileKind::Video, created_at: at(5), ..asset(ObjectId::generate(), "film") };
    stored_as(&store, film).await;
    queue(&store, ObjectId::generate(), A, 7..10, 100).await;
    // Every job has its turn after a claim at the latest.
    let first = store.jobs.claim_jobs(&node("n", 1), at(100), LEASE, JobLane::Short, 1).await.unwrap();
    assert_eq!(first[0].file_name, "a7");
    assert_eq!(store.jobs.longest_waiting().await.unwrap(), [(Line::Short, at(8)), (Line::Long, at(5))]);
    let shown = store.works.fingerprint_of(first[0].asset_id).await.unwrap().unwrap();
    assert_eq!(shown.processing_status, ProcessingStatus::Processing);
}
