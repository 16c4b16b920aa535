//! How many uploads may run at once: a bound for each user, and one for the node, shared over users and addresses.
//!
//! The fuller the node, the less one caller may have of it: nobody gets a slot who holds as many as are free (a dynamic
//! threshold, as switches share their buffers). One address alone gets half of all, two get two thirds between them, and
//! something is left for whoever has none.

use std::sync::Arc;

use metastamp_protocol::{ErrorCode, ObjectId};
use metrics::{counter, gauge};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::fair::{Counts, Origin};
use crate::metrics::{UPLOADS_IN_PROGRESS, UPLOADS_REJECTED_TOTAL};

/// The web client sends at most five at once, each up to four times.
const PER_USER_MAX: usize = 64;
const PER_NODE_MAX: usize = 512;

#[derive(Clone, Default)]
pub struct UploadSlots(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    by_user: Counts<ObjectId>,
    by_origin: Counts<Origin>,
    all: usize,
}

/// Given back when dropped.
pub struct UploadSlot {
    slots: UploadSlots,
    user: ObjectId,
    origin: Origin,
}

impl UploadSlots {
    /// # Errors
    /// 429 when the user or the address has too many uploads under way, 503 when the node has.
    pub fn take(&self, user: ObjectId, origin: Origin) -> Result<UploadSlot> {
        let mut taken = self.0.lock();
        taken.judge(&user, &origin)?;
        taken.by_user.add(user);
        taken.by_origin.add(origin);
        taken.all += 1;
        gauge!(UPLOADS_IN_PROGRESS).set(taken.all as f64);
        Ok(UploadSlot { slots: self.clone(), user, origin })
    }
}

impl Taken {
    fn judge(&self, user: &ObjectId, origin: &Origin) -> Result<()> {
        let free = PER_NODE_MAX - self.all;
        let of_user = self.by_user.of(user);
        if free == 0 {
            return Err(rejected("node", Error::busy()));
        }
        if of_user >= PER_USER_MAX {
            return Err(rejected("user", too_many(format!("At most {PER_USER_MAX} uploads at once are possible"))));
        }
        if of_user.max(self.by_origin.of(origin)) >= free {
            let message = "Too many uploads at once from this account or address while others need room";
            return Err(rejected("share", too_many(message)));
        }
        Ok(())
    }
}

fn rejected(limit: &'static str, error: Error) -> Error {
    counter!(UPLOADS_REJECTED_TOTAL, "limit" => limit).increment(1);
    error
}

fn too_many(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::RateLimitExceeded, message).retry_after(2)
}

impl Drop for UploadSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock();
        taken.all -= 1;
        taken.by_user.remove(&self.user);
        taken.by_origin.remove(&self.origin);
        gauge!(UPLOADS_IN_PROGRESS).set(taken.all as f64);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn origin(last: u8) -> Origin {
        IpAddr::from([192, 0, 2, last]).into()
    }

    /// Slots that fresh accounts behind one address get, each of them as many as it may.
    fn all_that(slots: &UploadSlots, origin: Origin) -> Vec<UploadSlot> {
        let mut held = Vec::new();
        loop {
            let (before, user) = (held.len(), ObjectId::generate());
            held.extend(std::iter::from_fn(|| slots.take(user, origin).ok()));
            if held.len() == before {
                return held;
            }
        }
    }

    #[test]
    fn a_user_is_bounded_and_slots_come_back() {
        let slots = UploadSlots::default();
        let (ada, bob) = (ObjectId::generate(), ObjectId::generate());
        let held: Vec<_> = (0..PER_USER_MAX).map(|_| slots.take(ada, origin(1)).unwrap()).collect();
        assert_eq!(slots.take(ada, origin(2)).err().map(|e| e.status_code()), Some(429));
        assert!(slots.take(bob, origin(1)).is_ok());
        drop(held);
        assert!(slots.take(ada, origin(1)).is_ok());
        let taken = slots.0.lock();
        assert_eq!((taken.by_user.callers(), taken.by_origin.callers(), taken.all), (0, 0, 0));
    }

    #[test]
    fn addresses_share_and_leave_some_to_who_has_none() {
        let slots = UploadSlots::default();
        let one = all_that(&slots, origin(1));
        assert_eq!(one.len(), PER_NODE_MAX / 2, "whatever the number of its accounts");
        assert_eq!(slots.take(ObjectId::generate(), origin(1)).err().map(|e| e.status_code()), Some(429));
        let more: Vec<_> = (2..=8).map(|last| all_that(&slots, origin(last))).collect();
        assert!(more.iter().all(|held| !held.is_empty()));
        assert!(slots.take(ObjectId::generate(), origin(9)).is_ok(), "a caller who has none");
    }

    #[test]
    fn a_user_at_many_addresses_is_one() {
        let slots = UploadSlots::default();
        let _others: Vec<_> = (1..=3).flat_map(|last| all_that(&slots, origin(last))).collect();
        let free = PER_NODE_MAX - slots.0.lock().all;
        let ada = ObjectId::generate();
        let held: Vec<_> = (10..200).map_while(|last| slots.take(ada, origin(last)).ok()).collect();
        assert_eq!(held.len(), free.div_ceil(2).min(PER_USER_MAX));
    }
}
