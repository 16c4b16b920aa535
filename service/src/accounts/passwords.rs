//! Passwords: bcrypt, cost 12, off the request threads and never too many at once; network addresses take turns.

use metrics::{counter, gauge};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization as _;

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

/// The one form of a password that keyboards and systems write differently, as OpaqueString of RFC 8265 has it: composed, and
/// with one kind of blank.
fn one_form(password: &str) -> String {
    password.nfc().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).collect()
}

/// The one form first; then what accounts from before it may have been made with: as it came, and decomposed. A password of
/// ASCII has one form only.
fn forms(password: &str) -> Vec<String> {
    let mut forms = vec![one_form(password)];
    for form in [password.to_owned(), password.nfd().collect()] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

fn hash(password: &str) -> Option<String> {
    bcrypt::hash(material(&one_form(password)), COST).ok()
}

fn verify(password: &str, stored: Option<&str>) -> Verdict {
    let forms = forms(password);
    let Some(stored) = stored else {
        for form in &forms {
            let _ = bcrypt::verify(material(form), DUMMY_HASH);
        }
        return Verdict::Wrong;
    };
    let mut verdicts = forms.iter().map(|form| verify_form(form, stored));
    match verdicts.next() {
        Some(Verdict::Wrong) | None => {}
        Some(right) => return right,
    }
    match verdicts.find(|verdict| *verdict != Verdict::Wrong) {
        // from now on in the one form
        Some(_) => hash(password).map_or(Verdict::Right, Verdict::RightUpgrade),
        None => Verdict::Wrong,
    }
}

fn verify_form(password: &str, stored: &str) -> Verdict {
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
    fn a_password_is_the_same_however_its_letters_are_composed() {
        let (composed, decomposed) = ("gro\u{df}er K\u{e4}se", "gro\u{df}er Ka\u{308}se");
        let stored = hash(decomposed).unwrap();
        assert_eq!(verify(composed, Some(&stored)), Verdict::Right);
        assert_eq!(verify(decomposed, Some(&stored)), Verdict::Right);
        assert_eq!(verify("gro\u{df}er\u{a0}K\u{e4}se", Some(&stored)), Verdict::Right);
        assert_eq!(verify("gro\u{df}er Kase", Some(&stored)), Verdict::Wrong);
        // stored before there was one form
        let older = bcrypt::hash(material(decomposed), COST).unwrap();
        for typed in [composed, decomposed] {
            let Verdict::RightUpgrade(stored) = verify(typed, Some(&older)) else { panic!("{typed:?}") };
            assert_eq!(verify(composed, Some(&stored)), Verdict::Right);
        }
    }

    #[test]
    fn an_unknown_account_is_wrong_and_the_dummy_is_a_real_hash() {
        assert_eq!(verify("x", None), Verdict::Wrong);
        assert!(bcrypt::verify("x", DUMMY_HASH).is_ok(), "a malformed dummy would answer at once");
    }
}
