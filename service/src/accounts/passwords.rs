//! Passwords: bcrypt, cost 12, off the request threads and never too many at once; network addresses take turns.

use metrics::{counter, gauge};
use sha2::{Digest, Sha256};

use crate::fair::{Bounds, FairQueue, Full, Origin};
use crate::metrics::{PASSWORDS_REJECTED_TOTAL, PASSWORDS_WAITING};

const COST: u32 = 12;
/// bcrypt looks at 72 bytes; the last is its terminator.
const BCRYPT_BYTES_MAX: usize = 71;
/// Verified when the account does not exist, so that the time tells nothing. Hash of a random text nobody kept.
const DUMMY_HASH: &str = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZkZ5fYQbHkzM0c2pDUm5QkQ0F3q5yW";
/// Logins that may wait for a core; each takes about a quarter of a second of it.
const WAITING_MAX: usize = 64;
/// Of them, from one network address.
const WAITING_EACH_MAX: usize = 32;

/// Bounded access to password hashing. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    queue: FairQueue<Origin>,
}

/// Too many logins at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, against a hash of an older kind: store this one instead.
    RightUpgrade(String),
}

impl Passwords {
    pub fn new(at_once: usize) -> Self {
        let bounds = Bounds { at_once, waiting: WAITING_MAX, waiting_each: WAITING_EACH_MAX };
        Self { queue: FairQueue::new(bounds) }
    }

    pub async fn hash(&self, origin: Origin, password: String) -> Result<String, Overloaded> {
        self.run(origin, move || hash(&password)).await?.ok_or(Overloaded)
    }

    /// `stored` is `None` for an unknown account; that takes as long as a wrong password.
    pub async fn verify(
        &self,
        origin: Origin,
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, Overloaded> {
        self.run(origin, move || verify(&password, stored.as_deref())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        origin: Origin,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let turn = self.queue.turn(origin).await;
        gauge!(PASSWORDS_WAITING).set(self.queue.waiting() as f64);
        let turn = turn.map_err(rejected)?;
        // The turn goes along: a client that hangs up must not make room while its hash is still being computed.
        let work = move || {
            let result = f();
            drop(turn);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Overloaded)
    }
}

fn rejected(_: Full) -> Overloaded {
    counter!(PASSWORDS_REJECTED_TOTAL).increment(1);
    Overloaded
}

/// What bcrypt gets to see: the password, or a digest of one that is too long for it or holds its terminator.
fn material(password: &str) -> String {
    if password.len() <= BCRYPT_BYTES_MAX && !password.contains('\0') {
        return password.to_owned();
    }
    hex::encode(Sha256::digest(password.as_bytes()))
}

fn hash(password: &str) -> Option<String> {
    bcrypt::hash(material(password), COST).ok()
}

fn verify(password: &str, stored: Option<&str>) -> Verdict {
    let Some(stored) = stored else {
        let _ = bcrypt::verify(material(password), DUMMY_HASH);
        return Verdict::Wrong;
    };
    // The original kept unsalted SHA-256 hex: good for one last login.
    if stored.len() == 64 && stored.bytes().all(|b| b.is_ascii_hexdigit()) {
        let digest = hex::encode(Sha256::digest(password.as_bytes()));
        let same = digest.eq_ignore_ascii_case(stored);
        return match (same, hash(password)) {
            (true, Some(upgraded)) => Verdict::RightUpgrade(upgraded),
            (true, None) => Verdict::Right,
            (false, _) => Verdict::Wrong,
        };
    }
    match bcrypt::verify(material(password), stored) {
        Ok(true) => Verdict::Right,
        _ => Verdict::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_passwords_count_to_their_end() {
        let long = "a1".repeat(60);
        let stored = hash(&long).unwrap();
        assert_eq!(verify(&long, Some(&stored)), Verdict::Right);
        assert_eq!(verify(&long[..119], Some(&stored)), Verdict::Wrong);
    }

    #[test]
    fn a_legacy_digest_is_upgraded() {
        let legacy = hex::encode(Sha256::digest(b"demo1234"));
        let Verdict::RightUpgrade(stored) = verify("demo1234", Some(&legacy)) else { panic!("upgrade") };
        assert_eq!(verify("demo1234", Some(&stored)), Verdict::Right);
        assert_eq!(verify("demo1235", Some(&legacy)), Verdict::Wrong);
    }

    #[test]
    fn an_unknown_account_is_wrong_and_the_dummy_is_a_real_hash() {
        assert_eq!(verify("x", None), Verdict::Wrong);
        assert!(bcrypt::verify("x", DUMMY_HASH).is_ok(), "a malformed dummy would answer at once");
    }
}
