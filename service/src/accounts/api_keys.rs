//! API keys of partners: `msk_`, the id of the key, and a secret of which only the hash is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metastamp_protocol::ObjectId;
use metastamp_protocol::partner::{ApiKey, secret_hash};
use ring::hmac;

/// How a key begins, so that it is never taken for a token, and is found where it has leaked.
pub const PREFIX: &str = "msk_";
const SECRET_BYTES: usize = 32;
/// Those bytes in base64.
const SECRET_CHARS: usize = 43;

/// A key as a client sent it, taken apart.
pub struct Presented {
    pub id: ObjectId,
    secret_hash: String,
}

impl Presented {
    /// `None` for what is no key at all.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if secret.len() != SECRET_CHARS || !secret.bytes().all(is_ours) {
            return None;
        }
        Some(Self { id: id.parse().ok()?, secret_hash: secret_hash(secret) })
    }

    /// Whether it is `key`, and that is still good. Takes as long for a secret that is nearly right as for any other.
    pub fn is(&self, key: &ApiKey) -> bool {
        // Tags under a key nobody knows differ everywhere when the hashes differ anywhere.
        let once = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
        let tag = hmac::sign(&once, key.secret_hash.as_bytes());
        let is_right = hmac::verify(&once, self.secret_hash.as_bytes(), tag.as_ref()).is_ok();
        is_right && key.id == self.id && key.revoked_at.is_none()
    }
}

/// A new key: what the partner gets to see once, and the hash that is kept.
pub fn generate(id: ObjectId) -> (String, String) {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
    let hash = secret_hash(&secret);
    (format!("{PREFIX}{id}_{secret}"), hash)
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::Timestamp;

    use super::*;

    fn key() -> (String, ApiKey) {
        let id = ObjectId::generate();
        let (text, secret_hash) = generate(id);
        let key = ApiKey {
            id,
            partner_id: ObjectId::generate(),
            name: "k".to_owned(),
            scopes: Vec::new(),
            secret_hash,
            created_at: Timestamp(0),
            revoked_at: None,
        };
        (text, key)
    }

    #[test]
    fn a_key_is_known_by_its_secret_until_it_is_revoked() {
        let (text, key) = key();
        assert_eq!(text.len(), 4 + 24 + 1 + 43);
        assert!(!text.contains(&key.secret_hash));
        let presented = Presented::parse(&text).unwrap();
        assert!(presented.id == key.id && presented.is(&key));
        assert!(!presented.is(&ApiKey { revoked_at: Some(Timestamp(1)), ..key.clone() }));
        assert!(!presented.is(&ApiKey { id: ObjectId::generate(), ..key.clone() }));
        let last = if text.ends_with('A') { "B" } else { "A" };
        let wrong = text[..text.len() - 1].to_owned() + last;
        assert!(!Presented::parse(&wrong).unwrap().is(&key));
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        let (text, _) = key();
        for wrong in ["", "msk_", &text[4..], &text[..text.len() - 1], &format!("{text}A"), &text.replace('_', "-")] {
            assert!(Presented::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Presented::parse(&format!("msk_{}_{}", "z".repeat(24), "a".repeat(43))).is_none());
    }
}
