//! A node is dead: its claims are void at once, and it learns so if it is not dead after all.

use metastamp_protocol::{JobLane, ProcessingStatus};
use metastamp_store::Stores;

use super::fixtures::{LEASE, assert_fenced, at, claim, claims_nothing, completed, job_counts, node, stored, token};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        the_jobs_of_the_dead_are_due_at_once,
        only_the_dead_lose_their_claims,
        the_dead_are_fenced,
        many_survivors_release_each_job_once,
        a_death_leaves_what_was_finished,
    ]
}

async fn the_jobs_of_the_dead_are_due_at_once(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let first = claim(&store, &node("dead", 5), at(0)).await;
    assert_eq!(store.jobs.release_claims_of(&node("dead", 5), at(1)).await.unwrap(), 1);
    assert_eq!(job_counts(&store).await, (1, 0));
    let fingerprint = store.works.fingerprint_of(asset.id).await.unwrap().unwrap();
    assert_eq!(fingerprint.processing_status, ProcessingStatus::Pending);
    let waiting = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(waiting.processing_status, Some(ProcessingStatus::Pending));
    assert_eq!(store.jobs.release_claims_of(&node("dead", 5), at(1)).await.unwrap(), 0, "twice is harmless");
    // The attempt stays counted: a job that kills its nodes must come to an end.
    let second = claim(&store, &node("b", 1), at(1)).await;
    assert_eq!((second.id, second.attempts, &second.last_error), (first.id, 2, &None));
    assert_eq!(store.jobs.release_claims_of(&node("dead", 5), at(2)).await.unwrap(), 0);
    store.jobs.finish_job(second.id, token(&second), completed(), at(3)).await.unwrap();
}

async fn only_the_dead_lose_their_claims(store: Stores) {
    for name in ["a", "b", "c", "d", "waiting"] {
        stored(&store, name).await;
    }
    let mut claimed = Vec::new();
    // In this order no claim is of a former life of the claimant.
    for by in [node("dead", 6), node("dead", 5), node("dead", 4), node("dea", 5)] {
        claimed.extend(store.jobs.claim_jobs(&by, at(0), LEASE, JobLane::Any, 1).await.unwrap());
    }
    assert_eq!(job_counts(&store).await, (1, 4));
    assert_eq!(store.jobs.release_claims_of(&node("other", 9), at(1)).await.unwrap(), 0);
    assert_eq!(store.jobs.release_claims_of(&node("dead", 3), at(1)).await.unwrap(), 0);
    assert_eq!(store.jobs.release_claims_of(&node("dead", 5), at(1)).await.unwrap(), 2);
    assert_eq!(job_counts(&store).await, (3, 2));
    // The life after it and the node with almost its name go on.
    for job in [&claimed[0], &claimed[3]] {
        store.jobs.renew_claim(job.id, token(job), at(99)).await.unwrap();
    }
    for job in [&claimed[1], &claimed[2]] {
        assert_fenced(store.jobs.renew_claim(job.id, token(job), at(99)).await);
    }
}

async fn the_dead_are_fenced(store: Stores) {
    stored(&store, "a.txt").await;
    let old = claim(&store, &node("dead", 1), at(0)).await;
    store.jobs.release_claims_of(&node("dead", 1), at(1)).await.unwrap();
    let fenced = async || {
        assert_fenced(store.jobs.renew_claim(old.id, token(&old), at(100)).await);
        assert_fenced(store.jobs.finish_job(old.id, token(&old), completed(), at(2)).await);
        assert_fenced(store.jobs.release_job(old.id, token(&old), at(2), None).await);
        assert_fenced(store.jobs.release_job(old.id, token(&old), at(2), Some("late".to_owned())).await);
    };
    fenced().await;
    let new = claim(&store, &node("b", 1), at(1)).await;
    fenced().await;
    claims_nothing(&store, &node("c", 1), at(30)).await;
    store.jobs.finish_job(new.id, token(&new), completed(), at(31)).await.unwrap();
    fenced().await;
}

async fn many_survivors_release_each_job_once(store: Stores) {
    for i in 0..150 {
        stored(&store, &format!("{i}.txt")).await;
    }
    let dead = node("dead", 1);
    let running = store.jobs.claim_jobs(&dead, at(0), LEASE, JobLane::Any, 140).await.unwrap();
    assert_eq!(running.len(), 140);
    let survivors = (0..4).map(|_| {
        let (store, dead) = (store.clone(), dead.clone());
        async move { store.jobs.release_claims_of(&dead, at(1)).await.unwrap() }
    });
    assert_eq!(all_at_once(survivors).await.into_iter().sum::<u64>(), 140);
    assert_eq!(job_counts(&store).await, (150, 0));
}

async fn a_death_leaves_what_was_finished(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let job = claim(&store, &node("dead", 1), at(0)).await;
    store.jobs.finish_job(job.id, token(&job), completed(), at(1)).await.unwrap();
    assert_eq!(store.jobs.release_claims_of(&node("dead", 1), at(2)).await.unwrap(), 0);
    let ready = store.works.asset(asset.id).await.unwrap().unwrap();
    assert_eq!(ready.processing_status, Some(ProcessingStatus::Completed));
    claims_nothing(&store, &node("b", 1), at(3)).await;
}
