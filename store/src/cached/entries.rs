//! Reading through the cache: of all who miss an entry, on any node, one loads it and the others wait for it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use metrics::counter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::generation::{Generation, Word};
use super::values;
use crate::Result;
use crate::cache::{Looked, SharedCache};
use crate::metrics::{CACHE_HITS_TOTAL, CACHE_MISSES_TOTAL};

/// A load that takes longer is no longer waited for, and does not fill the entry.
const LOAD_WITHIN: Duration = Duration::from_secs(2);
/// How long one waits for somebody else's load; then one loads without filling. Long enough for a second loader.
const WAIT_MAX: Duration = Duration::from_millis(2_500);
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Larger values are not cached.
const VALUE_BYTES_MAX: usize = 256 << 10;
/// Queues of those who wait in this process; keys of the same queue wait for each other.
const QUEUES: usize = 256;

pub(super) struct Entries {
    cache: SharedCache,
    pub(super) generation: Generation,
    /// One of each queue asks again and again, the others when it is done.
    queues: Vec<Mutex<()>>,
}

enum Found<T> {
    Hit(T),
    /// Missing, and ours to load and to fill.
    Load {
        token: String,
        generation: Word,
    },
    Wait,
    /// To be read as if there were no cache.
    Bypass,
}

impl Entries {
    pub(super) fn new(cache: SharedCache) -> Self {
        let queues = (0..QUEUES).map(|_| Mutex::default()).collect();
        Self { generation: Generation::new(cache.clone()), cache, queues }
    }

    /// The entry, or what `load` gives, which then is the entry for as long as `ttl` says. Nothing is remembered of what
    /// is not there. `what` is the label of the metrics; none is not counted.
    pub(super) async fn through<T: Serialize + DeserializeOwned>(
        &self,
        what: Option<&'static str>,
        key: &str,
        ttl: impl FnOnce(&T) -> Duration,
        load: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        let found = self.find(key).await;
        if let Some(what) = what {
            let name = if matches!(found, Found::Hit(_)) { CACHE_HITS_TOTAL } else { CACHE_MISSES_TOTAL };
            counter!(name, "what" => what).increment(1);
        }
        match found {
            Found::Hit(value) => Ok(Some(value)),
            Found::Wait | Found::Bypass => load.await,
            Found::Load { token, generation } => {
                let loading = Loading { cache: &self.cache, key, filled: false };
                let loaded = load.await?;
                if let Some(value) = &loaded {
                    loading.fill(&token, &generation, value, ttl(value)).await;
                }
                Ok(loaded)
            }
        }
    }

    async fn find<T: DeserializeOwned>(&self, key: &str) -> Found<T> {
        let Some(generation) = self.generation.current().await else { return Found::Bypass };
        match self.look(key, &generation).await {
            Found::Wait => {}
            found => return found,
        }
        timeout(WAIT_MAX, self.wait(key, &generation)).await.unwrap_or(Found::Bypass)
    }

    async fn wait<T: DeserializeOwned>(&self, key: &str, generation: &Word) -> Found<T> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let _turn = self.queues[hasher.finish() as usize % QUEUES].lock().await;
        let (began, mut pause) = (Instant::now(), PAUSE_MIN);
        while began.elapsed() < WAIT_MAX {
            match self.look(key, generation).await {
                Found::Wait => sleep(pause).await,
                found => return found,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Found::Bypass
    }

    async fn look<T: DeserializeOwned>(&self, key: &str, generation: &Word) -> Found<T> {
        let mut generation = generation.clone();
        // The second time, what can't be used was dropped.
        for _ in 0..2 {
            let text = match self.cache.look(key, LOAD_WITHIN).await {
                Ok(Looked::Hit(text)) => text,
                Ok(Looked::Load(token)) => return Found::Load { token, generation },
                Ok(Looked::Wait) => return Found::Wait,
                Err(_) => return Found::Bypass,
            };
            let stamp = values::generation(&text);
            if stamp.is_some_and(|stamp| *stamp != *generation) {
                // Another node may know of a newer one.
                let Some(latest) = self.generation.latest().await else { return Found::Bypass };
                generation = latest;
            }
            match values::decode(&text) {
                Some(value) if stamp == Some(&*generation) => return Found::Hit(value),
                _ if self.cache.drop_entries(&[key.to_owned()]).await.is_err() => return Found::Bypass,
                _ => {}
            }
        }
        Found::Bypass
    }

    /// Drops entries; when that fails, all values of this generation are void for this node, and soon for all.
    pub(super) async fn drop_keys(&self, keys: &[String]) {
        if self.cache.drop_entries(keys).await.is_err() {
            self.generation.owe(Instant::now());
        }
    }
}

/// The right to load an entry. Given back when nothing comes of it, so that nobody waits in vain.
struct Loading<'a> {
    cache: &'a SharedCache,
    key: &'a str,
    filled: bool,
}

impl Loading<'_> {
    async fn fill<T: Serialize>(mut self, token: &str, generation: &str, value: &T, ttl: Duration) {
        let Some(text) = values::encode(generation, value).filter(|text| text.len() <= VALUE_BYTES_MAX) else { return };
        // Refused when it was dropped meanwhile, which is as good; a failure is the same as no cache.
        self.filled = self.cache.fill(self.key, token, &text, ttl).await.is_ok();
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if self.filled {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (cache, keys) = (self.cache.clone(), [self.key.to_owned()]);
            // Fails when the cache is away, and then nobody waits for it.
            runtime.spawn(async move { cache.drop_entries(&keys).await });
        }
    }
}
