//! Says a thing at most once in a while, so that a stranger can't fill the log.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Things remembered.
const MAX: usize = 1_024;

pub struct Throttle<K> {
    every: Duration,
    said: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Throttle<K> {
    pub fn new(every: Duration) -> Self {
        Self { every, said: HashMap::new() }
    }

    /// Whether it is time to say `thing` (again).
    pub fn admit(&mut self, thing: K) -> bool {
        let now = Instant::now();
        if self.said.get(&thing).is_some_and(|at| now - *at < self.every) {
            return false;
        }
        if self.said.len() >= MAX {
            let every = self.every;
            self.said.retain(|_, at| now - *at < every);
        }
        self.said.len() < MAX && self.said.insert(thing, now).is_none_or(|_| true)
    }
}
