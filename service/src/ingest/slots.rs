//! How many uploads may run at once: a bound for each user, and one for the node.

use std::collections::HashMap;
use std::sync::Arc;

use metastamp_protocol::{ErrorCode, ObjectId};
use metrics::{counter, gauge};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::metrics::{UPLOADS_IN_PROGRESS, UPLOADS_REJECTED_TOTAL};

/// The web client sends at most five at once, each up to four times.
const PER_USER_MAX: usize = 64;
const PER_NODE_MAX: usize = 512;

#[derive(Clone, Default)]
pub struct UploadSlots(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    by_user: HashMap<ObjectId, usize>,
    all: usize,
}

/// Given back when dropped.
pub struct UploadSlot {
    slots: UploadSlots,
    user: ObjectId,
}

impl UploadSlots {
    /// # Errors
    /// 429 when the user has too many uploads under way, 503 when the node has.
    pub fn take(&self, user: ObjectId) -> Result<UploadSlot> {
        let mut taken = self.0.lock();
        if taken.all >= PER_NODE_MAX {
            counter!(UPLOADS_REJECTED_TOTAL, "limit" => "node").increment(1);
            return Err(Error::busy());
        }
        let mine = taken.by_user.entry(user).or_default();
        if *mine >= PER_USER_MAX {
            counter!(UPLOADS_REJECTED_TOTAL, "limit" => "user").increment(1);
            let message = format!("At most {PER_USER_MAX} uploads at once are possible");
            return Err(Error::new(ErrorCode::RateLimitExceeded, message).retry_after(2));
        }
        *mine += 1;
        taken.all += 1;
        gauge!(UPLOADS_IN_PROGRESS).set(taken.all as f64);
        Ok(UploadSlot { slots: self.clone(), user })
    }
}

impl Drop for UploadSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock();
        taken.all -= 1;
        gauge!(UPLOADS_IN_PROGRESS).set(taken.all as f64);
        if let Some(mine) = taken.by_user.get_mut(&self.user) {
            *mine -= 1;
            if *mine == 0 {
                taken.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_bounded_and_slots_come_back() {
        let slots = UploadSlots::default();
        let (ada, bob) = (ObjectId::generate(), ObjectId::generate());
        let held: Vec<_> = (0..PER_USER_MAX).map(|_| slots.take(ada).unwrap()).collect();
        assert_eq!(slots.take(ada).err().map(|e| e.status_code()), Some(429));
        assert!(slots.take(bob).is_ok());
        drop(held);
        assert!(slots.take(ada).is_ok());
        assert!(slots.0.lock().by_user.is_empty());
    }
}
