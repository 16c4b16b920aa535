//! Says a thing at most once in a while, so that a stranger can't fill the log.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

pub struct Throttle<K> {
    every: Duration,
    max: usize,
    said: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Throttle<K> {
    /// At most `max` different things within `every`.
    pub fn new(every: Duration, max: usize) -> Self {
        Self { every, max, said: HashMap::new() }
    }

    /// Whether it is time to say `thing` (again).
    pub fn admit(&mut self, thing: K) -> bool {
        let now = Instant::now();
        if self.said.get(&thing).is_some_and(|at| now - *at < self.every) {
            return false;
        }
        if self.said.len() >= self.max {
            let every = self.every;
            self.said.retain(|_, at| now - *at < every);
        }
        let room = self.said.len() < self.max || self.said.contains_key(&thing);
        if room {
            self.said.insert(thing, now);
        }
        room
    }
}
