//! Reading through: of those who miss an entry one loads it, and a drop leaves nothing old behind.

use std::time::Duration;

use metastamp_store::cache::{Looked, SharedCache};

use super::{LONG, SHORT, Store, get};
use crate::harness::{Case, all_at_once, cases, eventually, shared_cases};

pub fn alone() -> Vec<Case<SharedCache>> {
    cases![
        one_of_those_who_miss_loads,
        a_load_ends,
        a_drop_takes_the_load_away,
        a_drop_removes_what_it_names,
        a_filled_entry_runs_out,
        loads_share_no_names_with_the_rest,
    ]
}

pub fn together() -> Vec<Case<SharedCache>> {
    shared_cases![one_of_many_loads, a_drop_is_seen_by_all]
}

async fn look(cache: &Store, key: &str, within: Duration) -> Looked {
    cache.look(key, within).await.unwrap()
}

/// The token of one who must load.
async fn load(cache: &Store, key: &str, within: Duration) -> String {
    match look(cache, key, within).await {
        Looked::Load(token) => token,
        other => panic!("{key}: {other:?}"),
    }
}

async fn fill(cache: &Store, key: &str, token: &str, value: &str) -> bool {
    cache.fill(key, token, value, LONG).await.unwrap()
}

async fn drop_entries(cache: &Store, keys: &[&str]) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    cache.drop_entries(&keys).await.unwrap();
}

async fn one_of_those_who_miss_loads(cache: Store) {
    let token = load(&cache, "k", LONG).await;
    assert_eq!(look(&cache, "k", LONG).await, Looked::Wait);
    assert_eq!(get(&cache, "k").await, None);
    assert!(!fill(&cache, "k", "another", "v").await, "only the one who was asked to load");
    assert!(!fill(&cache, "l", &token, "v").await, "only what it was asked to load");
    assert!(fill(&cache, "k", &token, "v").await);
    assert_eq!(look(&cache, "k", LONG).await, Looked::Hit("v".to_owned()));
    assert_eq!(get(&cache, "k").await.as_deref(), Some("v"));
    assert!(!fill(&cache, "k", &token, "w").await, "once");
    assert_eq!(get(&cache, "k").await.as_deref(), Some("v"));
}

async fn a_load_ends(cache: Store) {
    let first = load(&cache, "k", SHORT).await;
    eventually(
        "another one loads",
        async || matches!(look(&cache, "k", LONG).await, Looked::Load(second) if second != first),
    )
    .await;
    assert!(!fill(&cache, "k", &first, "late").await);
    assert_eq!(look(&cache, "k", LONG).await, Looked::Wait, "the second one's load stands");
}

async fn a_drop_takes_the_load_away(cache: Store) {
    let old = load(&cache, "k", LONG).await;
    drop_entries(&cache, &["k"]).await;
    assert!(!fill(&cache, "k", &old, "old").await);
    assert_eq!(get(&cache, "k").await, None);
    let new = load(&cache, "k", LONG).await;
    assert!(!fill(&cache, "k", &old, "old").await);
    assert!(fill(&cache, "k", &new, "new").await);
    assert_eq!(get(&cache, "k").await.as_deref(), Some("new"));
}

async fn a_drop_removes_what_it_names(cache: Store) {
    for key in ["a", "b", "ab"] {
        cache.set(key, "v", LONG).await.unwrap();
    }
    drop_entries(&cache, &[]).await;
    for _ in 0..2 {
        drop_entries(&cache, &["a", "absent", "b"]).await;
    }
    assert_eq!((get(&cache, "a").await, get(&cache, "b").await), (None, None));
    assert_eq!(get(&cache, "ab").await.as_deref(), Some("v"));
    let many: Vec<String> = (0..300).map(|i| format!("many:{i}")).collect();
    for key in &many {
        cache.set(key, "v", LONG).await.unwrap();
    }
    cache.drop_entries(&many).await.unwrap();
    for key in &many {
        assert_eq!(get(&cache, key).await, None, "{key}");
    }
}

async fn a_filled_entry_runs_out(cache: Store) {
    let token = load(&cache, "k", LONG).await;
    assert!(cache.fill("k", &token, "v", SHORT).await.unwrap());
    eventually("the entry runs out", async || matches!(look(&cache, "k", LONG).await, Looked::Load(_))).await;
}

async fn loads_share_no_names_with_the_rest(cache: Store) {
    assert!(cache.lock("k", "ada", LONG).await.unwrap());
    let token = load(&cache, "k", LONG).await;
    assert!(!cache.lock("k", "bob", LONG).await.unwrap());
    assert!(fill(&cache, "k", &token, "v").await);
    drop_entries(&cache, &["k"]).await;
    assert!(!cache.lock("k", "bob", LONG).await.unwrap(), "dropping an entry leaves locks alone");
}

async fn one_of_many_loads(one: Store, two: Store) {
    for key in ["k", "l"] {
        let lookers = [&one, &two].into_iter().cycle().take(16).map(|cache| {
            let cache = cache.clone();
            async move { cache.look(key, LONG).await.unwrap() }
        });
        let looked = all_at_once(lookers).await;
        assert_eq!(looked.iter().filter(|looked| matches!(looked, Looked::Load(_))).count(), 1, "{looked:?}");
        assert_eq!(looked.iter().filter(|looked| **looked == Looked::Wait).count(), 15, "{looked:?}");
    }
}

async fn a_drop_is_seen_by_all(one: Store, two: Store) {
    let old = load(&one, "k", LONG).await;
    drop_entries(&two, &["k"]).await;
    assert!(!fill(&one, "k", &old, "old").await);
    let token = load(&two, "k", LONG).await;
    assert!(fill(&two, "k", &token, "v").await);
    assert_eq!(look(&one, "k", LONG).await, Looked::Hit("v".to_owned()));
    drop_entries(&one, &["k"]).await;
    assert!(matches!(look(&two, "k", LONG).await, Looked::Load(_)));
}
