//! The contract of the cache, case by case. It runs on the real clock: what runs out is waited for, within a bound.

mod loads;

use std::time::{Duration, Instant};

use metastamp_store::cache::{Admission, RateLimit, SharedCache};

use crate::harness::{self, Case, all_at_once, cases, eventually, shared_cases};

type Store = SharedCache;

/// Does not run out while a case runs.
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(50);
/// Clocks of engines count whole milliseconds.
const CLOCK_GRAIN: Duration = Duration::from_millis(2);
/// Ten tokens, of which none comes back while a case runs.
const TEN_AN_HOUR: RateLimit = RateLimit { capacity: 10, refill: LONG };

pub async fn contract(open: impl AsyncFn(&str) -> Store) {
    harness::run(alone(), &open).await;
    harness::run(together(), &open).await;
    harness::run(loads::alone(), &open).await;
    harness::run(loads::together(), &open).await;
}

fn alone() -> Vec<Case<SharedCache>> {
    cases![
        values_are_read_back,
        a_value_runs_out,
        a_value_is_overwritten_with_its_time,
        a_deleted_value_is_gone,
        a_bucket_runs_empty,
        a_bucket_refills,
        a_bucket_holds_no_more_than_its_capacity,
        what_was_taken_for_nothing_is_put_back,
        buckets_are_separate,
        many_takers_get_no_more_than_there_is,
        a_lock_is_held_by_one,
        a_lock_runs_out,
        a_renewed_lock_holds,
        one_of_many_gets_the_lock,
        locks_values_and_buckets_share_no_names,
        a_sweep_leaves_what_is_alive,
    ]
}

fn together() -> Vec<Case<SharedCache>> {
    shared_cases![what_is_kept_first_stays, both_see_the_same, a_bucket_is_shared, a_lock_is_shared]
}

async fn what_is_kept_first_stays(one: Store, two: Store) {
    let work = (0..8).map(|n| (if n % 2 == 0 { one.clone() } else { two.clone() }, format!("value {n}")));
    let kept = all_at_once(work.map(|(cache, value)| async move { cache.keep("who", &value).await.unwrap() })).await;
    assert!(kept.iter().all(|value| *value == kept[0]), "{kept:?}");
    one.sweep().await.unwrap();
    assert_eq!(two.keep("who", "another").await.unwrap(), kept[0]);
    one.delete("who").await.unwrap();
    assert_eq!(two.keep("who", "another").await.unwrap(), "another", "lost, and there again");
}

async fn get(cache: &Store, key: &str) -> Option<String> {
    cache.get(key).await.unwrap()
}

async fn lock(cache: &Store, name: &str, holder: &str) -> bool {
    cache.lock(name, holder, LONG).await.unwrap()
}

async fn allowed(cache: &Store, key: &str, limit: RateLimit) -> bool {
    cache.take_token(key, limit).await.unwrap() == Admission::Allowed
}

/// How many of so many takes are allowed.
async fn take(cache: &Store, key: &str, limit: RateLimit, times: u32) -> u32 {
    let mut taken = 0;
    for _ in 0..times {
        taken += u32::from(allowed(cache, key, limit).await);
    }
    taken
}

/// Waits until the engine's own clock has moved on by `time`.
async fn pass(cache: &Store, time: Duration) {
    cache.set("hourglass", "", time).await.unwrap();
    eventually("the hourglass runs out", async || get(cache, "hourglass").await.is_none()).await;
}

async fn values_are_read_back(cache: Store) {
    cache.ping().await.unwrap();
    assert_eq!(get(&cache, "absent").await, None);
    let long = "x".repeat(200_000);
    let values =
        [("a", "1"), ("a:b", ""), ("A", "ünï\n\"\u{0}\u{1F3B9}"), ("ключ %_*", "{\"json\":true}"), ("l", &long)];
    for (key, value) in values {
        cache.set(key, value, LONG).await.unwrap();
    }
    for (key, value) in values {
        assert_eq!(get(&cache, key).await.as_deref(), Some(value), "{key}");
    }
    assert_eq!(get(&cache, "ключ").await, None);
}

async fn a_value_runs_out(cache: Store) {
    let set = Instant::now();
    cache.set("long", "v", LONG).await.unwrap();
    cache.set("short", "v", SHORT).await.unwrap();
    eventually("the value runs out", async || get(&cache, "short").await.is_none()).await;
    assert!(set.elapsed() + CLOCK_GRAIN >= SHORT, "gone after {:?}", set.elapsed());
    assert_eq!(get(&cache, "long").await.as_deref(), Some("v"));
    // Once gone, gone; and the key is free again.
    assert_eq!(get(&cache, "short").await, None);
    cache.set("short", "again", LONG).await.unwrap();
    assert_eq!(get(&cache, "short").await.as_deref(), Some("again"));
}

async fn a_value_is_overwritten_with_its_time(cache: Store) {
    cache.set("longer", "old", SHORT).await.unwrap();
    cache.set("longer", "new", LONG).await.unwrap();
    cache.set("shorter", "old", LONG).await.unwrap();
    cache.set("shorter", "new", SHORT).await.unwrap();
    eventually("the shorter time counts", async || get(&cache, "shorter").await.is_none()).await;
    pass(&cache, SHORT).await;
    assert_eq!(get(&cache, "longer").await.as_deref(), Some("new"));
}

async fn a_deleted_value_is_gone(cache: Store) {
    cache.set("a", "1", LONG).await.unwrap();
    cache.set("ab", "2", LONG).await.unwrap();
    for _ in 0..2 {
        cache.delete("a").await.unwrap();
        assert_eq!(get(&cache, "a").await, None);
    }
    assert_eq!(get(&cache, "ab").await.as_deref(), Some("2"));
    cache.set("a", "3", LONG).await.unwrap();
    assert_eq!(get(&cache, "a").await.as_deref(), Some("3"));
}

async fn a_bucket_runs_empty(cache: Store) {
    let started = Instant::now();
    assert_eq!(take(&cache, "k", TEN_AN_HOUR, 15).await, 10);
    for _ in 0..3 {
        let verdict = cache.take_token("k", TEN_AN_HOUR).await.unwrap();
        let Admission::Refused { retry_after } = verdict else { panic!("{verdict:?}") };
        // One token comes back every six minutes; being refused does not postpone it.
        let whole = LONG / 10;
        assert!(retry_after <= whole + CLOCK_GRAIN, "{retry_after:?}");
        assert!(retry_after + started.elapsed() + CLOCK_GRAIN >= whole, "{retry_after:?}");
    }
}

async fn what_was_taken_for_nothing_is_put_back(cache: Store) {
    assert_eq!(take(&cache, "k", TEN_AN_HOUR, 15).await, 10);
    for _ in 0..3 {
        cache.return_token("k", TEN_AN_HOUR).await.unwrap();
    }
    assert_eq!(take(&cache, "k", TEN_AN_HOUR, 15).await, 3);
    // no more than a full bucket, also where none was taken
    for key in ["k", "unused"] {
        for _ in 0..15 {
            cache.return_token(key, TEN_AN_HOUR).await.unwrap();
        }
        assert_eq!(take(&cache, key, TEN_AN_HOUR, 20).await, 10, "{key}");
    }
}

async fn a_bucket_refills(cache: Store) {
    let limit = RateLimit { capacity: 2, refill: Duration::from_millis(400) };
    let started = Instant::now();
    let mut taken = take(&cache, "k", limit, 5).await;
    assert!(taken >= 2, "{taken}");
    for _ in 0..4 {
        match cache.take_token("k", limit).await.unwrap() {
            Admission::Allowed => taken += 1,
            Admission::Refused { retry_after } => {
                assert!(
                    retry_after > Duration::ZERO && retry_after <= limit.refill / 2 + CLOCK_GRAIN,
                    "{retry_after:?}"
                );
                // Comes back as a client would: after the time it was told.
                tokio::time::sleep(retry_after + CLOCK_GRAIN).await;
                assert!(allowed(&cache, "k", limit).await, "refused again after {retry_after:?}");
                taken += 1;
            }
        }
    }
    assert_within(taken, limit, started.elapsed());
}

/// No more tokens than a full bucket and what came back since.
#[track_caller]
fn assert_within(taken: u32, limit: RateLimit, elapsed: Duration) {
    let refilled = f64::from(limit.capacity) * (elapsed + CLOCK_GRAIN).div_duration_f64(limit.refill);
    assert!(f64::from(taken) <= f64::from(limit.capacity) + refilled, "{taken} tokens in {elapsed:?}");
}

async fn a_bucket_holds_no_more_than_its_capacity(cache: Store) {
    let limit = RateLimit { capacity: 2, refill: Duration::from_millis(200) };
    take(&cache, "k", limit, 5).await;
    pass(&cache, limit.refill * 3).await;
    let started = Instant::now();
    let taken = take(&cache, "k", limit, 10).await;
    assert!(taken >= 2, "{taken}");
    assert_within(taken, limit, started.elapsed());
}

async fn buckets_are_separate(cache: Store) {
    let other = RateLimit { capacity: 3, refill: LONG };
    assert_eq!(take(&cache, "a", TEN_AN_HOUR, 15).await, 10);
    assert_eq!(take(&cache, "b", other, 15).await, 3);
    assert_eq!(take(&cache, "ab", TEN_AN_HOUR, 15).await, 10);
    assert!(!allowed(&cache, "a", TEN_AN_HOUR).await);
}

/// Sixteen at once, spread over the handles; how many got a token.
async fn rush(caches: &[&Store]) -> usize {
    let takers = caches.iter().cycle().take(16).map(|cache| {
        let cache = (*cache).clone();
        async move { allowed(&cache, "k", TEN_AN_HOUR).await }
    });
    all_at_once(takers).await.into_iter().filter(|allowed| *allowed).count()
}

async fn many_takers_get_no_more_than_there_is(cache: Store) {
    assert_eq!(rush(&[&cache]).await, 10);
    assert_eq!(rush(&[&cache]).await, 0);
}

async fn a_lock_is_held_by_one(cache: Store) {
    assert!(lock(&cache, "l", "ada").await);
    assert!(lock(&cache, "l", "ada").await, "the holder renews");
    assert!(!lock(&cache, "l", "bob").await);
    assert!(!lock(&cache, "l", "").await);
    assert!(lock(&cache, "other", "bob").await);
    cache.unlock("l", "bob").await.unwrap();
    cache.unlock("absent", "bob").await.unwrap();
    assert!(!lock(&cache, "l", "bob").await, "only the holder gives it back");
    cache.unlock("l", "ada").await.unwrap();
    assert!(lock(&cache, "l", "bob").await);
    assert!(!lock(&cache, "l", "ada").await);
}

async fn a_lock_runs_out(cache: Store) {
    let taken = Instant::now();
    assert!(cache.lock("l", "ada", SHORT).await.unwrap());
    eventually("the lock runs out", async || lock(&cache, "l", "bob").await).await;
    assert!(taken.elapsed() + CLOCK_GRAIN >= SHORT, "free after {:?}", taken.elapsed());
    assert!(!lock(&cache, "l", "ada").await, "the former holder is like anybody");
    cache.unlock("l", "ada").await.unwrap();
    assert!(!lock(&cache, "l", "eve").await);
}

async fn a_renewed_lock_holds(cache: Store) {
    assert!(cache.lock("longer", "ada", SHORT).await.unwrap());
    assert!(cache.lock("longer", "ada", LONG).await.unwrap());
    pass(&cache, SHORT * 2).await;
    assert!(!lock(&cache, "longer", "bob").await);
    // The last word counts, also when it is the shorter one.
    assert!(cache.lock("longer", "ada", SHORT).await.unwrap());
    eventually("the renewed lock runs out", async || lock(&cache, "longer", "bob").await).await;
}

async fn contend(caches: &[&Store], name: &'static str) -> usize {
    let rivals = caches.iter().cycle().take(16).enumerate().map(|(i, cache)| {
        let cache = (*cache).clone();
        async move { lock(&cache, name, &format!("holder{i}")).await }
    });
    all_at_once(rivals).await.into_iter().filter(|taken| *taken).count()
}

async fn one_of_many_gets_the_lock(cache: Store) {
    assert_eq!(contend(&[&cache], "l").await, 1);
    assert_eq!(contend(&[&cache], "m").await, 1);
}

async fn locks_values_and_buckets_share_no_names(cache: Store) {
    assert!(lock(&cache, "x", "ada").await);
    assert_eq!(get(&cache, "x").await, None);
    cache.set("x", "v", LONG).await.unwrap();
    assert_eq!(take(&cache, "x", TEN_AN_HOUR, 15).await, 10);
    assert_eq!(get(&cache, "x").await.as_deref(), Some("v"));
    cache.delete("x").await.unwrap();
    assert!(!lock(&cache, "x", "bob").await);
    assert!(!allowed(&cache, "x", TEN_AN_HOUR).await);
    cache.unlock("x", "ada").await.unwrap();
    assert!(!allowed(&cache, "x", TEN_AN_HOUR).await);
}

async fn a_sweep_leaves_what_is_alive(cache: Store) {
    let fast = RateLimit { capacity: 3, refill: SHORT };
    cache.set("live", "v", LONG).await.unwrap();
    assert!(lock(&cache, "live", "ada").await);
    assert_eq!(take(&cache, "live", TEN_AN_HOUR, 15).await, 10);
    cache.set("dead", "v", SHORT).await.unwrap();
    assert!(cache.lock("dead", "ada", SHORT).await.unwrap());
    assert!(allowed(&cache, "dead", fast).await);
    pass(&cache, SHORT * 2).await;
    for _ in 0..2 {
        cache.sweep().await.unwrap();
        assert_eq!(get(&cache, "live").await.as_deref(), Some("v"));
        assert_eq!(get(&cache, "dead").await, None);
        assert!(!lock(&cache, "live", "bob").await);
        assert!(!allowed(&cache, "live", TEN_AN_HOUR).await);
    }
    assert!(lock(&cache, "dead", "bob").await);
    assert_eq!(take(&cache, "dead", fast, 3).await, 3);
}

async fn both_see_the_same(one: Store, two: Store) {
    for (writer, reader) in [(&one, &two), (&two, &one)] {
        writer.set("k", "v", LONG).await.unwrap();
        assert_eq!(get(reader, "k").await.as_deref(), Some("v"));
        reader.set("k", "w", LONG).await.unwrap();
        assert_eq!(get(writer, "k").await.as_deref(), Some("w"));
        writer.delete("k").await.unwrap();
        assert_eq!(get(reader, "k").await, None);
    }
    one.set("short", "v", SHORT).await.unwrap();
    eventually("the value runs out for the other, too", async || get(&two, "short").await.is_none()).await;
}

async fn a_bucket_is_shared(one: Store, two: Store) {
    assert_eq!(rush(&[&one, &two]).await, 10);
    assert!(!allowed(&one, "k", TEN_AN_HOUR).await && !allowed(&two, "k", TEN_AN_HOUR).await);
}

async fn a_lock_is_shared(one: Store, two: Store) {
    assert!(lock(&one, "l", "ada").await);
    assert!(!lock(&two, "l", "bob").await);
    assert!(lock(&two, "l", "ada").await, "a holder is a name, not a connection");
    two.unlock("l", "ada").await.unwrap();
    assert!(lock(&two, "l", "bob").await);
    assert!(!lock(&one, "l", "ada").await);
    assert_eq!(contend(&[&one, &two], "m").await, 1);
}
