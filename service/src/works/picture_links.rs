//! Addresses of pictures that a browser can show without a token: signed, and good for a while.

use ring::hmac;

use metastamp_protocol::{ObjectId, Timestamp};

/// Addresses change this often, so that browsers may keep what they have shown.
const PERIOD_S: i64 = 12 * 3_600;
/// An address is good for one to two periods after it was given.
const PERIODS: i64 = 2;

/// Signs and verifies. The same on all nodes, because the secret is.
pub struct PictureLinks {
    key: hmac::Key,
}

impl PictureLinks {
    /// `secret` is the one of the tokens; what is signed here can't be taken for a token.
    pub fn new(secret: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let key = hmac::sign(&root, b"metastamp picture links v1");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()) }
    }

    /// Path and query under which anybody who has them may see the picture.
    pub fn path(&self, asset_id: ObjectId, name: &str, now: Timestamp) -> String {
        let expires = (now.millis().div_euclid(1_000 * PERIOD_S) + PERIODS) * PERIOD_S;
        let signature = hex::encode(hmac::sign(&self.key, &message(asset_id, name, expires)));
        format!("/api/v1/assets/{asset_id}/pictures/{name}?expires={expires}&signature={signature}")
    }

    /// Whether the signature is ours and still good.
    pub fn holds(&self, asset_id: ObjectId, name: &str, expires: &str, signature: &str, now: Timestamp) -> bool {
        let (Ok(expires), Ok(signature)) = (expires.parse::<i64>(), hex::decode(signature)) else { return false };
        let valid = hmac::verify(&self.key, &message(asset_id, name, expires), &signature).is_ok();
        valid && now.millis() < expires.saturating_mul(1_000)
    }
}

fn message(asset_id: ObjectId, name: &str, expires: i64) -> Vec<u8> {
    format!("{asset_id}/{name}/{expires}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp(1_764_168_600_000);

    fn parts(path: &str) -> (String, String) {
        let (_, query) = path.split_once("?expires=").unwrap();
        let (expires, signature) = query.split_once("&signature=").unwrap();
        (expires.to_owned(), signature.to_owned())
    }

    #[test]
    fn an_address_is_good_for_a_while_and_for_one_picture() {
        let links = PictureLinks::new("a secret of at least 32 characters");
        let id = ObjectId::generate();
        let (expires, signature) = parts(&links.path(id, "thumbnail", NOW));
        let holds = |links: &PictureLinks, id, name, after_s| {
            links.holds(id, name, &expires, &signature, NOW.plus(Duration::from_secs(after_s)))
        };
        assert!(holds(&links, id, "thumbnail", 0));
        assert!(holds(&links, id, "thumbnail", PERIOD_S as u64));
        assert!(!holds(&links, id, "thumbnail", 2 * PERIOD_S as u64));
        assert!(!holds(&links, id, "waveform", 0), "another picture");
        assert!(!holds(&links, ObjectId::generate(), "thumbnail", 0), "another work");
        assert!(!holds(&PictureLinks::new("another secret of 32 characters ."), id, "thumbnail", 0));
        let later = (expires.parse::<i64>().unwrap() + 1).to_string();
        assert!(!links.holds(id, "thumbnail", &later, &signature, NOW), "a longer life");
        assert!(!links.holds(id, "thumbnail", "x", &signature, NOW) && !links.holds(id, "thumbnail", "1", "zz", NOW));
    }

    #[test]
    fn addresses_stay_the_same_within_a_period() {
        let links = PictureLinks::new("a secret of at least 32 characters");
        let id = ObjectId::generate();
        let at = |s: i64| links.path(id, "thumbnail", Timestamp(s * 1_000));
        assert_eq!(at(PERIOD_S), at(2 * PERIOD_S - 1));
        assert_ne!(at(PERIOD_S), at(2 * PERIOD_S));
    }
}
