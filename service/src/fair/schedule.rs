//! Who comes next: the rules of [`super::FairQueue`], without time and tasks.
//!
//! - Callers take turns, whatever they have sent: each one's requests wait in a line of their own (round-robin).
//! - Who has nothing running and nothing waiting is a newcomer, and comes before those who do. Of so many turns in a row
//!   one goes to the others all the same, or a stream of newcomers would keep them out for ever.
//! - When the room is full, the newest of the longest line gives way to whoever has fewer (longest-queue drop).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Turns of newcomers in a row while others wait.
const NEWCOMERS_IN_A_ROW_MAX: usize = 3;

/// How much there is, and how many may wait for it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Running at once.
    pub at_once: usize,
    /// Waiting, of all callers.
    pub waiting: usize,
    /// Waiting, of one caller.
    pub waiting_each: usize,
}

/// `T` is what stands in line.
pub struct Schedule<K, T> {
    bounds: Bounds,
    lines: HashMap<K, Line<T>>,
    /// Every caller of whom something waits is in one of these two, once.
    newcomers: VecDeque<K>,
    others: VecDeque<K>,
    newcomers_in_a_row: usize,
    running: usize,
    waiting: usize,
}

struct Line<T> {
    waiting: VecDeque<T>,
    running: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), running: 0 }
    }
}

/// What became of a request to wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<T> {
    Waits,
    /// It waits, and this one, who waited before, does not any more.
    InPlaceOf(T),
    /// There is no room for it.
    Refused,
}

impl<K: Clone + Hash + Eq, T> Schedule<K, T> {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lines: HashMap::new(),
            newcomers: VecDeque::new(),
            others: VecDeque::new(),
            newcomers_in_a_row: 0,
            running: 0,
            waiting: 0,
        }
    }

    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts `ticket` at the end of its caller's line.
    pub fn join(&mut self, key: K, ticket: T) -> Joined<T> {
        let mine = self.lines.get(&key).map_or(0, |line| line.waiting.len());
        if mine >= self.bounds.waiting_each {
            return Joined::Refused;
        }
        let mut dropped = None;
        if self.waiting >= self.bounds.waiting {
            dropped = self.drop_from_a_line_longer_than(mine + 1);
            if dropped.is_none() {
                return Joined::Refused;
            }
        }
        let line = self.lines.entry(key.clone()).or_default();
        if line.waiting.is_empty() {
            if line.running == 0 { &mut self.newcomers } else { &mut self.others }.push_back(key);
        }
        line.waiting.push_back(ticket);
        self.waiting += 1;
        dropped.map_or(Joined::Waits, Joined::InPlaceOf)
    }

    /// The last ticket of the longest line, which keeps others.
    fn drop_from_a_line_longer_than(&mut self, length: usize) -> Option<T> {
        let longest = self.lines.values_mut().max_by_key(|line| line.waiting.len())?;
        let dropped = if longest.waiting.len() > length { longest.waiting.pop_back() } else { None };
        self.waiting -= usize::from(dropped.is_some());
        dropped
    }

    /// Whose turn it is, if there is one; [`Schedule::done`] ends it.
    pub fn next(&mut self) -> Option<(K, T)> {
        if self.running >= self.bounds.at_once {
            return None;
        }
        let key = self.pick()?;
        let line = self.lines.get_mut(&key)?;
        let ticket = line.waiting.pop_front()?;
        line.running += 1;
        if !line.waiting.is_empty() {
            self.others.push_back(key.clone());
        }
        self.running += 1;
        self.waiting -= 1;
        Some((key, ticket))
    }

    fn pick(&mut self) -> Option<K> {
        let is_newcomers = self.others.is_empty() || self.newcomers_in_a_row < NEWCOMERS_IN_A_ROW_MAX;
        if is_newcomers && let Some(key) = self.newcomers.pop_front() {
            self.newcomers_in_a_row += 1;
            return Some(key);
        }
        self.newcomers_in_a_row = 0;
        self.others.pop_front()
    }

    /// A turn of this caller has ended.
    pub fn done(&mut self, key: &K) {
        if let Some(line) = self.lines.get_mut(key) {
            line.running -= 1;
            self.running -= 1;
            if line.running == 0 && line.waiting.is_empty() {
                self.lines.remove(key);
            }
        }
    }

    /// Takes those out of their lines who don't wait any more.
    pub fn forget(&mut self, is_gone: impl Fn(&T) -> bool) {
        for line in self.lines.values_mut() {
            line.waiting.retain(|ticket| !is_gone(ticket));
        }
        self.lines.retain(|_, line| line.running > 0 || !line.waiting.is_empty());
        let lines = &self.lines;
        let waits = |key: &K| lines.get(key).is_some_and(|line| !line.waiting.is_empty());
        self.newcomers.retain(waits);
        self.others.retain(waits);
        self.waiting = self.lines.values().map(|line| line.waiting.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbered = Schedule<char, usize>;

    fn schedule(at_once: usize, waiting: usize, waiting_each: usize) -> Numbered {
        Schedule::new(Bounds { at_once, waiting, waiting_each })
    }

    fn join(schedule: &mut Numbered, keys: &str) {
        for (i, key) in keys.chars().enumerate() {
            assert_eq!(schedule.join(key, i), Joined::Waits, "{key}");
        }
    }

    /// Whose turns come, one after the other.
    fn turns(schedule: &mut Numbered, times: usize) -> String {
        let mut keys = String::new();
        for (key, _) in std::iter::from_fn(|| {
            let next = schedule.next()?;
            schedule.done(&next.0);
            Some(next)
        })
        .take(times)
        {
            keys.push(key);
        }
        keys
    }

    #[test]
    fn callers_take_turns_whatever_they_send() {
        let mut schedule = schedule(1, 64, 32);
        join(&mut schedule, "aaaaaaabbc");
        assert_eq!(turns(&mut schedule, 20), "abcabaaaaa");
        assert_eq!((schedule.waiting(), schedule.lines.len()), (0, 0), "nothing is kept of callers that are served");
    }

    #[test]
    fn the_own_requests_stay_in_order() {
        let mut schedule = schedule(1, 64, 32);
        join(&mut schedule, "aaab");
        let of_a: Vec<_> = std::iter::from_fn(|| {
            let next = schedule.next()?;
            schedule.done(&next.0);
            Some(next)
        })
        .filter(|(key, _)| *key == 'a')
        .map(|(_, number)| number)
        .collect();
        assert_eq!(of_a, [0, 1, 2]);
    }

    #[test]
    fn a_newcomer_comes_before_all_who_are_served_already() {
        let mut schedule = schedule(1, 64, 32);
        join(&mut schedule, "aaaabbbbccccdddd");
        assert_eq!(turns(&mut schedule, 6), "abcadb");
        join(&mut schedule, "n");
        assert_eq!(turns(&mut schedule, 3), "nca");
    }

    #[test]
    fn whose_request_is_being_served_is_no_newcomer() {
        let mut schedule = schedule(2, 64, 32);
        join(&mut schedule, "ab");
        assert_eq!([schedule.next(), schedule.next()].map(|next| next.map(|(key, _)| key)), [Some('a'), Some('b')]);
        join(&mut schedule, "ac");
        schedule.done(&'b');
        assert_eq!(schedule.next().map(|(key, _)| key), Some('c'));
        schedule.done(&'a');
        assert_eq!(schedule.next().map(|(key, _)| key), Some('a'));
    }

    #[test]
    fn newcomers_without_end_keep_nobody_out() {
        let mut schedule = schedule(1, 64, 32);
        join(&mut schedule, "aaa");
        assert_eq!(turns(&mut schedule, 1), "a");
        join(&mut schedule, "bcdefghij");
        assert_eq!(turns(&mut schedule, 11), "bcadefaghij");
    }

    #[test]
    fn no_more_run_at_once_than_may() {
        let mut schedule = schedule(2, 64, 32);
        join(&mut schedule, "aaab");
        let running = [schedule.next().unwrap().0, schedule.next().unwrap().0];
        assert_eq!((running, schedule.next()), (['a', 'b'], None));
        schedule.done(&'b');
        assert_eq!(schedule.next().map(|(key, _)| key), Some('a'));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn one_caller_can_not_take_the_whole_room() {
        let mut schedule = schedule(1, 6, 4);
        join(&mut schedule, "aaaa");
        assert_eq!(schedule.join('a', 9), Joined::Refused, "its own bound");
        join(&mut schedule, "bb");
        assert_eq!(schedule.join('c', 7), Joined::InPlaceOf(3), "the newest of the longest line gives way");
        assert_eq!(schedule.join('d', 8), Joined::InPlaceOf(2));
        assert_eq!((schedule.waiting(), turns(&mut schedule, 9)), (6, "abcadb".to_owned()));
    }

    #[test]
    fn who_has_no_fewer_than_the_others_is_refused_when_full() {
        let mut schedule = schedule(1, 3, 3);
        join(&mut schedule, "abc");
        assert_eq!(schedule.join('d', 0), Joined::Refused);
        assert_eq!(schedule.join('a', 0), Joined::Refused);
        assert_eq!(turns(&mut schedule, 9), "abc");
    }

    #[test]
    fn who_went_away_holds_no_place() {
        let mut schedule = schedule(1, 4, 4);
        join(&mut schedule, "aaab");
        schedule.forget(|number| *number != 1);
        assert_eq!(schedule.waiting(), 1);
        assert_eq!((turns(&mut schedule, 4), schedule.lines.len()), ("a".to_owned(), 0));
    }
}
