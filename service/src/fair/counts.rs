//! How much of a bounded thing each caller holds.

use std::collections::HashMap;
use std::hash::Hash;

/// Callers that hold nothing take no memory.
#[derive(Debug, Clone)]
pub struct Counts<K>(HashMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Counts<K> {
    pub fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// How many callers hold something.
    pub fn callers(&self) -> usize {
        self.0.len()
    }

    pub fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    pub fn remove(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_nothing_is_forgotten() {
        let mut counts = Counts::default();
        for key in ["a", "a", "b"] {
            counts.add(key);
        }
        assert_eq!((counts.of(&"a"), counts.of(&"b"), counts.of(&"c"), counts.callers()), (2, 1, 0, 2));
        for key in ["a", "a", "b", "c"] {
            counts.remove(&key);
        }
        assert_eq!((counts.of(&"a"), counts.callers()), (0, 0));
    }
}
