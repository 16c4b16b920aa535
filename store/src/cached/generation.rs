//! The generation: a random word in the cache that every value must be stamped with. A new one makes all values void.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use super::{GENERATION_SEEN_FOR, RENEW_PAUSE, keys};
use crate::Result;
use crate::cache::SharedCache;

/// When it ends, whoever misses it begins a new one.
const LIFE: Duration = Duration::from_secs(86_400);
/// What was read this short a time ago is not read again for a value of another generation.
const JUST_SEEN: Duration = Duration::from_millis(100);

pub(super) type Word = Arc<str>;

#[derive(Clone)]
pub(super) struct Generation {
    cache: SharedCache,
    state: Arc<Mutex<State>>,
    /// Held by the one who asks the cache.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    seen: Option<(Word, Instant)>,
    /// A new generation must begin, not before this instant. Until it has, nothing is read from the cache.
    owed: Option<Instant>,
    /// A task is at it.
    renewing: bool,
}

impl Generation {
    /// Owes a new generation from the start.
    pub(super) fn new(cache: SharedCache) -> Self {
        let generation = Self { cache, state: Arc::default(), asking: Arc::default() };
        generation.owe(Instant::now());
        generation
    }

    /// None while values can't be trusted or the cache does not answer. One asks; nobody waits for a cache that hangs.
    pub(super) async fn current(&self) -> Option<Word> {
        if let Some(answer) = self.remembered(GENERATION_SEEN_FOR) {
            return answer;
        }
        match self.asking.try_lock() {
            Ok(asking) => self.ask(asking).await,
            Err(_) => self.remembered(2 * GENERATION_SEEN_FOR).flatten(),
        }
    }

    /// The same for one who has met a value of another generation.
    pub(super) async fn latest(&self) -> Option<Word> {
        if let Some(answer) = self.remembered(JUST_SEEN) {
            return answer;
        }
        let asking = self.asking.lock().await;
        match self.remembered(JUST_SEEN) {
            Some(answer) => answer,
            None => self.ask(asking).await,
        }
    }

    async fn ask(&self, _asking: MutexGuard<'_, ()>) -> Option<Word> {
        let asked = Instant::now();
        match self.cache.get(keys::GENERATION).await {
            Ok(Some(word)) => self.saw(Word::from(word), asked),
            Ok(None) => {
                let word = self.begin().await.ok()?;
                self.saw(word, asked);
            }
            Err(_) => return None,
        }
        self.remembered(Duration::MAX).flatten()
    }

    /// Some when there is no need to ask.
    fn remembered(&self, age_max: Duration) -> Option<Option<Word>> {
        let state = self.state.lock();
        match &state.seen {
            _ if state.owed.is_some() => Some(None),
            Some((word, at)) if at.elapsed() < age_max => Some(Some(word.clone())),
            _ => None,
        }
    }

    fn saw(&self, word: Word, at: Instant) {
        self.state.lock().seen = Some((word, at));
    }

    async fn begin(&self) -> Result<Word> {
        let word = uuid::Uuid::new_v4().simple().to_string();
        self.cache.set(keys::GENERATION, &word, LIFE).await?;
        Ok(Word::from(word))
    }

    /// Begins a new generation now, or owes it.
    pub(super) async fn renew(&self) {
        let began = Instant::now();
        match self.begin().await {
            Ok(word) => self.saw(word, began),
            Err(_) => self.owe(began),
        }
    }

    /// Nothing is read from the cache before a new generation has begun, which will not be before `from`.
    pub(super) fn owe(&self, from: Instant) {
        let mut state = self.state.lock();
        state.owed = Some(state.owed.map_or(from, |at| at.max(from)));
        if !state.renewing {
            state.renewing = true;
            tokio::spawn(self.clone().pay());
        }
    }

    /// Tries until nothing is owed.
    async fn pay(self) {
        loop {
            let Some(due) = self.due() else { return };
            tokio::time::sleep_until(due.into()).await;
            let asked = Instant::now();
            match self.begin().await {
                Ok(word) => {
                    let mut state = self.state.lock();
                    // what came to be owed since then needs another one
                    if state.owed == Some(due) {
                        state.owed = None;
                        state.seen = Some((word, asked));
                    }
                }
                Err(_) => tokio::time::sleep(RENEW_PAUSE).await,
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        state.renewing = state.owed.is_some();
        state.owed
    }
}
