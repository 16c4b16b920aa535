//! Sealed datagrams: ChaCha20-Poly1305 (RFC 8439) under a key of the sender's session, with a counter as nonce, a
//! sliding window against replays (as RFC 4303, section 3.4.3, has it) and a time stamp against old recordings.
//!
//! ```text
//! "MSG1" | key id 4 | session 16 | counter 8 | sealed: time stamp 8, payload | tag 16
//! "MSR1" | key id 4 | session 16 | counter 8        a refusal: "your secret is not mine"
//! ```

use std::collections::HashMap;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::secret::Secret;

const MAGIC: &[u8; 4] = b"MSG1";
const REFUSAL: &[u8; 4] = b"MSR1";
const HEADER: usize = 4 + 4 + 16 + 8;
const STAMP: usize = 8;
/// Added to each payload.
pub const OVERHEAD: usize = HEADER + STAMP + 16;
/// Clocks of members may differ by this much, and a datagram may be this old.
pub const AGE_MAX_MS: i64 = 30_000;
/// Sessions remembered; each is a start of a member within the last minute or so.
const SESSIONS_MAX: usize = 4_096;

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// Sealed under another secret.
    Secret,
    /// The other side says that ours is another secret.
    Refusal,
    Replay,
    /// Older than allowed, or from the future.
    Clock,
    Malformed,
}

impl Rejected {
    pub fn as_str(self) -> &'static str {
        match self {
            Rejected::Secret => "secret",
            Rejected::Refusal => "refusal",
            Rejected::Replay => "replay",
            Rejected::Clock => "clock",
            Rejected::Malformed => "malformed",
        }
    }
}

fn session_key(secret: &Secret, session: &[u8; 16]) -> LessSafeKey {
    let bytes = secret.derive::<32>("gossip", session);
    // The length is the algorithm's: it can't fail.
    match UnboundKey::new(&CHACHA20_POLY1305, &bytes) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => unreachable!("a key of 32 bytes"),
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Which secret this is, without telling it.
fn key_id(secret: &Secret) -> [u8; 4] {
    secret.derive("gossip key id", b"")
}

/// Seals what this node sends. One per start: the session is random, so that no nonce is ever used twice.
pub struct Sealer {
    key: LessSafeKey,
    key_id: [u8; 4],
    session: [u8; 16],
    counter: u64,
}

impl Sealer {
    pub fn new(secret: &Secret) -> Self {
        let session: [u8; 16] = rand::random();
        Self { key: session_key(secret, &session), key_id: key_id(secret), session, counter: 0 }
    }

    pub fn seal(&mut self, payload: &[u8], now_ms: i64) -> Vec<u8> {
        self.counter += 1;
        let mut datagram = Vec::with_capacity(payload.len() + OVERHEAD);
        datagram.extend_from_slice(MAGIC);
        datagram.extend_from_slice(&self.key_id);
        datagram.extend_from_slice(&self.session);
        datagram.extend_from_slice(&self.counter.to_be_bytes());
        let mut sealed = Vec::with_capacity(payload.len() + STAMP);
        sealed.extend_from_slice(&now_ms.to_be_bytes());
        sealed.extend_from_slice(payload);
        // Fails only beyond 256 GiB.
        if let Ok(tag) = self.key.seal_in_place_separate_tag(nonce(self.counter), Aad::from(&datagram), &mut sealed) {
            datagram.extend_from_slice(&sealed);
            datagram.extend_from_slice(tag.as_ref());
        }
        datagram
    }

    /// What to say to somebody with another secret. Shorter than what it answers, and it names that, so that only who
    /// saw the datagram can refuse it. `None` for what was no datagram at all.
    pub fn refusal(&self, refused: &[u8]) -> Option<Vec<u8>> {
        let named = refused.get(8..HEADER).filter(|_| refused.len() >= OVERHEAD)?;
        Some([REFUSAL.as_slice(), &self.key_id, named].concat())
    }

    pub fn session(&self) -> [u8; 16] {
        self.session
    }
}

/// Counters seen of one session: the highest, and which of the 128 up to it.
#[derive(Default)]
struct Window {
    highest: u64,
    seen: u128,
}

impl Window {
    /// Whether `counter` is new; from then on it is not.
    fn admit(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            let shift = counter - self.highest;
            self.seen = if shift < 128 { self.seen << shift | 1 } else { 1 };
            self.highest = counter;
            return true;
        }
        let back = self.highest - counter;
        if back >= 128 || self.seen >> back & 1 == 1 {
            return false;
        }
        self.seen |= 1 << back;
        true
    }
}

struct Session {
    key: LessSafeKey,
    window: Window,
    last_ms: i64,
}

/// Opens what others sent, each datagram once.
pub struct Opener {
    secret: Secret,
    key_id: [u8; 4],
    /// What this node sends itself under; nobody else does.
    own: [u8; 16],
    sessions: HashMap<[u8; 16], Session>,
}

impl Opener {
    pub fn new(secret: Secret, own: [u8; 16]) -> Self {
        Self { key_id: key_id(&secret), secret, own, sessions: HashMap::new() }
    }

    /// The payload of a datagram, decrypted in place.
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8], now_ms: i64) -> Result<&'a [u8], Rejected> {
        if datagram.starts_with(REFUSAL) && datagram.len() == HEADER {
            let of_ours = datagram[4..8] != self.key_id && datagram[8..24] == self.own;
            return Err(if of_ours { Rejected::Refusal } else { Rejected::Malformed });
        }
        if datagram.len() < OVERHEAD || !datagram.starts_with(MAGIC) {
            return Err(Rejected::Malformed);
        }
        if datagram[4..8] != self.key_id {
            return Err(Rejected::Secret);
        }
        let (header, sealed) = datagram.split_at_mut(HEADER);
        let session: [u8; 16] = header[8..24].try_into().map_err(|_| Rejected::Malformed)?;
        let counter = u64::from_be_bytes(header[24..32].try_into().map_err(|_| Rejected::Malformed)?);
        if session == self.own {
            return Err(Rejected::Replay);
        }
        let fresh = (!self.sessions.contains_key(&session)).then(|| session_key(&self.secret, &session));
        let key = fresh.as_ref().or_else(|| self.sessions.get(&session).map(|known| &known.key));
        let opened = key.and_then(|key| key.open_in_place(nonce(counter), Aad::from(&*header), sealed).ok());
        // The id of the key is right and the seal is not: a damaged or forged datagram.
        let opened = opened.ok_or(Rejected::Malformed)?;
        let (stamp, payload) = opened.split_at(STAMP);
        let stamp = i64::from_be_bytes(stamp.try_into().map_err(|_| Rejected::Malformed)?);
        if now_ms.abs_diff(stamp) > AGE_MAX_MS.unsigned_abs() {
            return Err(Rejected::Clock);
        }
        if let Some(key) = fresh {
            self.forget(now_ms);
            self.sessions.insert(session, Session { key, window: Window::default(), last_ms: now_ms });
        }
        let known = self.sessions.get_mut(&session).ok_or(Rejected::Malformed)?;
        if !known.window.admit(counter) {
            return Err(Rejected::Replay);
        }
        known.last_ms = now_ms;
        Ok(payload)
    }

    /// A session that was silent for long enough can't be replayed any more: its datagrams are too old.
    fn forget(&mut self, now_ms: i64) {
        self.sessions.retain(|_, session| now_ms - session.last_ms <= 3 * AGE_MAX_MS);
        if self.sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = self.sessions.iter().min_by_key(|(_, session)| session.last_ms).map(|(id, _)| *id)
        {
            self.sessions.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_764_168_600_000;

    fn pair() -> (Sealer, Opener) {
        let secret = Secret::new("a secret for tests");
        (Sealer::new(&secret), Opener::new(secret, [7; 16]))
    }

    #[test]
    fn what_is_sealed_opens_once() {
        let (mut sealer, mut opener) = pair();
        let datagram = sealer.seal(b"hello", NOW);
        assert_eq!(datagram.len(), 5 + OVERHEAD);
        assert_eq!(opener.open(&mut datagram.clone(), NOW), Ok(&b"hello"[..]));
        assert_eq!(opener.open(&mut datagram.clone(), NOW), Err(Rejected::Replay));
    }

    #[test]
    fn another_secret_is_told_apart_from_damage() {
        let (mut sealer, _) = pair();
        let mut stranger = Opener::new(Secret::new("another secret"), [7; 16]);
        let mut datagram = sealer.seal(b"hello", NOW);
        assert_eq!(stranger.open(&mut datagram.clone(), NOW), Err(Rejected::Secret));
        let (_, mut opener) = pair();
        let last = datagram.len() - 1;
        datagram[last] ^= 1;
        assert_eq!(opener.open(&mut datagram, NOW), Err(Rejected::Malformed));
    }

    #[test]
    fn a_refusal_counts_only_from_who_saw_the_datagram() {
        let secret = Secret::new("a secret for tests");
        let mut sealer = Sealer::new(&secret);
        let mut opener = Opener::new(secret, sealer.session());
        let datagram = sealer.seal(b"", NOW);
        let stranger = Sealer::new(&Secret::new("another secret"));
        let refusal = stranger.refusal(&datagram).unwrap();
        assert!(refusal.len() < datagram.len(), "no amplification");
        assert_eq!(opener.open(&mut refusal.clone(), NOW), Err(Rejected::Refusal));
        let mut forged = refusal;
        forged[9] ^= 1;
        assert_eq!(opener.open(&mut forged, NOW), Err(Rejected::Malformed));
        assert_eq!(stranger.refusal(b"MSG1"), None);
        assert_eq!(opener.open(&mut datagram.clone(), NOW), Err(Rejected::Replay), "our own, sent back");
    }

    #[test]
    fn old_recordings_are_dropped_even_by_a_node_that_just_started() {
        let (mut sealer, mut opener) = pair();
        let datagram = sealer.seal(b"hello", NOW);
        assert_eq!(opener.open(&mut datagram.clone(), NOW + AGE_MAX_MS + 1), Err(Rejected::Clock));
        assert_eq!(opener.open(&mut datagram.clone(), NOW - AGE_MAX_MS - 1), Err(Rejected::Clock));
        assert!(opener.open(&mut datagram.clone(), NOW + AGE_MAX_MS).is_ok());
    }

    proptest! {
        #[test]
        fn garbage_never_opens(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (_, mut opener) = pair();
            let mut framed = [b"MSG1".as_slice(), &opener.key_id, &bytes].concat();
            prop_assert!(opener.open(&mut framed, NOW).is_err());
            prop_assert!(opener.open(&mut bytes.clone(), NOW).is_err());
            prop_assert!(opener.sessions.is_empty());
        }

        #[test]
        fn each_datagram_opens_at_most_once_in_any_order(order in proptest::collection::vec(0usize..300, 1..600)) {
            let (mut sealer, mut opener) = pair();
            let datagrams: Vec<_> = (0..300).map(|_| sealer.seal(b"x", NOW)).collect();
            let mut opened = std::collections::HashSet::new();
            for i in order {
                if opener.open(&mut datagrams[i].clone(), NOW).is_ok() {
                    prop_assert!(opened.insert(i));
                }
            }
        }
    }
}
