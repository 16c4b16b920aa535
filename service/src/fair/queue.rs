//! A semaphore that is fair between callers.

use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::schedule::{Bounds, Joined, Schedule};

/// There is no room to wait in, or somebody with fewer requests took the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Callers wait for their turns; [`super::schedule`] has the rules. Cheap to clone.
pub struct FairQueue<K: Clone + Hash + Eq>(Arc<Mutex<Schedule<K, Ticket<K>>>>);

/// Where one who waits is called.
type Ticket<K> = oneshot::Sender<Turn<K>>;

/// The leave to run; dropped, the next one is called.
pub struct Turn<K: Clone + Hash + Eq> {
    /// `None`: nothing is given back.
    queue: Option<FairQueue<K>>,
    key: K,
}

impl<K: Clone + Hash + Eq> Clone for FairQueue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone + Hash + Eq> FairQueue<K> {
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Schedule::new(bounds))))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }

    /// Waits until it is this caller's turn. Whoever drops this does not wait any more.
    ///
    /// # Errors
    /// When too many wait already, at once or while waiting.
    pub async fn turn(&self, key: K) -> Result<Turn<K>, Full> {
        let (ticket, called) = oneshot::channel();
        {
            let mut schedule = self.0.lock();
            schedule.forget(oneshot::Sender::is_closed);
            // A ticket that is dropped tells the one who waited for it.
            if matches!(schedule.join(key, ticket), Joined::Refused) {
                return Err(Full);
            }
            self.call(&mut schedule);
        }
        called.await.map_err(|_| Full)
    }

    /// Calls those whose turn it is.
    fn call(&self, schedule: &mut Schedule<K, Ticket<K>>) {
        while let Some((key, ticket)) = schedule.next() {
            let turn = Turn { queue: Some(self.clone()), key };
            if let Err(mut turn) = ticket.send(turn) {
                // It went away a moment ago. Its turn must not end itself: the schedule is in our hands.
                turn.queue = None;
                schedule.done(&turn.key);
            }
        }
    }
}

impl<K: Clone + Hash + Eq> Drop for Turn<K> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let mut schedule = queue.0.lock();
            schedule.done(&self.key);
            queue.call(&mut schedule);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    fn queue(waiting: usize) -> FairQueue<char> {
        FairQueue::new(Bounds { at_once: 1, waiting, waiting_each: waiting })
    }

    #[tokio::test]
    async fn a_newcomer_is_called_next() {
        let queue = queue(9);
        let running = queue.turn('a').await.ok().unwrap();
        let (mut second, mut newcomer) = (Box::pin(queue.turn('a')), Box::pin(queue.turn('n')));
        assert!(poll!(&mut second).is_pending() && poll!(&mut newcomer).is_pending());
        drop(running);
        assert!(poll!(&mut second).is_pending());
        drop(newcomer.await.ok().unwrap());
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn who_hangs_up_makes_room_for_the_next() {
        let queue = queue(2);
        let running = queue.turn('a').await.ok().unwrap();
        let mut gone = [Box::pin(queue.turn('a')), Box::pin(queue.turn('a'))];
        for waiting in &mut gone {
            assert!(poll!(waiting).is_pending());
        }
        assert_eq!(queue.turn('a').await.err(), Some(Full));
        drop(gone);
        let mut waiting = Box::pin(queue.turn('a'));
        assert!(poll!(&mut waiting).is_pending());
        // called, and gone before it looked: the turn is not lost
        let mut called = Box::pin(queue.turn('b'));
        assert!(poll!(&mut called).is_pending());
        drop(running);
        drop(called);
        assert!(waiting.await.is_ok());
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn who_must_give_way_is_told() {
        let queue = queue(2);
        let _running = queue.turn('a').await.ok().unwrap();
        let (mut first, mut second) = (Box::pin(queue.turn('a')), Box::pin(queue.turn('a')));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        let mut newcomer = Box::pin(queue.turn('n'));
        assert!(poll!(&mut newcomer).is_pending());
        assert!(matches!(poll!(&mut second), Poll::Ready(Err(Full))));
        assert!(poll!(&mut first).is_pending());
    }
}
